"""Instructions with answers, and the exact scorers of answers."""

import re
from dataclasses import dataclass, field
from functools import cache

from llmlab.village import french, gold, news, questions, stories, support, world
from llmlab.village.chooser import Chooser
from llmlab.village.corpus import check_split

TASKS = ("translate", "summarise", "support", "story", "question")
# How often each is asked for: most what takes the most learning.
_SHARES = {
    "translate": 0.34,
    "summarise": 0.08,
    "support": 0.23,
    "story": 0.28,
    "question": 0.07,
}


@dataclass(frozen=True)
class Instruction:
    """`facts` holds what a scorer needs to know to judge an answer."""

    task: str
    prompt: str
    answer: str
    facts: dict = field(default_factory=dict)


def instructions(
    count: int, *, seed: int, split: str, task: str | None = None, start: int = 0
) -> list[Instruction]:
    """Instructions `start` to `start + count` of a split, of one task or of all.

    The test split asks what training never did: held-out noun-adjective pairs and
    sentence patterns in translations, held-out wordings of questions, held-out
    combinations in stories, facts whose reversal was never asked.
    """
    check_split(split)
    if task is not None and task not in TASKS:
        raise ValueError(f"expected task to be one of {TASKS} or None, got {task!r}")
    if count < 0:
        raise ValueError(f"expected a count of 0 or more, got {count}")
    drawn = []
    for number in range(start, start + count):
        chooser = Chooser("instructions", task or "all", split, seed, number)
        drawn.append(_WRITERS[task or chooser.weighted(_SHARES)](chooser, split))
    return drawn


HELD_OUT_PATTERNS = 0.25  # of the translations of the test split


def _translate(chooser: Chooser, split: str) -> Instruction:
    new_pattern = split == "test" and chooser.coin(HELD_OUT_PATTERNS)
    phrase = french.sentence(
        chooser,
        held_out=split == "test" and not new_pattern,
        held_out_pattern=new_pattern,
    )
    return Instruction(
        "translate",
        f"Translate into French: {phrase.english}",
        phrase.french,
        {"french": phrase.french, "pattern": phrase.pattern},
    )


def _summarise(chooser: Chooser, split: str) -> Instruction:
    event = news.draw_news(chooser)
    return Instruction(
        "summarise",
        f"Summarise: {news.article(event, chooser)}",
        news.summary(event, chooser),
        event.facts(),
    )


def _support(chooser: Chooser, split: str) -> Instruction:
    intent, question, answer = support.draw_question(chooser, split == "test")
    facts = {"intent": intent.name, "facts": intent.facts}
    return Instruction("support", question, answer, facts)


def _story(chooser: Chooser, split: str) -> Instruction:
    prompt, event = stories.draw_request(chooser, split)
    return Instruction(
        "story", prompt, stories.tell(event, stories.DRY, chooser), event.labels()
    )


def _question(chooser: Chooser, split: str) -> Instruction:
    question = questions.draw_question(chooser, split == "test")
    facts = {"fact": question.fact, "direction": question.direction}
    return Instruction("question", question.text, question.answer, facts)


_WRITERS = {
    "translate": _translate,
    "summarise": _summarise,
    "support": _support,
    "story": _story,
    "question": _question,
}


def story_prompts(count: int, *, seed: int, split: str) -> list[str]:
    """What stories are asked to be about; see `stories.draw_request`."""
    check_split(split)
    return [
        stories.draw_request(Chooser("story_prompts", split, seed, number), split)[0]
        for number in range(count)
    ]


def story_pairs(count: int, *, seed: int, split: str) -> list[stories.StoryPair]:
    """Pairs of tellings; see `stories.draw_pair`."""
    check_split(split)
    return [
        stories.draw_pair(Chooser("story_pairs", split, seed, number), split)
        for number in range(count)
    ]


def story_additions(
    count: int, *, kind: str, seed: int, split: str
) -> list[stories.Addition]:
    """Dry tellings with and without one more sentence; see `stories.draw_addition`.

    Raises ValueError for a kind that is none of `ADDITIONS`.
    """
    check_split(split)
    if kind not in stories.ADDITIONS:
        raise ValueError(
            f"expected kind to be one of {stories.ADDITIONS}, got {kind!r}"
        )
    return [
        stories.draw_addition(kind, Chooser("additions", kind, split, seed, n), split)
        for n in range(count)
    ]


def score_answer(example: Instruction, answer: str) -> dict[str, float]:
    """How good an answer is: "right" is 0 or 1; the other scores say why."""
    if example.task not in _SCORERS:
        raise ValueError(f"expected a task out of {TASKS}, got {example.task!r}")
    return _SCORERS[example.task](example, " ".join(answer.split()))


