"""Read a result: which sentences does the table bear out?"""

from exercises import Exercise
from llmlab.checks import Case, variant
from llmlab.evaluation import wilson_interval

TASK = """
A help desk was tuned a second time. The cell below shows what was measured before and
after, and six sentences that somebody wrote about it. Numbers, sentences and their
order follow from your name. A sentence is **borne out** if these numbers are a good
reason to believe it; that it might be true is not enough.

Two kinds of questions are asked: in the *template's* wordings, which the model has seen
with other words, and in people's *own*. **won** counts questions that only the second
model answered rightly, **lost** those that only the first one did. If the two were
equally good, won and lost would differ by luck alone.

Reckon one number besides: the share of visitors that the second model would answer
rightly if they asked as they did in the *first* week, so many of each kind.

**Before you read on, predict:** can a model answer more of each kind of question
rightly and still fewer of all questions together?
"""


def given():
    from exercises.bank.read_honestly import report

    print(report("Ada Example"))  # write your own name here


def read_honestly():
    """Your name, which sentences are borne out, and one share.

    returns: your name; a list of the numbers of the sentences, 1 to 6, that the table
             bears out; the share of right answers that the second model would have
             with the first week's questions, in percent, to a tenth
    """
    return "Ada Example", [1, 2, 3, 4], 87.1


HINTS = (
    """For each sentence, ask what else could have brought about these numbers: luck,
other questions, another mixture of questions, or a choice that was made by looking.""",
    """1. the same questions, asked twice: compare won with lost, not two intervals; 16
   to 4 is rarely luck, 10 to 5 often
2. questions that differ between two numbers explain a difference as well as models do
3. the best of several is a little too good where it was chosen
4. of twenty comparisons one has p below 0.05 by luck
5. the share asked for: each kind's share of the second week, weighted by how often that
   kind was asked in the first""",
    """Notebook 06 on intervals, notebook 08, section 2, on pairs. Simpson, *The
Interpretation of Interaction in Contingency Tables* (1951).""",
)

AFTER = """
**What you predicted.** It can, and here it did: more visitors asked in their own words,
which are harder. A share of a mixture changes when the mixture changes.
"""

TOPICS = {
    "pairs": (
        "On the test's template wordings the second model is better: won and lost "
        "differ by more than luck.",
        "On the test's template wordings nothing has changed, since the intervals "
        "overlap.",
        "The same questions were asked twice: compare {won} won with {lost} lost. "
        "Intervals of two models may overlap when one is clearly better.",
    ),
    "few": (
        "Whether the second model is better on own wordings, this test cannot tell.",
        "The test shows that the second model is better on own wordings.",
        "{few_won} won and {few_lost} lost on own wordings: equally good models differ "
        "so much more than once in ten times.",
    ),
    "mixture": (
        "That visitors got fewer right answers in the second week does not show that "
        "the second model is worse.",
        "The second model answers visitors worse than the first: see the last line.",
        "Each kind was answered better in the second week. There were more questions "
        "in own wordings, which are harder: what fell is the share of a mixture.",
    ),
    "other test": (
        "From {theirs} % there and our test here nobody can say which desk is better.",
        "The neighbours' desk, with {theirs} %, is better than ours.",
        "The neighbours asked questions of their own. Shares on different questions "
        "compare the questions as much as the models.",
    ),
    "chosen": (
        "On fresh template wordings the second model is probably right less often than "
        "where it was chosen.",
        "On fresh template wordings the second model may be expected to be right as "
        "often as where it was chosen.",
        "The best of {copies} was taken: where one chooses, some of the lead is luck, "
        "which fresh questions do not repeat.",
    ),
    "twenty": (
        "That one intent of twenty became worse with p = {p} is no sign that "
        "something was forgotten.",
        "The second model has forgotten something about {intent}, since there p = {p}.",
        "Twenty intents were looked at. Where nothing has changed, one in twenty has p "
        "below 0.05 by luck.",
    ),
}
"""Of each topic a sentence that is borne out, one that is not, and why."""


def numbers(name):
    """What was measured, and six pairs: a topic, and which of its sentences is told."""
    chance = variant(name)
    of = {
        "before": chance.randint(206, 212),
        "won": chance.randint(16, 19),
        "lost": chance.randint(3, 5),
        "few_before": chance.randint(34, 40),
        "few_won": chance.randint(9, 11),
        "few_lost": chance.randint(4, 5),
        "copies": chance.randint(6, 12),
        "best": chance.randint(48, 49),
        "theirs": chance.randint(96, 98),
        "p": f"0.0{chance.randint(2, 4)}",
        "intent": chance.choice(("the boats", "tickets", "lost keys", "music")),
    }
    sizes = [(chance.randint(390, 430), chance.randint(80, 110))]
    sizes += [(chance.randint(150, 180), chance.randint(330, 370))]
    easy, hard = chance.uniform(0.88, 0.91), chance.uniform(0.56, 0.6)
    of["weeks"] = [
        [
            (round(n * (share + 0.04 * week)), n)
            for n, share in zip(s, pair, strict=True)
        ]
        for week, (s, pair) in enumerate(zip(sizes, [(easy, hard)] * 2, strict=True))
    ]
    right = chance.randint(2, 4)
    sides = chance.sample([0] * right + [1] * (6 - right), 6)
    sentences = chance.sample(list(zip(TOPICS, sides, strict=True)), 6)
    return of, sentences


def shown(right, asked):
    low, high = (100 * x for x in wilson_interval(right, asked))
    return (
        f"{right:3} of {asked}, {100 * right / asked:.1f} % ({low:.0f} to {high:.0f})"
    )


