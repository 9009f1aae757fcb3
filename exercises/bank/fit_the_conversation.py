"""What of a conversation still fits: the newest turns, whole, and room to answer."""

import random

from exercises import Exercise
from llmlab.checks import Case

TASK = """
A model remembers nothing. Whoever wants it to know what was said before says it again,
in front of the new question, and one day that is more than the context holds. Then the
**oldest turns leave, whole**: half a question would be worse than none.

| part | its tokens |
|---|---|
| the beginning, `<bos>` | 1 |
| an earlier turn, `<user>` question `<assistant>` answer `<eos>` | those of both + 3 |
| the new question, `<user>` question `<assistant>` | its own + 2 |
| room for the new answer | as much as is asked for |

With a context of 40, room for 10 and a new question of 5, there are 40 − 10 − 1 − 7 =
22 left. Turns of 9, 12 and 10 tokens (their own three included), oldest first: the last
two fill the 22 exactly, and the first one leaves.

What is kept is the conversation's end without a gap, in its order: a turn behind one
that does not fit is not kept either, however short it is. If the new question itself
does not fit with the room for its answer, nothing can be done, and the function raises
ValueError.

**Before you start, predict:** the course's model has a context of 256. With questions
of 12 tokens, answers of 30, and room for 60, how many earlier turns does it remember?
"""


def fit_the_conversation(turns, question, context, room):
    """The earlier turns that are said again before a new question.

    turns:    a list of pairs (question, answer), oldest first; each part is a list
              of token ids, without control tokens
    question: the new question, a list of token ids
    context:  how many tokens fit, the answer included
    room:     how many of them are left free for the answer
    returns:  a new list of those pairs that are kept, in their order
    raises:   ValueError if the question does not fit even without any turn
    """
    left = context - room - 1 - len(question) - 2
    if left < 0:
        raise ValueError("the question does not fit, even alone")
    start = len(turns)
    while start > 0:
        asked, answered = turns[start - 1]
        left -= len(asked) + len(answered) + 3
        if left < 0:
            break
        start -= 1
    return turns[start:]


HINTS = (
    """Which turn is decided first, the oldest or the newest? And once one has left, is
there anything more to decide?""",
    """1. what is left when `<bos>`, the new question with its two tokens and the room
   are taken away; if that is less than nothing, raise
2. from the newest turn to the oldest: take its tokens and its three away, as long as
   something or nothing, but not less, is left
3. return the turns from there on; keep an eye on the case that none is kept""",
    """Notebook 08, on two turns, and `render_prompt` in `llmlab/instruction.py`, which
puts the tokens in their order.""",
)

AFTER = """
**What you predicted.** Of 256, 60 are room, 1 is `<bos>` and 14 are the new question.
There are 181 left, a turn has 12 + 30 + 3 = 45, so it remembers four turns, and one
token is to spare. Tell people when something has left: they believe that the model
remembers.
"""

EXACT = "not a token more than fits, and not one less"
REFUSES = "a question that does not fit is refused"


def size(turn):
    return len(turn[0]) + len(turn[1]) + 3


def definition(turns, question, context, room):
    """The longest end of the conversation that fits, found by trying all of them."""
    for start in range(len(turns) + 1):
        kept = turns[start:]
        needed = 1 + sum(map(size, kept)) + len(question) + 2 + room
        if needed <= context:
            return kept
    raise ValueError("the question does not fit")


def cases(seed):
    chance = random.Random(seed)

    def words(count):
        return [chance.randrange(6, 300) for _ in range(count)]

    def talk(*sizes, question=4):
        """Turns that take so many tokens, their own three included, and a question."""
        turns = []
        for whole in sizes:
            asked = chance.randrange(1, whole - 3)
            turns.append((words(asked), words(whole - 3 - asked)))
        return turns, words(question)

    def given(turns, question, spare, kept, room=6):
        """A context in which the newest `kept` turns fit, with `spare` tokens over."""
        needed = sum(map(size, turns[len(turns) - kept :])) + len(question) + 3 + room
        return turns, question, needed + spare, room

    yield Case(given(*talk(6, 5), 2, 2), "", "two turns that fit with two to spare,")
    yield Case(
        given(*talk(9, 12, 8), 4, 2), "", "three turns, of which the last two fit,"
    )
    words_ = "a long turn between two short ones, where it does not fit,"
    yield Case(given(*talk(5, 30, 6), 12, 1), "", words_)
    words_ = "a short old turn and two long ones, of which the last fits,"
    yield Case(given(*talk(6, 20, 25), 9, 1, room=15), "", words_)
    words_ = "a short old turn and a newest one that does not fit,"
    yield Case(given(*talk(5, 40), 20, 0), "", words_)
    yield Case(given(*talk(), 9, 0), "", "a conversation that only begins,")
    for spare, said in ((0, "fit exactly"), (-1, "lack a token"), (-2, "lack two")):
        words_ = f"two turns, and room, that {said},"
        yield Case(given(*talk(8, 11, question=7), spare, 2, room=13), EXACT, words_)
        words_ = f"the newest of three turns, and room, that {said},"
        yield Case(given(*talk(6, 7, 9, question=3), spare, 1, room=2), EXACT, words_)
    words_ = "a question that fits exactly, without any turn,"
    yield Case(given(*talk(7, 8), 0, 0), EXACT, words_)
    for spare, said in ((-1, "by one token"), (-8, "by eight tokens")):
        words_ = f"a question and a room that are too long {said},"
        yield Case(given(*talk(7, 8, question=9), spare, 0), REFUSES, words_)
    yield Case(given(*talk(question=9), -30, 0), REFUSES, "a question longer than all")


