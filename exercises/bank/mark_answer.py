"""Marking an answer of the help desk: its facts, no others, whole numbers, an end."""

import random
import re

from exercises import Exercise
from llmlab.checks import Case
from llmlab.village import support

TASK = """
Somebody has to say which answers are right, and reading ten thousand of them takes a
month. The ferry's help desk is made so that a program can do it: to each question
belong some **facts**, and to the others belong facts that would be *foreign* here.

| answer | facts | foreign | right? |
|---|---|---|---|
| The ride costs two pence. | two pence | Monday, six pence | yes |
| It costs six pence, or two. | two | Monday, six pence | no: a foreign fact |
| The boat takes 15 people. | 5 | 8 | no: 15 is not 5 |
| The ride costs two pence, and | two pence | | no: it does not end |

A mark that is too kind is worse than none: the model is trained until it gets good
marks, not until it is good.

**Before you start, predict:** a model answers every question by reading out the whole
price list. What share of marks does it get if only the facts of the question are looked
for?
"""


def mark_answer(answer, facts, foreign):
    """Whether an answer is right.

    answer:  a text, perhaps empty
    facts:   a list of words or phrases, all of which have to stand in it; perhaps empty
    foreign: a list of words or phrases, none of which may stand in it
    returns: True or False

    Facts stand there as whole words, in large or small letters. A point, comma or
    colon between two digits belongs to the number: 5 stands neither in 15 nor in 2.5
    nor in 5:30. The answer ends in . or ! or ?, behind which only spaces may follow.
    """

    def holds(fact):
        begin, end = r"(?<!\w)(?<!\d[.,:])", r"(?!\w)(?![.,:]\d)"
        return re.search(begin + re.escape(fact) + end, answer, re.IGNORECASE)

    ends = answer.rstrip().endswith((".", "!", "?"))
    return ends and all(map(holds, facts)) and not any(map(holds, foreign))


HINTS = (
    """Three questions, each with an answer of its own: does it end, is all there that
should be, is nothing there that should not? For the second and third you need one
function: does this phrase stand in this text as whole words? What may the character
before it be, and what the one after?""",
    """1. without the spaces at its end, the answer ends in one of the three marks
2. a phrase stands in it if some place where it is found has neither letter nor digit
   right before or right after it; look at *all* places where it is found
3. if it begins or ends with a digit, a point, comma or colon with another digit
   beyond it does not count as an end of the number""",
    """`llmlab/village/scoring.py` marks the course's own tasks. The page *Regular
Expression HOWTO* of Python's documentation, under *Lookahead Assertions*.""",
)

AFTER = """
**What you predicted.** All of them. Marks that look only for what should be there are
best earned by saying everything.

**Your function at the help desk.** Each intent's answers are marked for each intent's
question. *How many right answers of another intent pass?*
"""


def use(mark_answer):
    desk = support.load()
    every_fact = {fact for intent in desk for fact in intent.facts}
    own = other = 0
    for question in desk:
        foreign = sorted(every_fact - set(question.facts))
        for intent in desk:
            mark = mark_answer(intent.answers[0], list(question.facts), foreign)
            own += mark and intent is question
            other += mark and intent is not question
    print(f"{own} of {len(desk)} intents: their own answer is right")
    print(f"{other} of {len(desk) * (len(desk) - 1)}: another intent's answer passes")


