"""Predict: how much of a batch is learned, and how much of it is empty?"""

from exercises import Exercise
from llmlab.checks import Case, variant

TASK = """
Before a run one should be able to say what its batches hold. The cell below shows five
examples with the lengths of their prompts and answers; they follow from your name. Each
becomes one row: prompt, answer, `<eos>`. Targets are shifted by one, so a row's last
token is a target and is never read. Shorter rows are padded to the longest.

| reads | `<bos>` | `<user>` | Who | sings? | `<assistant>` | Mara | . |
|---|---|---|---|---|---|---|---|
| learns | | | | | Mara | . | `<eos>` |

Here the prompt has 5 tokens and the answer 2: 7 tokens are read, 3 are learned.

With a pencil (or Python): how many targets has the batch, how many tokens does the
model read, and what share of the batch is padding? And of all targets, what share are
those of the story?

**Before you reckon, predict:** one example of five is a story. What share of what is
learned belongs to it?
"""


def given():
    from exercises.bank.how_many_targets import report

    print(report("Ada Example"))  # write your own name here


def how_many_targets():
    """Your name, as above, and what its batch holds.

    returns: your name; targets in the batch; tokens that are read, without padding;
             the share of its positions that are padding, in percent; the story's
             share of the targets, in percent (both shares to a tenth)
    """
    return "Ada Example", 178, 232, 64.0, 67.4


HINTS = (
    """Draw two rows under each other, the longer one first, and below each cell its
target. Which cells have none because of the prompt, and which because there is
nothing?""",
    """1. targets of a row: the answer's tokens and `<eos>`
2. tokens read in a row: prompt and answer; `<eos>` has no successor to predict
3. positions of the batch: rows times the longest row's tokens read; what is not read
   is padding
4. the story's targets, divided by the targets of all""",
    """`next_token_batch` in `llmlab/batching.py` shifts and pads; `number_of_targets`
counts. Notebook 07 packs several examples into a row, to waste less.""",
)

AFTER = """
**What you predicted.** More than half: the loss is a mean over tokens, not over
examples. Whoever wants a task to weigh less counts its *tokens* before sharing out
examples. And more than half of a batch with one example a row is empty.
"""

TASKS = ("story", "French", "summary", "help desk", "question")
SIZES = ((9, 14), (8, 14), (16, 30), (7, 12), (6, 10))
ANSWERS = ((95, 125), (6, 12), (12, 24), (12, 22), (3, 7))


def batch(name):
    """Of each task the lengths of prompt and answer, in an order of this name's."""
    chance = variant(name)
    lengths = [
        (task, chance.randint(*size), chance.randint(*answer))
        for task, size, answer in zip(TASKS, SIZES, ANSWERS, strict=True)
    ]
    chance.shuffle(lengths)
    return lengths


def report(name):
    lines = ["Tokens; prompts from <bos> to <assistant>, answers without <eos>.", ""]
    lines += [f"{'example':12}{'prompt':>6}{'answer':>8}"]
    return "\n".join(lines + [f"{t:12}{p:6}{a:8}" for t, p, a in batch(name)])


def counts(name):
    """Rows, answers' tokens, prompts' tokens, longest row read, story's answer."""
    tasks, prompts, answers = zip(*batch(name), strict=True)
    longest = max(map(sum, zip(prompts, answers, strict=True)))
    story = answers[tasks.index("story")]
    return len(tasks), sum(answers), sum(prompts), longest, story


def cases(seed):
    """The answer is the same whatever the seed: the numbers follow from the name."""
    yield Case(())


def reckoned(name):
    """Targets, tokens read, padding and the story's share, as they are right."""
    rows, answers, prompts, longest, story = counts(name)
    targets, read = answers + rows, answers + prompts
    return targets, read, 100 * (1 - read / rows / longest), 100 * (story + 1) / targets


def why_not(what, found, wanted, likely, tolerance=0.1):
    """None if the number is right; else how one may have come to it."""
    if abs(found - wanted) <= tolerance:
        return None
    near = (s for value, s in likely.items() if abs(found - value) <= tolerance)
    return f"{found:g} {what}. {next(near, '')}".strip()


FRACTION = "That is a fraction; percent is a hundred times as much."


def counts_targets(cases, results):
    name, found, *_ = results[0][0]
    if not name.split() or name.casefold().split() in (["your", "name"], ["name"]):
        return "Write your own name first: the numbers follow from it."
    rows, answers, prompts, longest, _ = counts(name)
    said = {
        answers: "That is one too few for each row. Is <eos> not learned, or did you "
        "take one off for the shift? It moves targets and loses none of an answer: the "
        "first is predicted at <assistant>.",
        answers + 2 * rows: "That is one too many for each row: the answer's tokens "
        "and one <eos> are learned, not the <assistant> before them.",
        answers + prompts: "You counted all that is predicted. Of that, the prompts "
        "are read, not learned.",
        answers + prompts + rows: "You counted every token. Prompts are read, not "
        "learned.",
        rows * longest: "That is every position. Padding has no target.",
    }
    return why_not("is not the number of targets", found, answers + rows, said)


