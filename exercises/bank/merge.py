"""One merge of byte-pair encoding."""

import random
from itertools import pairwise

from exercises import Exercise
from llmlab import checks, village
from llmlab.checks import Case
from llmlab.tokenizer import FIRST_MERGE_ID, Tokenizer, merge_pair

TASK = """
A tokenizer is learned by one step, repeated: find the most frequent pair of
neighbours, and write one new token in place of the two. Counting is easy. The merge
is where tokens get lost or used twice.

| ids | pair | new id | becomes |
|---|---|---|---|
| 5 1 2 7 1 2 | 1, 2 | 300 | 5 300 7 300 |
| 2 1 | 1, 2 | 300 | 2 1 |
| 9 4 4 4 | 4, 4 | 300 | 9 300 4 |

The last line holds two pairs that share a token, and a token can be used once. One
goes **from left to right**, so that everybody gets the same.

**Before you start, predict:** what becomes of 4 4 4 4 4 with the pair 4, 4 and the
new id 300, and how long is it?
"""


def merge(ids, pair, new_id):
    """The ids with new_id in place of every pair, from left to right.

    ids:     a list of token ids, perhaps empty
    pair:    a tuple of two ids
    new_id:  the id of the new token
    returns: a new list
    """
    merged, place = [], 0
    while place < len(ids):
        if tuple(ids[place : place + 2]) == pair:
            merged.append(new_id)
            place += 2
        else:
            merged.append(ids[place])
            place += 1
    return merged


HINTS = (
    """A loop over all positions cannot leave one out. Keep the position in a variable
of your own, and ask at each turn: how far do I go on? By two after a merge, by one
otherwise. What do you compare at the last position, where no neighbour is left?""",
    """1. an empty list, and the position 0
2. as long as the position lies in the list: if this token and the next are the pair,
   append the new id and go on by two
3. else append this token and go on by one""",
    """Sennrich, Haddow and Birch, *Neural Machine Translation of Rare Words with
Subword Units* (2016), section 3.2. `merge_pair` in `llmlab/tokenizer.py` does it by
looking back instead of ahead.""",
)

AFTER = """**What you predicted.** It became 300 300 4: three tokens.

**A tokenizer that learns with your function.** Inside the `with` block the library
counts, and you merge. *Will it learn the same merges?*
"""


def use(merge):
    lessons = [page.text for page in village.documents(60, seed=0, split="train")]

    with checks.your_merge(merge):
        yours = Tokenizer.train(lessons, FIRST_MERGE_ID + 300)
    library = Tokenizer.train(lessons, FIRST_MERGE_ID + 300)

    print("the same merges:", yours.merges == library.merges)
    learned = [
        yours.decode([token]) for token in range(FIRST_MERGE_ID, yours.vocab_size)
    ]
    print("the longest tokens:", sorted(learned, key=len)[-6:])


def definition(ids, pair, new_id):
    """Python replaces text as a merge does: from the left, each letter once."""
    text, old = ("".join(map(chr, tokens)) for tokens in (ids, pair))
    return [ord(letter) for letter in text.replace(old, chr(new_id))]


RUNS = "runs are merged from the left"


def cases(seed):
    yield Case(([5, 1, 2, 7, 1, 2, 8, 1, 2], (1, 2), 300))
    for ids in ([], [5, 7], [8, 7], [17, 8], [7, 5, 8]):
        yield Case((ids, (7, 8), 300))
    for length in (3, 2, 4, 5):
        yield Case(([1] * length, (1, 1), 300), RUNS)
    # Ids as large as those of learned tokens, each an object of its own.
    large, pair = ([int(x) for x in t.split()] for t in ("2000 2001 " * 2, "2000 2001"))
    yield Case((large, tuple(pair), 2002))
    chance = random.Random(seed)
    for size in range(60):
        ids = chance.choices((1, 2, 3), k=size % 13)
        yield Case((ids, (1, 2), 300))
        yield Case((ids, (1, 1), 301), RUNS)


# What people get wrong


def walk(ids, new_id, is_pair, step=2):
    """The new id at each place where is_pair(place, merged so far); on by a step."""
    merged, place = [], 0
    while place < len(ids):
        found = is_pair(place, merged)
        merged.append(new_id if found else ids[place])
        place += step if found else 1
    return merged


def walks(condition, step=2):
    """A wrong answer: the condition is told what stands here and next, and the rest."""

    def answer(ids, pair, new_id):
        def is_pair(place, merged):
            two = (ids[place], ids[place + 1] if place + 1 < len(ids) else None)
            return condition(two, pair, len(ids) - place, new_id in merged)

        return walk(ids, new_id, is_pair, step)

    return answer


def by_pairs(token_of):
    """A wrong answer that looks at each pair of neighbours on its own."""

    def answer(ids, pair, new_id):
        neighbours = zip([None, *ids], ids, [*ids[1:], None], strict=False)
        return [token_of(three, pair, new_id) for three in neighbours]

    return answer


def from_the_right(ids, pair, new_id):
    return merge(ids[::-1], pair[::-1], new_id)[::-1]


def pairs_that_overlap(ids, pair, new_id):
    starts = {place for place, two in enumerate(pairwise(ids)) if two == pair}
    return [
        new_id if place in starts else token
        for place, token in enumerate(ids)
        if place in starts or place - 1 not in starts
    ]


def run_swallowed(ids, pair, new_id):
    merged = []
    for token in ids:
        if merged and (merged[-1], token) == pair:
            merged[-1] = new_id
        elif not (pair[0] == pair[1] == token and merged[-1:] == [new_id]):
            merged.append(token)
    return merged