WORDS = "every fact stands there, as whole words"
NUMBERS = "numbers are whole"
FOREIGN = "no foreign fact stands there"
ENDS = "it ends"
BY_HAND = {
    WORDS: (
        ("The ticket costs {n} coins.", ["{n} coins"], ["{m} coins"], True),
        ("Please ask {who}.", ["{who}", "the mill"], [], False),
        ("Please ask {who} at the mill.", ["{who}", "the mill"], ["{her}"], True),
        ("The red booth sells them.", ["red booth", "the red"], [], True),
        ("ASK {who} ON {day}.", ["ask {who}", "on {day}"], [], True),
        ("The boathouse opens on {day}.", ["{day}", "boat"], [], False),
        ("The lighthouse opens on {day}.", ["{day}", "house"], [], False),
        ("The windmill is meant, not the old mill.", ["mill"], [], True),
        ("It is {who}'s boat, of course.", ["{who}", "boat"], [], True),
        ("For {n} pence, or with a dog {m} coins.", ["{n} coins"], [], False),
        ("I do not know, sorry.", [], ["{day}", "{who}"], True),
    ),
    NUMBERS: (
        ("The boat takes 1{n} people.", ["{n}"], [], False),
        ("The boat takes {n}0 people.", ["{n}"], [], False),
        ("The boat takes {n}, and {m} dogs.", ["{n}", "{m}"], [], True),
        ("The boat takes {n}.", ["{n}"], [], True),
        ("It takes 1{n} people and {n} dogs.", ["{n}"], [], True),
        ("It takes 1{n} people.", ["1{n}"], ["{n}", "1"], True),
        ("A stone weighs {n}.5 kilos.", ["{n}"], [], False),
        ("A stone weighs 1.{n} kilos.", ["{n}"], [], False),
        ("It leaves at {n}:30 on {day}.", ["{n}:30", "{day}"], ["30"], True),
        ("It costs 1,{n}00 coins.", ["{n}00 coins"], [], False),
    ),
    FOREIGN: (
        ("It is {n} coins, or {m} coins.", ["{n} coins"], ["{m} coins"], False),
        (
            "{day}, {other}, {who}, {her}.",
            ["{day}"],
            ["{k}", "{other}", "{her}"],
            False,
        ),
        ("On {day}. THE MILL is closed.", ["{day}"], ["the mill"], False),
        ("The windmill opens on {day}.", ["{day}"], ["mill", "wind"], True),
        ("I do not know, ask {who}.", [], ["{day}", "{who}"], False),
    ),
    ENDS: (
        ("It costs {n} coins, and", ["{n} coins"], [], False),
        ("It costs {n} coins. It is sold at", ["{n} coins"], [], False),
        ("Yes, for {n} coins!  ", ["{n} coins"], [], True),
        ("Do {n} coins suit you?", ["{n} coins"], [], True),
        ("", [], [], False),
    ),
}
"""By property: answer, facts, foreign facts, and how people marked it."""
DAYS, PEOPLE = ("Monday", "Friday", "Sunday"), ("Otto", "Agnes", "Fern", "Edgar")


def marked_by_hand(seed):
    """Property, answer, facts, foreign facts and mark, with this seed's numbers."""
    chance = random.Random(seed)
    fill = dict(zip("nmk", chance.sample("23456789", 3), strict=True))
    fill["day"], fill["other"] = chance.sample(DAYS, 2)
    fill["who"], fill["her"] = chance.sample(PEOPLE, 2)
    for proves, rows in BY_HAND.items():
        for answer, *lists, mark in rows:
            facts, foreign = ([x.format(**fill) for x in each] for each in lists)
            yield proves, answer.format(**fill), facts, foreign, mark


def cases(seed):
    for number, (proves, *inputs, _) in enumerate(marked_by_hand(seed)):
        yield Case(tuple(inputs), proves if number else "")


def words_of(text):
    return re.findall(r"\w+(?:(?<=\d)[.,:](?=\d)\w+)*", text.casefold())


def definition(answer, facts, foreign):
    """Word by word: the facts' words stand in a row somewhere."""
    words = words_of(answer)

    def stands(fact):
        row = words_of(fact)
        return any(words[k : k + len(row)] == row for k in range(len(words)))

    is_clean = not any(map(stands, foreign))
    return is_clean and all(map(stands, facts)) and is_ended(answer)


# What people get wrong


def standing(pattern, flags=re.IGNORECASE):
    """Whether a fact stands in an answer, by a pattern around it."""
    return lambda fact, answer: bool(
        re.search(pattern.format(re.escape(fact)), answer, flags)
    )


WHOLE = r"(?<!\w)(?<!\d[.,:]){}(?!\w)(?![.,:]\d)"
whole, anywhere, in_a_word = standing(WHOLE), standing("{}"), standing(r"\b{}\b")


def is_ended(answer):
    return answer.strip()[-1:] in {".", "!", "?"}


def marking(own=whole, other=whole, every=all, ends=is_ended):
    """A way of marking, all right unless told otherwise."""

    def mark(answer, facts, foreign):
        is_there = every(own(fact, answer) for fact in facts)
        is_clean = not any(other(fact, answer) for fact in foreign)
        return is_there and is_clean and ends(answer)

    return mark


