"""How alike two texts are, estimated from smallest numbers (MinHash)."""

import hashlib
import itertools
import random

import numpy as np
import torch

from exercises import Exercise
from llmlab import real_text, village
from llmlab.checks import Case, Table

TASK = """
A page that was copied and changed a little should be read once. Two texts are
**alike** as far as they share phrases: the number of phrases in both, divided by
the number of phrases in either. A million texts have 500 billion pairs, too many to
compare phrase by phrase. **MinHash** keeps a few numbers of each text instead. Give
every phrase a number. Note the *smallest* number in each text. Do the same with
another numbering, and again. The share of the numberings for which two texts have
noted the same number estimates how alike they are.

A is *the gull sat on*, B is *gull sat on walls*, a phrase is two words. They share 2
phrases of 4, so their likeness is 1/2. Four numberings:

| | the gull | gull sat | sat on | on walls | smallest in A | in B |
|---|---|---|---|---|---|---|
| first | 3 | 1 | 4 | 2 | 1 | 1 |
| second | 1 | 3 | 2 | 4 | 1 | 2 |
| third | 4 | 3 | 2 | 1 | 2 | 1 |
| fourth | 2 | 4 | 1 | 3 | 1 | 1 |

Two of four agree, and the estimate is 2/4. That it is exact is luck.

**Before you start, predict:** which results are possible at all with four
numberings?
"""


def estimated_likeness(first, second, numberings):
    """The share of numberings with the same smallest number in both sets.

    first, second: sets of phrases (strings), none of them empty
    numberings:    a list of functions; each of them gives a phrase its number,
                   a whole one from 0 to 2**63 - 1
    returns:       a number from 0 to 1
    """
    agreements = 0
    for number in numberings:
        smallest_in_first = min(number(phrase) for phrase in first)
        smallest_in_second = min(number(phrase) for phrase in second)
        agreements += smallest_in_first == smallest_in_second
    return agreements / len(numberings)


HINTS = (
    """Take one numbering of the table and find its two smallest numbers in Python: you
need the number of every phrase of a set, and the smallest of these. Then do it for all
numberings, and count.""",
    """1. agreements: none so far
2. for each numbering: the smallest number in the first set, the smallest in the
   second; if they are equal, one agreement more
3. agreements divided by the number of numberings""",
    """Broder, *On the resemblance and containment of documents* (1997).
`llmlab/real_text/near_duplicates.py` stores the notes of each text, and notebook 01
shows how they are searched.""",
)

AFTER = """**What you predicted.** Possible were 0, 1/4, 1/2, 3/4 and 1.

**Your estimate on a small web.** Some of its pages are copies that were edited. A
phrase is five words, and a hash gives it 120 numbers. With so many numberings the
standard error of the estimate is less than 0.05. *How far off do you expect the
worst of these estimates to be?*
"""


def use(estimated_likeness):
    documents = village.documents(400, seed=0, split="train")
    texts = [page.text for page in documents if page.genre == "websites"]
    pages = real_text.messy_web(texts, seed=0)
    text_at = {page.address: page.text for page in pages}

    def phrases_of(text, length=5):
        words = text.split()
        starts = range(len(words) - length + 1)
        return {" ".join(words[start : start + length]) for start in starts}

    def numbering(seed):
        """A function that gives each phrase a number; another one for each seed."""
        salt = seed.to_bytes(16, "little")

        def number(phrase):
            digest = hashlib.blake2b(phrase.encode(), digest_size=7, salt=salt)
            return int(digest.hexdigest(), 16)

        return number

    print("likeness  your estimate")
    for page in pages:
        if page.fault == "near copy":
            copied = phrases_of(page.text)
            original = phrases_of(text_at[page.original])
            likeness = len(copied & original) / len(copied | original)
            estimate = estimated_likeness(
                copied, original, [numbering(seed) for seed in range(120)]
            )
            print(f"{likeness:8.2f} {estimate:14.2f}")


def definition(first, second, numberings):
    agree = [min(map(n, first)) == min(map(n, second)) for n in numberings]
    return sum(agree) / len(agree)


ALL = "all numberings count, each against itself"


def cases(seed):
    chance = random.Random(seed)
    first, second = {"red", "green", "blue"}, {"green", "blue", "gold", "grey"}
    phrases = sorted(first | second)
    tables = [
        dict(zip(phrases, numbers, strict=True))
        for numbers in itertools.permutations(range(1, len(phrases) + 1))
    ]
    chance.shuffle(tables)
    for table in tables[:24]:
        smallest = [min(table[phrase] for phrase in text) for text in (first, second)]
        words = "one numbering, whose smallest numbers are {} and {},".format(*smallest)
        yield Case((first, second, [Table(table)]), "", words)
    two = [Table({"left": 1, "right": 2}), Table({"left": 2, "right": 1})]
    words = "two sets without a common phrase"
    yield Case(({"left"}, {"right"}, two), ALL, words)
    yes, no = (
        next(t for t in tables if definition(first, second, [t.get]) == agrees)
        for agrees in (1, 0)
    )
    for three in ([yes, no, no], [no, no, yes]):
        words = "three numberings, of which one agrees,"
        yield Case((first, second, [Table(table) for table in three]), ALL, words)
    words = f"all {len(tables)} numberings of five phrases"
    yield Case((first, second, [Table(table) for table in tables]), ALL, words)
    names = [f"phrase {k}" for k in range(60)]
    for size in (20, 25, 35):
        tables = [{name: chance.randrange(2**63) for name in names} for _ in range(30)]
        first, second = set(names[:size]), set(names[40 - size :])
        words = f"sets of {len(first)} and {len(second)} phrases with large numbers"
        yield Case((first, second, [Table(t) for t in tables]), ALL, words)