def _score_translation(example: Instruction, answer: str) -> dict[str, float]:
    """Right: the one translation, with every accent; where the stop is, is not asked.

    "agreement", "elision" and "contraction" tell of mistakes: each is 1 unless the
    answer differs from the translation in that alone or has a form that French does
    not have.
    """
    expected = _words_of(example.facts["french"])
    said = _words_of(answer)
    lemmas = french.lemmas()
    same_words = [lemmas.get(w, w) for w in said] == [
        lemmas.get(w, w) for w in expected
    ]
    return {
        "right": float(said == expected),
        "agreement": float(said == expected or not same_words),
        "elision": float(not _UNELIDED.search(answer)),
        "contraction": float(not _UNCONTRACTED.search(answer)),
    }


_UNELIDED = re.compile(r"\b([Ll]e|[Ll]a|[Jj]e|ne|de|que) [aeiouâéèêîôAEIOU]")
_UNCONTRACTED = re.compile(r"\b(à|de) les? ")


def _lemmas_of(words: list[str]) -> list[str]:
    lemmas = french.lemmas()
    return [lemmas.get(word, word) for word in words]


def _words_of(text: str) -> list[str]:
    """The words of a French sentence without its stop."""
    return text.replace("'", "' ").rstrip(" .?").split()


def _score_summary(example: Instruction, answer: str) -> dict[str, float]:
    """Right: all four slots, no other person, place, deed or outcome, one sentence."""
    expected = {example.facts[key] for key in ("who", "what", "place", "outcome")}
    text = answer.replace("At the ", "at the ")
    recalled = sum(contains(text, slot) for slot in expected) / 4
    known = " ".join(expected)
    invented = sum(
        contains(text, name) and not contains(known, name) for name in all_names()
    )
    told = news.clauses_told(example.facts["what"])
    told += news.clauses_told(example.facts["outcome"])
    invented += (news.clauses_told(text) - told).total()
    one_sentence = bool(re.fullmatch(r"[^.!?]+\.", answer))
    right = recalled == 1 and invented == 0 and one_sentence
    return {"right": float(right), "recalled": recalled, "invented": float(invented)}


@cache
def all_names() -> frozenset[str]:
    """Of all people, places and things."""
    village = world.load()
    places = frozenset(f"the {name}" for name in village.places)
    return frozenset(village.people) | places | frozenset(village.things)


def contains(text: str, phrase: str) -> bool:
    """Whether the phrase stands in the text as whole words."""
    position = text.find(phrase)
    while position >= 0:
        end = position + len(phrase)
        before = text[position - 1 : position]
        if not before.isalnum() and not text[end : end + 1].isalnum():
            return True
        position = text.find(phrase, position + 1)
    return False


def _score_support(example: Instruction, answer: str) -> dict[str, float]:
    """Right: all facts of the intent, none of another, and a whole sentence."""
    own = example.facts["facts"]
    recalled = sum(contains(answer, fact) for fact in own) / len(own)
    foreign = sum(contains(answer, f) for f in support.every_fact() - set(own))
    right = recalled == 1 and foreign == 0 and answer.endswith((".", "!", "?"))
    return {"right": float(right), "recalled": recalled, "invented": float(foreign)}


def _score_story(example: Instruction, answer: str) -> dict[str, float]:
    """Right: about what was asked, well formed, and brought to an end."""
    reading = gold.read(example.prompt, answer)
    right = reading.about_what_was_asked and reading.well_formed and reading.finished
    return {
        "right": float(right),
        "about": float(reading.about_what_was_asked),
        "well_formed": float(reading.well_formed),
        "finished": float(reading.finished),
        "gold": gold.gold_score(example.prompt, answer),
    }


def _score_question(example: Instruction, answer: str) -> dict[str, float]:
    """Right: subject and value, no other value of the same kind, one sentence."""
    fact = example.facts["fact"]
    text = answer[:1].lower() + answer[1:] if answer.startswith("The ") else answer
    expected = (fact.name, fact.value)
    recalled = sum(contains(text, part) for part in expected) / 2
    invented = sum(contains(text, other) for other in questions.other_values(fact))
    one_sentence = bool(re.fullmatch(r"[^.!?]+\.", answer))
    right = recalled == 1 and invented == 0 and one_sentence
    return {"right": float(right), "recalled": recalled, "invented": float(invented)}


_SCORERS = {
    "translate": _score_translation,
    "summarise": _score_summary,
    "support": _score_support,
    "story": _score_story,
    "question": _score_question,
}