def at_first(fact, answer):
    """Looks at the first place where a fact is found, and at no other."""
    place = answer.casefold().find(fact.casefold())
    beside = answer[:place][-1:] + answer[place + len(fact) :][:1]
    return place >= 0 and whole(fact, answer) and not re.search(r"\w", beside)


def in_pieces(fact, answer):
    return {*words_of(fact)} <= {*words_of(answer)}


def between_spaces(fact, answer):
    return f" {fact} ".casefold() in f" {answer} ".casefold()


MISTAKES = {
    marking(anywhere, anywhere): "Facts are found inside other words: 5 in 15, mill in "
    "windmill. What stands before and behind a fact must not belong to its word.",
    marking(
        in_a_word, in_a_word
    ): "Numbers are cut at their point: 5 is found in 2.5. A "
    "point, comma or colon between two digits belongs to the number.",
    marking(other=anywhere): "Foreign facts are found inside other words, so right "
    "answers fail: the mill is not in a windmill. Look for them as for the others.",
    marking(
        anywhere
    ): "Facts are found inside other words, so wrong answers pass. Look "
    "for them as for the foreign ones.",
    marking(other=lambda fact, answer: False): "Foreign facts do not count: an answer "
    "that reads out the whole list passes every question.",
    marking(standing(WHOLE, 0), standing(WHOLE, 0)): "Large and small letters are told "
    "apart: a sentence may begin with a fact.",
    marking(every=any): "One fact is enough for a good mark; all of them have to stand "
    "there, and where none is asked for, none is missing.",
    marking(every=lambda found: (found := list(found)) and all(found)): "",
    marking(at_first, at_first): "Only the first place where a fact is found is looked "
    "at: it may stand whole further on, as mill does after windmill.",
    marking(in_pieces, in_pieces): "The words of a fact are found in different places. "
    "They have to stand one after the other.",
    marking(between_spaces, between_spaces): "A fact is only found between spaces; a "
    "comma or the sentence's end may stand right behind it.",
    marking(ends=bool): "It may stop in the middle of a sentence. A model that is cut "
    "off has not answered.",
    marking(
        ends=lambda x: any(c in x for c in ".!?")
    ): "A sentence that ends somewhere is enough; what counts is how the answer ends.",
    marking(
        ends=lambda x: x[-1:] in {".", "!", "?"}
    ): "Spaces behind the last mark are taken for an answer that does not end.",
    marking(ends=lambda x: x.strip().endswith(".")): "Only a full stop ends an answer; "
    "a question or an exclamation mark does, too.",
    lambda *inputs: int(definition(*inputs)) / 2: "",
}


# Right in other styles


def by_neighbours(answer, facts, foreign):
    text = f"  {answer.lower().rstrip()}  "

    def holds(fact):
        fact = fact.lower()
        for k in range(2, len(text) - len(fact)):
            before, after = text[k - 2 : k], text[k + len(fact) :][:2]
            free = not before[1].isalnum() and not after[:1].isalnum()
            cut = before[0].isdigit() and before[1] in ".,:" and fact[0].isdigit()
            cut |= after[1:].isdigit() and after[0] in ".,:" and fact[-1].isdigit()
            if text.startswith(fact, k) and free and not cut:
                return True
        return False

    missing = sum(not holds(fact) for fact in facts) + sum(map(holds, foreign))
    return missing == 0 and text.rstrip()[-1:] in (".", "!", "?")


EXERCISE = Exercise(
    name="mark_answer",
    title="Mark an answer",
    kind="implement",
    skill="write a check",
    difficulty=3,
    importance=4,
    minutes=20,
    chapter="08, before section 1",
    task=TASK,
    solution=mark_answer,
    definition=definition,
    cases=cases,
    points={WORDS: 1, NUMBERS: 1, FOREIGN: 1, ENDS: 1},
    proven="Your marks agree with those that people gave, to answers that list "
    "everything,\nthat cut numbers and that never end.",
    mistakes=MISTAKES,
    right=(by_neighbours,),
    hints=HINTS,
    after=AFTER,
    use=use,
)