def counts_what_is_read(cases, results):
    name, _, found, padding, _ = results[0][0]
    rows, answers, prompts, longest, _ = counts(name)
    _, read, share, _ = reckoned(name)
    said = {
        read + rows: "You counted each row's <eos>. It is the last target; nothing "
        "comes after it, so it is not read.",
        read - rows: "The shift was counted twice: a row without its <eos> is what is "
        "read.",
        rows * longest: "That is every position, padding included.",
        prompts: "To predict an answer's second token the model reads the first.",
    }
    wrong = why_not("is not the number of tokens read", found, read, said)
    said = {
        100 * (rows * longest / read - 1): "You divided by the tokens that are read. "
        "The share is one of all positions.",
        100 - share: "That is the share that is not padding.",
        share / 100: FRACTION,
        100 * (1 - (read + rows) / (rows * longest + rows)): "You counted <eos> as "
        "read: rows are one position shorter.",
        100 * (1 - (answers + rows) / (rows * longest)): "You took all that is not "
        "learned for padding; prompts are text.",
    }
    return wrong or why_not("percent is not the padding", padding, share, said)


def counts_the_story(cases, results):
    name, *_, found = results[0][0]
    rows, answers, prompts, longest, story = counts(name)
    *_, share = reckoned(name)
    said = {
        100
        / rows: "That is its share of the examples. What the loss counts is tokens.",
        100 * longest / (answers + prompts): "That is its share of what is read. "
        "Learned are answers.",
        100 * story / answers: "Each answer has its <eos>, which is learned, too.",
        share / 100: FRACTION,
    }
    return why_not("percent is not the story's share", found, share, said)


# What people reckon


def told(place=0, change=None, name="Ben Example"):
    """The right numbers, one of them reckoned in another way."""

    def answer():
        numbers = list(reckoned(name))
        if change:
            numbers[place] = change(*counts(name))
        return name, *(round(number, 1) for number in numbers)

    return answer


MISTAKES = {
    told(0, lambda rows, said, asked, longest, story: said): "Is <eos> not learned",
    told(0, lambda rows, said, *_: said + 2 * rows): "not the <assistant>",
    told(0, lambda rows, said, asked, *_: said + asked): "all that is predicted",
    told(0, lambda rows, said, asked, *_: said + asked + rows): "every token",
    told(0, lambda rows, said, asked, longest, _: rows * longest): "has no target",
    told(0, lambda rows, said, *_: -said): "is not the number of targets",
    told(1, lambda rows, said, asked, *_: said + asked + rows): "so it is not read",
    told(1, lambda rows, said, asked, *_: said + asked - rows): "counted twice",
    told(1, lambda rows, said, asked, longest, _: rows * longest): "every position",
    told(1, lambda rows, said, asked, *_: asked): "the model reads the first",
    told(2, lambda n, a, p, long, _: 100 * (n * long / (a + p) - 1)): "You divided by",
    told(2, lambda n, a, p, long, _: 100 * (a + p) / n / long): "that is not padding",
    told(2, lambda n, a, p, long, _: 1 - (a + p) / n / long): "That is a fraction",
    told(2, lambda n, a, p, long, _: 100 * (1 - (a + p + n) / n / (long + 1))): "one "
    "position shorter",
    told(
        2, lambda n, a, p, long, _: 100 * (1 - (a + n) / n / long)
    ): "prompts are text",
    told(3, lambda rows, *_: 100 / rows): "share of the examples",
    told(3, lambda n, a, p, long, _: 100 * long / (a + p)): "share of what is read",
    told(3, lambda rows, said, p, t, story: 100 * story / said): "has its <eos>",
    told(3, lambda rows, said, p, t, story: (story + 1) / (said + rows)): "a fraction",
    told(3, lambda *_: 99.0): "is not the story's share",
    lambda: (" ", 1, 2, 3.0, 4.0): "Write your own name first",
    lambda: ("Ben Example", "171", 2, 3.0, 4.0): "it should be a number",
    lambda: 171: "should return 5 results",
}
POINTS = {
    "targets of the batch": 1,
    "what is read, and what is padding": 1,
    "the story's share of what is learned": 1,
}
EXERCISE = Exercise(
    name="how_many_targets",
    title="How much of a batch is learned?",
    kind="predict",
    skill="count targets",
    difficulty=2,
    importance=4,
    minutes=12,
    chapter="07, after section 3",
    task=TASK,
    given=given,
    solution=how_many_targets,
    cases=cases,
    points=POINTS,
    properties=dict(
        zip(
            POINTS, (counts_targets, counts_what_is_read, counts_the_story), strict=True
        )
    ),
    proven="Targets, tokens read and padding are right, and so is what one story "
    "of five\nexamples takes of all that is learned.",
    mistakes=MISTAKES,
    right=(told(), told(name="  cleo  EXAMPLE ")),
    hints=HINTS,
    after=AFTER,
)
