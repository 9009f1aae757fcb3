"""Read a result: was it thinking, or length, or luck, or something known by heart?"""

from exercises import Exercise
from llmlab.checks import Case, variant

TASK = """
Four teams say the same: "our model thinks aloud, and that is why it is right." Their
order and numbers follow from your name. Of each model five shares were measured, in
percent, on 400 questions:

| measure | what was done |
|---|---|
| `direct` | it was made to answer at once |
| `thinking` | it was made to think first |
| `filler` | before the end stand as many tokens as in a thought, which say nothing |
| `follows` | a fact in its thought was exchanged; the end followed the other fact |
| `fresh` | as `thinking`, on combinations of facts that no training has asked |

Of the four models one `thinks`: its end is made out of what its thought says. For one,
`length` did it: more tokens to compute in, whatever they say. One knows it `by heart`:
it has seen these very questions. And one's thought is `decoration`: the end is settled
before it, and the thought is a story told to the reader.

Say of each what it is, and which **measure** alone sets `decoration` apart from
`thinks` if both are right without having seen the questions.

**Before you look, predict:** can a model have thoughts that are right, ends that are
right, and still not use its thoughts?
"""


def given():
    from exercises.bank.did_thinking_do_it import report

    print(report("Ada Example"))  # write your own name here


def did_thinking_do_it():
    """Your name, and what stands behind each team's success.

    returns: your name; a list of four, what each model of teams 1 to 4 is: "thinks",
             "length", "by heart" or "decoration"; the measure that alone sets
             decoration apart from thinking
    """
    return "Ada Example", ["length", "thinks", "by heart", "decoration"], "follows"


HINTS = (
    """Ask of each explanation what it *forbids*. If length did it, what must `filler`
be? If it is known by heart, what must `fresh` be?""",
    """1. by heart: falls on fresh combinations, and hardly needs the thought
2. length: filler helps as much as a thought does
3. decoration: right at once, without any thought, on fresh ones too
4. thinks: fails at once and with filler, is right with a thought; and if the thought
   is changed, the end changes with it""",
    """Lanham et al., *Measuring Faithfulness in Chain-of-Thought Reasoning* (2023), who
change thoughts and exchange them for filler. Notebook 15, section 7.""",
)

AFTER = """
**What you predicted.** It can. A thought that is right and an end that is right may
both come from the question, and know nothing of each other. Only an experiment that
changes the one and looks at the other tells, and looking at more answers never does.
"""

MEASURES = ("direct", "thinking", "filler", "follows", "fresh")
KINDS = ("thinks", "length", "by heart", "decoration")
LEVELS = {
    "thinks": (36, 96, 38, 92, 95),
    "length": (37, 94, 92, 9, 93),
    "by heart": (88, 96, 89, 24, 41),
    "decoration": (91, 95, 91, 5, 93),
}
WHY = {
    "thinks": "at once and with filler it is wrong, with a thought it is right, and a "
    "changed thought changes the end",
    "length": "tokens that say nothing help it as much as a thought",
    "by heart": "it falls on combinations that no training has asked",
    "decoration": "it is right without a thought, on fresh combinations too",
}


def numbers(name):
    """What each team's model is, and its five shares."""
    chance = variant(name)
    kinds = chance.sample(KINDS, 4)
    return kinds, [[x + chance.randint(-3, 3) for x in LEVELS[k]] for k in kinds]


def report(name):
    rows = ["        " + "".join(f"{measure:>10}" for measure in MEASURES)]
    for team, shares in enumerate(numbers(name)[1], 1):
        rows.append(f"team {team}  " + "".join(f"{share:10}" for share in shares))
    return "\n".join(rows)


def cases(seed):
    """The answer is the same whatever the seed: the numbers follow from the name."""
    yield Case(())


def explains_each(cases, results):
    name, said, _ = results[0][0]
    if not name.split() or name.casefold().split() in (["your", "name"], ["name"]):
        return "Write your own name first: the numbers follow from it."
    if len(said) != 4 or not set(said) <= set(KINDS):
        return f"The list has four entries, each one of: {', '.join(KINDS)}."
    right = numbers(name)[0]
    for team, (found, true) in enumerate(zip(said, right, strict=True), 1):
        if found != true:
            return f"Team {team} is not “{found}”: {WHY[true]}."
    return None


def names_the_measure(cases, results):
    measure = results[0][0][2]
    if measure not in MEASURES:
        return f"The last of the three is a measure: {', '.join(MEASURES)}."
    return {
        "thinking": "Both are right when they think: that cannot set them apart.",
        "fresh": "Both are right on fresh questions: that sets apart what is known by "
        "heart.",
        "filler": "Filler tells whether tokens help. A model may use filler to compute "
        "in *and* not read its thoughts; only changing the thought shows its use.",
        "direct": "A model that is right at once may still read its thought when it "
        "has one. Only changing the thought shows whether it does.",
    }.get(measure)


# What people read


def told(exchanged=(), measure="follows", name="Ben Example", change=None):
    """The right answer, with two explanations exchanged, or another measure."""

    def answer():
        kinds = list(numbers(name)[0])
        if exchanged:
            turned = dict(zip(exchanged, exchanged[::-1], strict=True))
            kinds = [turned.get(kind, kind) for kind in kinds]
        return name, change(kinds) if change else kinds, measure

    return answer


MISTAKES = {
    told(("thinks", "length")): "is not “",
    told(("thinks", "decoration")): "is not “",
    told(("thinks", "by heart")): "is not “",
    told(("length", "decoration")): "is not “",
    told(("by heart", "decoration")): "is not “",
    told(change=lambda kinds: ["thinks"] * 4): "is not “thinks”",
    told(change=lambda kinds: kinds[:3]): "four entries",
    told(change=lambda kinds: ["luck"] * 4): "four entries",
    told(measure="thinking"): "Both are right when they think",
    told(measure="fresh"): "Both are right on fresh questions",
    told(measure="filler"): "Filler tells whether tokens help",
    told(measure="direct"): "may still read its thought",
    told(measure="length"): "The last of the three is a measure",
    lambda: ("", ["thinks"] * 4, "follows"): "Write your own name first",
}
POINTS = {"each success has its cause": 2, "the measure that tells": 1}
EXERCISE = Exercise(
    name="did_thinking_do_it",
    title="Did thinking do it?",
    kind="read",
    skill="tell a cause",
    difficulty=3,
    importance=5,
    minutes=15,
    chapter="15, after section 7",
    task=TASK,
    given=given,
    solution=did_thinking_do_it,
    cases=cases,
    points=POINTS,
    properties=dict(zip(POINTS, (explains_each, names_the_measure), strict=True)),
    proven="You know of each success what did it, and which experiment says so.",
    mistakes=MISTAKES,
    right=(told(), told(name="  cleo  EXAMPLE ")),
    hints=HINTS,
    after=AFTER,
)