# What people get wrong


def notes(texts, numberings):
    return [min(map(number, texts)) for number in numberings]


def counted(agrees, divide=lambda first, second, numberings: len(numberings)):
    """A wrong answer: what counts as agreement, and what is divided by."""

    def answer(first, second, numberings):
        pairs = [(list(map(n, first)), list(map(n, second))) for n in numberings]
        return sum(agrees(*pair) for pair in pairs) / divide(first, second, numberings)

    return answer


def same(one, other):
    return min(one) == min(other)


def mixed_up(first, second, numberings):
    ours, theirs = set(notes(first, numberings)), set(notes(second, numberings))
    return len(ours & theirs) / len(ours | theirs)


def used_up(first, second, numberings):
    found = definition(first, second, numberings)
    numberings.clear()
    return found


PHRASES = (
    "The numberings do not matter: you compared the phrases themselves, for which both "
    "texts have to be kept. Compare only their smallest numbers."
)
MISTAKES = {
    lambda a, b, n: len(a & b) / len(a | b): PHRASES,
    lambda a, b, n: len(a & b) / min(len(a), len(b)): PHRASES,
    lambda a, b, n: len(a & b) / max(len(a), len(b)): PHRASES,
    counted(lambda one, other: bool(set(one) & set(other))): "You look for any number "
    "that both sets have, under every numbering. Only the smallest number of each set "
    "is noted and compared.",
    counted(same, lambda *inputs: 1): "Your result is the number of numberings that "
    "agree. Divide by how many there are.",
    counted(same, lambda a, b, n: len(a)): "Divide by the number of numberings, not of "
    "phrases.",
    counted(same, lambda a, b, n: len(a | b)): "Divide by the number of numberings, "
    "not of phrases.",
    counted(same, lambda a, b, n: len(n) / 100): "Your result is 100 times too large: "
    "a share lies between 0 and 1.",
    counted(lambda one, other: not same(one, other)): "Your result is the share of "
    "numberings under which the smallest numbers differ. Alike are texts that agree.",
    counted(lambda one, other: max(one) == max(other)): "You compare the largest "
    "numbers. They would serve as well, but everybody has to note the same thing, and "
    "that is the smallest.",
    mixed_up: "Two sets without a common phrase should get 0. Their smallest numbers "
    "are 1 and 2 in one set and 2 and 1 in the other: a number counts only against "
    "that of the same numbering.",
    lambda a, b, n: float(same(notes(a, n), notes(b, n))): "Only the smallest number "
    "of all numberings was compared: each numbering has to be asked by itself.",
    lambda a, b, n: definition(a, b, n[:1]): "Only the first numbering counts. All of "
    "them have to be asked: is there a return inside the loop?",
    lambda a, b, n: definition(a, b, n[-1:]): "Only the last numbering counts. All of "
    "them have to be asked: is there a result that is overwritten?",
    lambda a, b, n: float(definition(a, b, n) > 0): "One agreement among many gives 1: "
    "what is asked for is the share that agrees.",
    lambda a, b, n: float(definition(a, b, n) == 1): "One disagreement among many "
    "gives 0: what is asked for is the share that agrees.",
    counted(lambda one, other: 1 / (1 + abs(min(one) - min(other)))): "",
    counted(
        lambda one, other: min(k % 16 for k in one) == min(k % 16 for k in other)
    ): (""),
    used_up: "",
    lambda a, b, n: notes(a | b, n): "",
    lambda a, b, n: str(definition(a, b, n)): "",
}


# Right in other styles


def by_phrases(first, second, numberings):
    """The phrases with the smallest numbers: no two of them have the same number."""
    same = [min(first, key=n) == min(second, key=n) for n in numberings]
    return sum(same) / len(same)


def of_the_union(first, second, numberings):
    """The smallest of all is shared: the sentence that the notebook proves."""
    return np.mean([min(first | second, key=n) in first & second for n in numberings])


def with_tensors(first, second, numberings):
    one, other = (
        torch.tensor([[number(phrase) for phrase in texts] for number in numberings])
        for texts in (first, second)
    )
    return (one.amin(dim=1) == other.amin(dim=1)).float().mean()


EXERCISE = Exercise(
    name="estimated_likeness",
    title="How alike are two texts?",
    kind="implement",
    skill="use MinHash",
    difficulty=2,
    importance=3,
    minutes=15,
    chapter="01, before section 7, which does it step by step",
    task=TASK,
    solution=estimated_likeness,
    definition=definition,
    cases=cases,
    points={"each numbering says yes or no": 1, ALL: 1},
    proven="Each numbering says yes or no, your estimate is the share that says yes,\n"
    "and over all 120 numberings of five phrases it is the likeness 2/5 itself.",
    mistakes=MISTAKES,
    right=(by_phrases, of_the_union, with_tensors),
    hints=HINTS,
    after=AFTER,
    use=use,
)