def no_two_in_a_row(ids, pair, new_id):
    def is_pair(place, merged):
        return tuple(ids[place : place + 2]) == pair and merged[-1:] != [new_id]

    return walk(ids, new_id, is_pair)


def last_token_lost(ids, pair, new_id):
    merged = merge(ids, pair, new_id)
    return merged if merged[-1:] == [new_id] else merged[:-1]


def digits_replaced(ids, pair, new_id):
    text = " ".join(map(str, ids)).replace(f"{pair[0]} {pair[1]}", str(new_id))
    return [int(word) for word in text.split()]


def not_neighbours(ids, pair, new_id):
    if pair[0] not in ids or pair[1] not in ids[ids.index(pair[0]) + 1 :]:
        return list(ids)
    first = ids.index(pair[0])
    second = ids.index(pair[1], first + 1)
    return [*ids[:first], new_id, *ids[first + 1 : second], *ids[second + 1 :]]


def round_the_end(ids, pair, new_id):
    return walk(ids, new_id, lambda k, _: (ids[k], ids[(k + 1) % len(ids)]) == pair)


def runs_left_alone(ids, pair, new_id):
    return list(ids) if pair[0] == pair[1] else merge(ids, pair, new_id)


def input_handed_back(ids, pair, new_id):
    return merge(ids, pair, new_id) if pair in pairwise(ids) else ids


def changed_in_place(ids, pair, new_id):
    ids[:] = merge(ids, pair, new_id)
    return ids


MISTAKES = {
    pairs_that_overlap: "A token was used twice: in a run of three, the one in the "
    "middle belongs to two pairs, and you merged both. The text has become longer.",
    from_the_right: "A run of three was merged from the right. Go from left to right, "
    "or two people get two spellings of one word.",
    run_swallowed: "A run of three became a single token: the third token was "
    "swallowed.",
    runs_left_alone: "Two equal tokens were not merged: 1, 1 is a pair like any other.",
    no_two_in_a_row: "Of two pairs that follow each other only one was merged.",
    walks(lambda two, pair, left, done: two == pair and not done): "Only the first "
    "pair was merged. Go on to the end of the list.",
    walks(lambda two, pair, left, done: two == pair and left > 2): "The pair at the "
    "very end of the list was not merged: the loop ends too early.",
    by_pairs(lambda three, pair, new: new if three[1:] == pair else three[1]): (
        "The second half of each pair is still there: after a merge, go on behind both "
        "tokens."
    ),
    by_pairs(lambda three, pair, new: new if three[:2] == pair else three[1]): (
        "The first half of each pair is still there: the new token takes the place of "
        "both."
    ),
    walks(lambda two, pair, left, done: two == pair, step=3): "What follows a merged "
    "pair is lost: after a merge, go on by two.",
    last_token_lost: "The last token of the list is lost: it is kept, even if it could "
    "begin a pair.",
    walks(lambda two, pair, left, done: set(two) == set(pair) and None not in two): (
        "A pair was merged that stands the other way round: the order of the two "
        "tokens counts."
    ),
    digits_replaced: "The pair 7, 8 was found in 17, 8: ids are whole numbers, not "
    "strings of digits.",
    not_neighbours: "Tokens were merged that do not stand together: only neighbours "
    "are merged.",
    round_the_end: "The last token was compared with the first: the end wraps round. "
    "Nothing follows the last token.",
    lambda ids, pair, new_id: list(ids): "Nothing was merged: the list is as it was. "
    "If you compare with the pair, note that a list never equals a tuple.",
    walks(lambda two, pair, left, done: two[0] is pair[0] and two[1] is pair[1]): (
        "A pair of ids above 256 was not found: compare their values. `is` asks "
        "whether two numbers are one object, which small ones happen to be."
    ),
    lambda ids, pair, new_id: merge(ids, pair, 300): "The new id is always 300: use "
    "the argument.",
    lambda ids, pair, new_id: merge(ids, pair, new_id) or [0]: "An empty list should "
    "stay empty.",
    input_handed_back: "Where nothing is to be merged, your function hands its input "
    "back. Return a new list, or who changes one changes both.",
    changed_in_place: "",
    lambda ids, pair, new_id: merge(ids, pair, new_id) if ids else ids: "",
    lambda ids, pair, new_id: tuple(merge(ids, pair, new_id)): "",
}


# Right in other styles


def on_a_copy(ids, pair, new_id):
    merged = list(ids)
    for place in range(len(merged)):
        if tuple(merged[place : place + 2]) == pair:
            merged[place : place + 2] = [new_id]
    return merged


def by_recursion(ids, pair, new_id):
    for place, found in enumerate(pairwise(ids)):
        if found == pair:
            rest = by_recursion(ids[place + 2 :], pair, new_id)
            return [*ids[:place], new_id, *rest]
    return list(ids)


def with_an_iterator(ids, pair, new_id):
    merged, tokens = [], iter([*ids, None])
    token = next(tokens)
    while token is not None:
        after = next(tokens)
        if (token, after) == pair:
            token, after = new_id, next(tokens)
        merged.append(token)
        token = after
    return merged


EXERCISE = Exercise(
    name="merge",
    title="One merge",
    kind="implement",
    skill="merge a pair",
    difficulty=2,
    importance=4,
    minutes=15,
    chapter="02, before section 2 prints the library's",
    task=TASK,
    solution=merge,
    definition=definition,
    cases=cases,
    points={"every pair becomes one token": 1, "runs are merged from the left": 1},
    proven="Every pair became one token, no token was used twice or lost,\nand runs of "
    "one letter are merged from the left.",
    mistakes=MISTAKES,
    right=(merge_pair, on_a_copy, by_recursion, with_an_iterator),
    hints=HINTS,
    after=AFTER,
    use=use,
    library=("llmlab.tokenizer.merge_pair",),
)
