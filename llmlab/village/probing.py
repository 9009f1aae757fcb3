"""Questions to a model that was never told the answers as such: is the grammatical
sentence likelier, how does the saying end and what does it mean, what does the model
know about the village, and does it know it in both directions?

Every question is a sentence that the village writes, cut or spoiled in one place.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from llmlab.village import corpus, sayings, world
from llmlab.village.chooser import Chooser
from llmlab.village.corpus import Document
from llmlab.village.facts import Fact, facts_of_people, told
from llmlab.village.minimal_pairs import MinimalPair, minimal_pairs, sentences_of

_DOCUMENTS = 4000  # of the test split, from which questions are made


@dataclass(frozen=True)
class Completion:
    """`prefix` should be followed by `answer` rather than by any distractor."""

    kind: str  # "idiom", "meaning", "proverb", "fact" or "reversal"
    prefix: str
    answer: str
    distractors: tuple[str, ...]


@dataclass(frozen=True)
class Probes:
    minimal_pairs: tuple[MinimalPair, ...]
    completions: tuple[Completion, ...]


def probes(seed: int, pairs_each: int = 20) -> Probes:
    """Minimal pairs for each phenomenon; the end of every idiom and proverb; the
    meaning of every idiom; the facts of the village and their reversals."""
    chooser = Chooser("probes", seed)
    documents = tuple(corpus.documents(_DOCUMENTS, seed=seed, split="test"))
    sayings = _sayings(chooser)
    facts = _facts(documents, facts_of_people(), 3, chooser)
    completions = (*sayings, *(question for _, question in facts))
    return Probes(minimal_pairs(documents, pairs_each), completions)


# ---- sayings


def _sayings(chooser: Chooser) -> tuple[Completion, ...]:
    known = sayings.load()
    idioms = [f"To {idiom.infinitive}" for idiom in known.idioms]
    proverbs = [proverb.text for proverb in known.proverbs]
    return (
        *_endings(idioms, "idiom", chooser),
        *_meanings(chooser),
        *_endings([sayings.PANGRAM, *proverbs], "proverb", chooser),
    )


def _endings(texts: list[str], kind: str, chooser: Chooser) -> list[Completion]:
    """Each text cut before its last word, with last words of others as distractors."""
    cut = [text.rsplit(" ", 1) for text in texts]
    lasts = sorted({last for _, last in cut})
    return [_completion(kind, prefix, last, lasts, chooser) for prefix, last in cut]


def _meanings(chooser: Chooser) -> list[Completion]:
    idioms = sayings.load().idioms
    meanings = [idiom.meaning for idiom in idioms]
    found = []
    for idiom in idioms:
        asked, meaning = f"To {idiom.infinitive} means to", idiom.meaning
        alike = _alike(meaning, meanings)
        found.append(_completion("meaning", asked, meaning, alike, chooser))
    return found


def _alike(text: str, others: list[str]) -> list[str]:
    """The ten others that are nearest in length, so that length tells nothing."""
    length = len(text.split())
    return sorted(others, key=lambda o: (abs(len(o.split()) - length), o))[:10]


def _completion(
    kind: str,
    prefix: str,
    answer: str,
    options: list[str],
    chooser: Chooser,
    others: int = 3,
) -> Completion:
    wrong = sorted({option for option in options if option != answer})
    distractors = tuple(f" {other}" for other in chooser.sample(wrong, others))
    return Completion(kind, prefix, f" {answer}", distractors)


# ---- facts


@cache
def _signs() -> dict[str, str]:
    return world.read_file("probes.toml")["signs"]


def questions_about_facts(
    seed: int, facts: Sequence[Fact], others: int = 3
) -> list[tuple[Fact, Completion]]:
    """Sentences of the encyclopaedia that tell one of the facts, cut before what comes
    last: the value of the fact (kind "fact"), or whose it is ("reversal"). Each fact is
    asked once in either direction, where a sentence tells it so.

    others : how many wrong endings, all of the same kind, the right one stands among.
    """
    documents = corpus.documents(_DOCUMENTS, seed=seed, split="test")
    return list(_facts(documents, facts, others, Chooser("facts", seed)))


def _facts(
    documents: Iterable[Document], facts: Sequence[Fact], others: int, chooser: Chooser
) -> Iterator[tuple[Fact, Completion]]:
    by_kind = defaultdict(list)
    for fact in facts:
        by_kind[fact.kind].append(fact)
    order = {fact: number for number, fact in enumerate(facts)}
    asked: set[tuple[str, Fact]] = set()
    for sentence in _sentences_of_the_encyclopaedia(documents):
        here = [fact for fact, _ in told(sentence) if fact in order]
        for fact in sorted(here, key=order.get):
            kind, prefix, answer = _cut(sentence, fact)
            if not kind or (kind, fact) in asked:
                continue
            asked.add((kind, fact))
            known = by_kind[fact.kind]
            if kind == "reversal":
                options = [one.subject for one in known if one.value != fact.value]
            else:
                options = _alike(answer, sorted({one.value for one in known}))
            options = [option for option in options if option not in prefix]
            yield fact, _completion(kind, prefix, answer, options, chooser, others)


def _sentences_of_the_encyclopaedia(documents: Iterable[Document]) -> Iterator[str]:
    for document in documents:
        if document.genre == "articles" and "what" not in document.labels:
            yield from sentences_of("\n" + document.text)


def _cut(sentence: str, fact: Fact) -> tuple[str, str, str]:
    """(kind, prefix, answer) if the sentence tells the fact, else empty ones."""
    subject = re.search(rf"\b{fact.subject}\b(?!')", sentence)
    value = re.search(rf"\b{re.escape(fact.value)}\b", sentence)
    if not subject or not value:
        return "", "", ""
    if subject.start() < value.start():
        kind, start, answer = "fact", value.start(), fact.value
    else:
        kind, start, answer = "reversal", subject.start(), fact.subject
    prefix = sentence[:start]
    if kind == "reversal" and fact.kind == "kin":
        return "", "", ""  # its reversal is the fact of somebody else
    told = prefix if kind == "fact" else sentence
    sign = rf"\b{fact.bond}\b" if fact.bond else _signs()[fact.kind]
    if not re.search(sign, told) or answer in prefix or not prefix.endswith(" "):
        return "", "", ""
    return kind, prefix.rstrip(), answer
