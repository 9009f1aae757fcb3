"""Predict: whose loss is lower?"""

import math

from exercises import Exercise
from llmlab.checks import Case, variant

TASK = """
Two teams have trained a model on the same text, each with a tokenizer of its own, and
each tells its loss: so many nats a token. The numbers cannot be compared. A tokenizer
with a larger vocabulary cuts a text into fewer tokens, and each of them carries more.
What can be compared is what the *text* costs: **bits a byte**.

The cell below shows both teams' numbers. They follow from your name, so your neighbour
has others. Take a pencil (or Python), and fill in the answer.

**Before you reckon, predict:** which of the two will turn out better?
"""


def given():
    from exercises.bank.whose_loss import report

    print(report("Ada Example"))  # write your own name here


def whose_loss():
    """Your name, as above, and what its two teams have reached.

    returns: your name; bits a byte of team A; those of team B; "A" or "B", the
             team whose model is better
    """
    return "Ada Example", 0.915, 1.018, "A"


HINTS = (
    """How many nats does the whole text cost a team? And how many bytes share that
cost?""",
    """1. nats a token, times the number of tokens: nats for the whole text
2. divided by the number of bytes: nats a byte
3. a bit is ln 2 nats, so divide by ln 2""",
    """Notebook 02, section 6, compares vocabularies this way. Gao et al., *The Pile*
(2020), section 3.1, has the formula.""",
)

AFTER = """
**What you predicted.** The team with the lower loss a token is the worse one, here and
often: it may only have cut the text into smaller pieces.
"""


def numbers(name):
    """Bytes of the text, and of each team its tokens and its nats a token.

    Drawn until who is better a token is worse a byte, whichever of the two it is.
    """
    chance = variant(name)
    size = 1000 * chance.randrange(80, 400)
    fine = round(size * chance.uniform(0.45, 0.6)), round(chance.uniform(1.2, 1.9), 2)
    coarse = round(size * chance.uniform(0.22, 0.3))
    nats = round(chance.uniform(0.75, 0.92) * fine[0] * fine[1] / coarse, 2)
    teams = [fine, (coarse, nats)]
    chance.shuffle(teams)
    return size, dict(zip("AB", teams, strict=True))


def bits_a_byte(name):
    size, teams = numbers(name)
    return {
        team: tokens * nats / size / math.log(2)
        for team, (tokens, nats) in teams.items()
    }


def report(name):
    size, teams = numbers(name)
    lines = [f"The text has {size:,} bytes.", "", "team    tokens  nats a token"]
    lines += [f"{team:4} {count:9,} {nats:13}" for team, (count, nats) in teams.items()]
    return "\n".join(lines)


def cases(seed):
    """The answer is the same whatever the seed: the numbers follow from the name."""
    yield Case(())


def off(found, wanted):
    return abs(found - wanted) > 0.006 * wanted


def reckons_right(cases, results):
    name, *found, _ = results[0][0]
    if not name.split() or name.casefold().split() in (["your", "name"], ["name"]):
        return "Write your own name first: the numbers follow from it."
    size, teams = numbers(name)
    wanted = bits_a_byte(name)
    for (team, (tokens, nats)), value in zip(teams.items(), found, strict=True):
        said = {
            nats: "That is what it told: nats a token, of tokens as large as it likes.",
            nats / math.log(2): "That is bits a token. How many bytes has a token?",
            tokens * nats / size: "That is nats a byte. A bit is ln 2 nats.",
            tokens * nats / size * math.log(2): "Divide by ln 2, do not multiply: a "
            "nat is more than a bit.",
            nats * size / tokens / math.log(2): "You multiplied by the bytes of a "
            "token. A token's cost is shared by its bytes.",
            tokens * nats / math.log(2): "That is bits for the whole text. Divide by "
            "the number of its bytes.",
        }
        if off(value, wanted[team]):
            reason = next((s for x, s in said.items() if not off(value, x)), "")
            return f"Team {team} does not have {value:g} bits a byte. {reason}".strip()
    return None


def names_the_better(cases, results):
    name, *_, better = results[0][0]
    bits = bits_a_byte(name)
    if better not in bits:
        return 'The last of the four is the better team, "A" or "B".'
    if bits[better] != min(bits.values()):
        return "Fewer bits a byte are better: the model is less surprised by the text."
    return None


def told(change, better=None, name="Ben Example"):
    """A wrong answer of somebody who reckons in another way."""

    def answer():
        size, teams = numbers(name)
        values = [change(tokens, nats, size) for tokens, nats in teams.values()]
        return name, *values, better or "AB"[values.index(min(values))]

    return answer


def right(tokens, nats, size):
    return tokens * nats / size / math.log(2)


MISTAKES = {
    told(lambda tokens, nats, size: nats): "nats a token, of tokens as large as",
    told(lambda tokens, nats, size: nats / math.log(2)): "That is bits a token",
    told(lambda tokens, nats, size: tokens * nats / size): "That is nats a byte",
    told(lambda tokens, nats, size: tokens * nats / size * math.log(2)): "do not "
    "multiply",
    told(lambda tokens, nats, size: nats * size / tokens / math.log(2)): "is shared by",
    told(lambda tokens, nats, size: tokens * nats / math.log(2)): "for the whole text",
    told(lambda *three: right(*three) + 0.1): "bits a byte.",
    told(right, better="a"): 'the better team, "A" or "B"',
    told(lambda *three: -right(*three)): "does not have",
    told(right, better=max("AB", key=bits_a_byte("Ben Example").get)): "Fewer bits a "
    "byte are better",
    lambda: (" ", 1.0, 2.0, "A"): "Write your own name first",
    lambda: ("Ben Example", "1.1", 2.0, "A"): "it should be a number",
    lambda: "A": "should return 4 results",
}
POINTS = {"bits a byte of both teams": 1, "who is better": 1}
EXERCISE = Exercise(
    name="whose_loss",
    title="Whose loss is lower?",
    kind="predict",
    skill="compare across tokenizers",
    difficulty=2,
    importance=4,
    minutes=10,
    chapter="02, after section 6",
    task=TASK,
    given=given,
    solution=whose_loss,
    cases=cases,
    points=POINTS,
    properties=dict(zip(POINTS, (reckons_right, names_the_better), strict=True)),
    proven="Bits a byte of both are right, and the better model is the one that told "
    "the\nhigher loss a token.",
    mistakes=MISTAKES,
    right=(told(right), told(right, name="  cleo  EXAMPLE ")),
    hints=HINTS,
    after=AFTER,
)
