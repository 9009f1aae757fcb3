"""The exact scorers of answers, and what is asked of a story.

They are functions of the example and the answer alone and take any text, so that they
serve as rewards as well.
"""

import re
from dataclasses import dataclass
from functools import cache

from llmlab.village import french, gold, news, questions, small_talk, support, world
from llmlab.village.examples import TASKS, Instruction


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
    lemmas = french.lemmas()
    expected = _words_of(example.facts["french"])
    said = _words_of(answer)
    same_words = len(said) == len(expected) and all(
        lemmas.get(one, one) == lemmas.get(other, other)
        for one, other in zip(said, expected, strict=True)
    )
    return {
        "right": float(said == expected),
        "agreement": float(said == expected or not same_words),
        "elision": float(not _UNELIDED.search(answer)),
        "contraction": float(not _UNCONTRACTED.search(answer)),
    }


_UNELIDED = re.compile(r"\b([Ll]e|[Ll]a|[Jj]e|ne|de|que) [aeiouâéèêîôAEIOU]")
_UNCONTRACTED = re.compile(r"\b(à|de) les? ")


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
    return _scores_of_facts(recalled, invented, _is_one_sentence(answer))


def _is_one_sentence(answer: str) -> bool:
    return bool(re.fullmatch(r"[^.!?]+\.", answer))


def _scores_of_facts(recalled: float, invented: int, is_whole: bool) -> dict:
    right = recalled == 1 and invented == 0 and is_whole
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
    """Right: all facts asked for, none of another intent, and a whole sentence."""
    own = example.facts["facts"]
    recalled = sum(contains(answer, fact) for fact in own) / len(own)
    others = support.foreign_facts(example.facts["intent"])
    foreign = sum(contains(answer, fact) for fact in others)
    scores = _scores_of_facts(recalled, foreign, answer.endswith((".", "!", "?")))
    return scores | {"refused": float(contains(answer, "sorry"))}


@dataclass(frozen=True)
class StoryVerdict:
    """What is asked of a story, from little to much. None of it is taste.

    form : about what was asked, well formed, and brought to an end.
    consistent : nothing contradicts the prompt, the world or the story itself.
    clean : the gold score finds no fault of any kind.
    """

    form: bool
    consistent: bool
    clean: bool


def judge_story(prompt: str, story: str) -> StoryVerdict:
    """What a program can say about a story that was asked for."""
    found = gold.read(prompt, story)
    form = found.about_what_was_asked and found.well_formed and found.finished
    return StoryVerdict(form, found.broken == 0, gold.faults(found) == 0)


def _score_story(example: Instruction, answer: str) -> dict[str, float]:
    """Right: the form is; what it says may still contradict itself."""
    reading = gold.read(example.prompt, answer)
    verdict = judge_story(example.prompt, answer)
    return {
        "right": float(verdict.form),
        "consistent": float(verdict.consistent),
        "clean": float(verdict.clean),
        "about": float(reading.about_what_was_asked),
        "well_formed": float(reading.well_formed),
        "finished": float(reading.finished),
        "gold": gold.gold_score(example.prompt, answer),
    }


def _score_question(example: Instruction, answer: str) -> dict[str, float]:
    """Right: subject and value, no other value of the same kind, one sentence."""
    if "link" in example.facts:
        return _score_two_steps(answer, **example.facts)
    fact = example.facts["fact"]
    told = _told(answer, fact, (fact.name, fact.value))
    return _scores_of_facts(*told, _is_one_sentence(answer))


def _score_two_steps(
    answer: str, link: questions.Fact, fact: questions.Fact, said_first: bool
) -> dict[str, float]:
    """Right: the last sentence holds the value and no other of its kind, and stands
    alone or, if the facts are to be said first, behind a sentence for each.

    "steps" is the share of the two facts that the first sentences tell, in order.
    """
    sentences = re.findall(r"[^.!?]+\.", answer)
    steps = sum(
        _told(sentence, each, (each.name, each.value)) == (1, 0)
        for sentence, each in zip(sentences, (link, fact), strict=False)
    )
    whole = "".join(sentences) == answer and len(sentences) == (3 if said_first else 1)
    told = _told((sentences or [""])[-1], fact, (fact.value,), known=link.name)
    scores = _scores_of_facts(*told, whole and (steps == 2 or not said_first))
    return scores | {"steps": steps / 2}


def _told(text: str, fact: questions.Fact, wanted: tuple, known: str = "") -> tuple:
    """The share of what is wanted that a text holds, and how many other subjects and
    values of the fact's kind, but for one that the question names."""
    text = text.strip()
    text = text[:1].lower() + text[1:] if text.startswith("The ") else text
    recalled = sum(contains(text, part) for part in wanted) / len(wanted)
    others = questions.other_values(fact) - {known}
    return recalled, sum(contains(text, other) for other in others)


def _score_talk(example: Instruction, answer: str) -> dict[str, float]:
    """Right: one of the fixed answers, or any story, told whole, of what it says."""
    kind = small_talk.load()[example.facts["kind"]]
    if kind.name != small_talk.STORY:
        return {"right": float(answer in kind.answers)}
    about, _, story = answer.partition(". ")
    told = judge_story(about, story).form and gold.read(about, story).wholeness == 1
    return {"right": float(about.startswith("This is a story") and told)}


_SCORERS = dict(translate=_score_translation, summarise=_score_summary)
_SCORERS |= dict(support=_score_support, story=_score_story, question=_score_question)
_SCORERS |= dict(talk=_score_talk)