# What people get wrong


def wrong(
    each=3,
    last=2,
    room_of=lambda room: room,
    least=0,
    then=lambda turns, kept: kept,
    refuse=True,
):
    """The answer, with one part exchanged."""

    def answer(turns, question, context, room):
        left = context - room_of(room) - 1 - len(question) - last
        if left < least and refuse:
            raise ValueError
        kept = []
        for turn in reversed(turns):
            left -= size(turn) - 3 + each
            if left < least:
                break
            kept.insert(0, turn)
        return then(turns, kept)

    return answer


def oldest_kept(turns, question, context, room):
    kept = fit_the_conversation(turns[::-1], question, context, room)
    return kept[::-1]


def skips(turns, question, context, room):
    left, kept = context - room - len(question) - 3, []
    if left < 0:
        raise ValueError
    for turn in reversed(turns):
        if size(turn) <= left:
            kept.insert(0, turn)
            left -= size(turn)
    return kept


def cuts(turns, question, context, room):
    """Fills what is left with the end of the turn that does not fit."""
    kept = fit_the_conversation(turns, question, context, room)
    left = context - room - len(question) - 3 - sum(map(size, kept))
    if left > 3 and len(kept) < len(turns):
        asked, answered = turns[-len(kept) - 1]
        answered = answered[-(left - 3) :]
        more = left - 3 - len(answered)
        kept.insert(0, (asked[len(asked) - more :], answered))
    return kept


def half(turns, kept):
    """The answer to a question that has left."""
    gone = turns[: len(turns) - len(kept)]
    return [*[([], answer) for _, answer in gone[-1:]], *kept]


def all_or_nothing(turns, kept):
    return kept if len(kept) == len(turns) else []


def raises_when_something_leaves(turns, kept):
    if len(kept) < len(turns):
        raise ValueError
    return kept


def used_up(turns, question, context, room):
    kept = fit_the_conversation(turns, question, context, room)
    while len(turns) > len(kept):
        turns.pop(0)
    return list(turns)


MISTAKES = {
    oldest_kept: "The newest turns were dropped and the oldest kept. What was said "
    "last is what the new question is about.",
    skips: "A turn that does not fit was skipped, and an older one kept: there is a "
    "gap in the conversation. Stop at the first that does not fit.",
    cuts: "A turn was cut to fill what was left. Half a turn says what nobody said: "
    "a turn stays whole or leaves.",
    wrong(then=half): "Of the turn that does not fit the answer stayed, without its "
    "question. A turn stays whole or leaves.",
    wrong(then=all_or_nothing): "Where something has to leave, everything leaves. Keep "
    "as many of the newest turns as fit.",
    wrong(then=raises_when_something_leaves): "An old conversation is no error: where "
    "it does not fit as a whole, its oldest turns leave.",
    wrong(then=lambda turns, kept: turns[-len(kept) :]): "Where no turn fits, all are "
    "kept: the last 0 of a list, counted from its end, are the whole list.",
    wrong(then=lambda turns, kept: kept[::-1]): "The turns come back newest first. A "
    "conversation is read in the order in which it was held.",
    wrong(then=lambda turns, kept: turns[1:] if len(kept) < len(turns) else kept): (
        "Only one turn leaves, even if what is left is still too long."
    ),
    wrong(room_of=lambda room: 0): "The room for the answer is forgotten: the model "
    "reads the whole conversation and has no place left to say anything.",
    wrong(last=1): "Off by one, one token too many is kept: <bos> counts, and so does "
    "the <assistant> after the new question.",
    wrong(last=0): "Off by two: the new question comes between <user> and <assistant>.",
    wrong(each=2): "Off by one a turn: besides <user> and <assistant> its <eos> "
    "counts.",
    wrong(least=1): "Off by one: what fits exactly fits. After the new question there "
    "is no <eos>; that of the new answer belongs to the room.",
    wrong(refuse=False): "A question that does not fit is not refused: where it is too "
    "long even alone, raise ValueError.",
    used_up: "",
    wrong(then=lambda turns, kept: len(kept)): "",
}


# Right in other styles


def from_the_front(turns, question, context, room):
    kept = list(turns)
    free = context - room - len(question) - 3
    if free < 0:
        raise ValueError(f"{-free} tokens too many")
    while sum(len(asked) + len(said) + 3 for asked, said in kept) > free:
        kept.pop(0)
    return kept


def by_recursion(turns, question, context, room):
    if 3 + len(question) + room > context:
        raise ValueError("too long")
    if not turns or 3 + len(question) + room + size(turns[-1]) > context:
        return []
    taken = context - size(turns[-1])
    return [*by_recursion(turns[:-1], question, taken, room), turns[-1]]


EXERCISE = Exercise(
    name="fit_the_conversation",
    title="A conversation longer than the context",
    kind="implement",
    skill="budget a context",
    difficulty=2,
    importance=4,
    minutes=15,
    chapter="08, before its section on two turns",
    task=TASK,
    solution=fit_the_conversation,
    definition=definition,
    cases=cases,
    points={"the newest turns, whole and in order": 2, EXACT: 1, REFUSES: 1},
    proven="The newest turns are kept, whole and in order, as many as fit to the token "
    "with\nroom for an answer, and a question that cannot fit is refused.",
    mistakes=MISTAKES,
    right=(from_the_front, by_recursion),
    hints=HINTS,
    after=AFTER,
)
