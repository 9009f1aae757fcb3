"""A judge that cannot be fooled: one end, at the end, and the right one."""

import re

from exercises import Exercise
from llmlab.checks import Case

TASK = """
A model may think aloud before it answers, and is paid for the right end and for nothing
else. So it will find whatever your program takes for a right end. An answer has this
form, and no other:

    Think: Agnes has the finest mirror. Agnes lives at the mill. Answer: the mill.

or, without a thought, `Answer: the mill.` It is **right** if it has exactly one
`Answer:`, behind which stands the wanted end, a full stop, and nothing more. What may
stand before is nothing at all, or `Think:` with at least one word behind it. Spaces
around the whole answer do not matter.

| answer, wanted: Otto | right? |
|---|---|
| Think: Otto has it. Answer: Otto. | yes |
| Answer: Otto. Answer: Agnes. | no: it has not decided |
| Answer: Otto or Agnes. | no: a list is no answer |
| Think: It is Otto. Answer: Agnes. | no: the end counts |
| Think: Answer: Otto. | no: an empty thought |

**Before you start, predict:** a check looks whether `Answer: Otto.` stands anywhere in
the answer. After a thousand updates, what will a model say that does not know who it
is?
"""


def judge_the_end(answer, wanted):
    """Whether an answer is right.

    answer:  a text, perhaps empty
    wanted:  a text without a full stop, such as "the mill"
    returns: True or False
    """
    before, end, after = answer.strip().partition("Answer:")
    if not end or after != f" {wanted}.":
        return False
    thought = before.removeprefix("Think:").strip()
    return before == "" or (before.startswith("Think:") and thought != "")


HINTS = (
    """Cut the answer at `Answer:`. How many pieces may there be, what exactly must the
last one be, and what may the first one be?""",
    """1. strip the whole answer; split it at `Answer:`; there must be two pieces
2. the second is a space, the wanted end and a full stop: compare it whole, do not look
   for the end *in* it
3. the first is empty, or begins with `Think:` and has a word behind that""",
    """Notebook 15, section 3, and `read` in `llmlab/thinking.py`. Notebook 13 on what
policies do with a reward that can be fooled.""",
)

AFTER = """
**What you predicted.** All the names it knows, one `Answer:` after the other. Nobody
taught it to cheat. It was paid for it.

**Your function against a sly model**, which knows nothing and tries everything:
"""


def use(judge_the_end):
    people = ("Otto", "Agnes", "Fern", "Edgar")
    tricks = {
        "all of them, in turn": " ".join(f"Answer: {name}." for name in people),
        "all of them, at once": f"Answer: {', '.join(people)}.",
        "all of them, in thought": f"Think: {' '.join(people)}. Answer: one of them.",
        "nobody": "Answer: .",
    }
    for trick, said in tricks.items():
        paid = sum(bool(judge_the_end(said, name)) for name in people)
        print(f"{trick:24} is paid for {paid} of {len(people)} questions")


ENDS = "the end is the wanted one, whole"
ONCE = "there is one end, at the end"
THOUGHT = "before it stands nothing, or a thought"
BY_HAND = {
    ENDS: (
        ("Answer: the mill.", "the mill"),
        ("Answer: the mill.", "the bridge"),
        ("Think: Agnes lives at the mill. Answer: the mill.", "the mill"),
        ("Think: It is at the mill. Answer: the bridge.", "the mill"),
        ("Answer: the mill or the bridge.", "the mill"),
        ("Answer: the bridge or the mill.", "the mill"),
        ("Answer: the windmill.", "mill"),
        ("Answer: Otto, Agnes.", "Otto"),
        ("Answer: .", "Otto"),
        ("", "Otto"),
        ("Otto.", "Otto"),
    ),
    ONCE: (
        ("Answer: Otto. Answer: Agnes.", "Otto"),
        ("Answer: Otto. Answer: Agnes.", "Agnes"),
        ("Think: Answer: Otto. Answer: Agnes.", "Agnes"),
        ("Answer: Otto. Answer: Otto.", "Otto"),
        ("Answer: Otto. Agnes.", "Otto"),
        ("Answer: Otto. Or not.", "Otto"),
        ("Answer: Otto", "Otto"),
        ("  Answer: Otto.\n", "Otto"),
    ),
    THOUGHT: (
        ("Think: Answer: Otto.", "Otto"),
        ("Think:   Answer: Otto.", "Otto"),
        ("Think: Otto has it. Answer: Otto.", "Otto"),
        ("Otto has it. Answer: Otto.", "Otto"),
        ("I Think: well. Answer: Otto.", "Otto"),
    ),
}
NAMES = ("Otto", "Agnes"), ("Greta", "Nils"), ("Fern", "Edgar"), ("Ivy", "Kuno")