def report(name):
    of, pairs = numbers(name)
    lines = ["The test: the same questions to both models; 95 % intervals", ""]
    row = "{:10}{:31}{:31}{:>3}{:>6}"
    lines.append(row.format("wordings", "first model", "second model", "won", "lost"))
    kinds = ("template", "", 240), ("own", "few_", 60)
    for kind, key, asked in kinds:
        before, won, lost = (of[key + part] for part in ("before", "won", "lost"))
        after = shown(before + won - lost, asked)
        lines.append(row.format(kind, shown(before, asked), after, won, lost))
    lines += [
        "",
        f"The second model was chosen as the best of {of['copies']} on 50 other "
        f"template questions: {of['best']} right.",
        f"Of twenty intents, one became worse: {of['intent']}, p = {of['p']}.",
        f"The neighbours' desk reports {of['theirs']} % right on a test of its own.",
        "",
        "Visitors, marked by hand: right answers",
        "",
        f"{'wordings':10}{'first week, first model':31}second week, second model",
    ]
    weeks = [[*week, tuple(map(sum, zip(*week, strict=True)))] for week in of["weeks"]]
    for kind, *both in zip(("template", "own", "together"), *weeks, strict=True):
        cells = [f"{r} of {n}, {100 * r / n:.1f} %" for r, n in both]
        lines.append(f"{kind:10}{cells[0]:31}{cells[1]}")
    sentences = [TOPICS[topic][side].format(**of) for topic, side in pairs]
    return "\n".join([*lines, "", *(f"{k}  {s}" for k, s in enumerate(sentences, 1))])


def shares(name):
    """Of the second model, in percent, with the first week's mixture; and others."""
    first, second = numbers(name)[0]["weeks"]
    rates = [right / asked for right, asked in second]
    asked = [n for _, n in first]
    mixed = sum(r * n for r, n in zip(rates, asked, strict=True)) / sum(asked)
    return 100 * mixed, {
        100 * sum(rates) / 2: "That is the mean of both kinds, as if they were asked "
        "equally often.",
        100
        * sum(r for r, _ in second)
        / sum(n for _, n in second): "That is the share "
        "with the second week's questions.",
        100 * sum(r for r, _ in first) / sum(asked): "That is the first model's share.",
        mixed: "That is a fraction; percent is a hundred times as much.",
    }


def cases(seed):
    """The answer is the same whatever the seed: the numbers follow from the name."""
    yield Case(())


def borne_out(name):
    return [k for k, (_, side) in enumerate(numbers(name)[1], 1) if side == 0]


def reads_every_sentence(cases, results):
    name, chosen, _ = results[0][0]
    if not name.split() or name.casefold().split() in (["your", "name"], ["name"]):
        return "Write your own name first: the numbers follow from it."
    if not all(type(k) is int and 1 <= k <= 6 for k in chosen):
        return "The list holds numbers of sentences, 1 to 6."
    of, pairs = numbers(name)
    wrong = sorted({*chosen} ^ {*borne_out(name)})
    if not wrong:
        return None
    verdict = "is not borne out" if wrong[0] in chosen else "is borne out"
    why = TOPICS[pairs[wrong[0] - 1][0]][2].format(**of)
    return f"Sentence {wrong[0]} {verdict}. {why}"


def weighs_the_mixture(cases, results):
    name, _, found = results[0][0]
    right, said = shares(name)
    if abs(found - right) <= 0.15:
        return None
    why = next((s for x, s in said.items() if abs(found - x) <= 0.15), "")
    return f"It would not be {found:g} percent. {why}".strip()


# What people read


def told(topic=None, number=None, name="Ben Example", change=lambda chosen: chosen):
    """The right answer, but for one sentence, or for the share."""

    def answer():
        chosen, (right, said) = borne_out(name), shares(name)
        places = [k for k, (one, _) in enumerate(numbers(name)[1], 1) if one == topic]
        share = right if number is None else [*said, 10.0][number]
        return name, change(sorted({*chosen} ^ {*places})), round(share, 2)

    return answer


MISTAKES = {
    told("pairs"): "The same questions were asked twice",
    told("few"): "more than once in ten times",
    told("mixture"): "the share of a mixture",
    told("other test"): "compare the questions as much as the models",
    told("chosen"): "some of the lead is luck",
    told("twenty"): "one in twenty has p below 0.05 by luck",
    told("pairs", name="Eve Example"): "The same questions were asked twice",
    told("mixture", name="Eve Example"): "the share of a mixture",
    told(change=lambda chosen: [1, 2, 3, 4, 5, 6]): "is not borne out",
    told(change=lambda chosen: []): "is borne out",
    told(change=lambda chosen: [0, 9]): "numbers of sentences, 1 to 6",
    told(change=tuple): "it should be a list",
    told(number=0): "as if they were asked equally often",
    told(number=1): "the second week's questions",
    told(number=2): "the first model's share",
    told(number=3): "That is a fraction",
    told(number=4): "It would not be 10 percent",
    lambda: ("", [1], 80.0): "Write your own name first",
}
POINTS = {"each sentence is read rightly": 2, "the share with the old mixture": 1}
EXERCISE = Exercise(
    name="read_honestly",
    title="What does the table bear out?",
    kind="read",
    skill="read a table",
    difficulty=3,
    importance=5,
    minutes=20,
    chapter="08, after section 2",
    task=TASK,
    given=given,
    solution=read_honestly,
    cases=cases,
    points=POINTS,
    properties=dict(
        zip(POINTS, (reads_every_sentence, weighs_the_mixture), strict=True)
    ),
    proven="You believe what these numbers bear out and nothing else, and know what a "
    "mixture\ndoes to a share.",
    mistakes=MISTAKES,
    right=(told(), told(name="  cleo  EXAMPLE "), told(change=lambda c: c[::-1])),
    hints=HINTS,
    after=AFTER,
)