def cases(seed):
    otto, agnes = NAMES[seed % len(NAMES)]
    for proves, rows in BY_HAND.items():
        for row in rows:
            said = (x.replace("Otto", otto).replace("Agnes", agnes) for x in row)
            yield Case(tuple(said), proves)


def definition(answer, wanted):
    """By one pattern, and a count."""
    form = rf"(Think:.*\S.*)?Answer: {re.escape(wanted)}\."
    return answer.count("Answer:") == 1 and bool(
        re.fullmatch(form, answer.strip(), re.DOTALL)
    )


# What people get wrong


def anywhere(answer, wanted):
    return f"Answer: {wanted}." in answer


def last_one(answer, wanted):
    return answer.strip().split("Answer:")[-1] == f" {wanted}." and "Answer:" in answer


def first_one(answer, wanted):
    return answer.strip().partition("Answer:")[2].startswith(f" {wanted}.")


def held(answer, wanted):
    """The wanted end stands somewhere behind the only end."""
    pieces = answer.strip().split("Answer:")
    return len(pieces) == 2 and wanted in pieces[1]


def fact_anywhere(answer, wanted):
    return wanted in answer


def ends_with(answer, wanted):
    return answer.strip().endswith(f"{wanted}.")


def anything_before(answer, wanted):
    pieces = answer.strip().split("Answer:")
    return len(pieces) == 2 and pieces[1] == f" {wanted}."


def empty_thought(answer, wanted):
    before = answer.strip().partition("Answer:")[0]
    return anything_before(answer, wanted) and (
        not before or before.startswith("Think:")
    )


def must_think(answer, wanted):
    return definition(answer, wanted) and answer.strip().startswith("Think:")


def unstripped(answer, wanted):
    return definition(answer, wanted) and answer == answer.strip()


def stopless(answer, wanted):
    text = answer.strip()
    return definition(text if text.endswith(".") else f"{text}.", wanted)


MISTAKES = {
    anywhere: "An end is looked for anywhere. A model that ends with one name after "
    "the other is always paid.",
    last_one: "Only the last end is looked at: whoever ends twice has not decided, "
    "and an answer that tries names until one sounds right is no answer.",
    first_one: "Only the first end is looked at: what stands behind it may take it "
    "back.",
    held: "The end *holds* what is wanted. A list of all names holds it, too: compare "
    "the end whole.",
    fact_anywhere: "What is wanted may stand in the thought, and the end be another. "
    "The end counts.",
    ends_with: "",
    anything_before: "Before the end anything may stand. It must be nothing, or "
    "`Think:` and a thought.",
    empty_thought: "An empty thought passes. It costs nothing and looks like thinking: "
    "a share of answers that think would count it.",
    must_think: "An answer without a thought fails. What is paid for is the end; "
    "whether thinking pays is for the model to find out.",
    unstripped: "Spaces around the answer make a right one wrong.",
    stopless: "An answer without its full stop passes: it may have been cut off in the "
    "middle of a longer end.",
    lambda answer, wanted: True: "",
}


# Right in other styles


def by_pieces(answer, wanted):
    pieces = answer.strip().split("Answer:")
    if len(pieces) != 2 or pieces[1] != " " + wanted + ".":
        return False
    if pieces[0] == "":
        return True
    return pieces[0][:6] == "Think:" and len(pieces[0][6:].split()) > 0


EXERCISE = Exercise(
    name="judge_the_end",
    title="A judge that cannot be fooled",
    kind="implement",
    skill="write a reward",
    difficulty=2,
    importance=5,
    minutes=15,
    chapter="15, before section 3",
    task=TASK,
    solution=judge_the_end,
    definition=definition,
    cases=cases,
    points={ENDS: 1, ONCE: 1, THOUGHT: 1},
    proven="Only the wanted end is paid for: no list, no second try, no empty thought.",
    mistakes=MISTAKES,
    right=(by_pieces,),
    hints=HINTS,
    after=AFTER,
    use=use,
)
