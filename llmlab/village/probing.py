"""Questions to a model that was never told the answers as such: is the grammatical
sentence likelier, how does the saying end and what does it mean, what does the model
know about the village, and does it know it in both directions?

Every question is a sentence that the village writes, cut or spoiled in one place.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from llmlab.village import corpus, sayings, world
from llmlab.village.chooser import Chooser
from llmlab.village.corpus import Document
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
    completions = (*_sayings(chooser), *_facts(documents, chooser))
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
    return [
        _completion(
            "meaning",
            f"To {idiom.infinitive} means to",
            idiom.meaning,
            _alike(idiom.meaning, meanings),
            chooser,
        )
        for idiom in idioms
    ]


def _alike(text: str, others: list[str]) -> list[str]:
    """The ten others that are nearest in length, so that length tells nothing."""
    length = len(text.split())
    return sorted(others, key=lambda o: (abs(len(o.split()) - length), o))[:10]


def _completion(
    kind: str, prefix: str, answer: str, options: list[str], chooser: Chooser
) -> Completion:
    others = sorted({option for option in options if option != answer})
    distractors = tuple(f" {other}" for other in chooser.sample(others, 3))
    return Completion(kind, prefix, f" {answer}", distractors)


# ---- facts


@dataclass(frozen=True)
class _Known:
    """A fact: whose, what, and what a sentence that tells it must have."""

    name: str  # of the fact: "home"
    subject: str
    value: str
    sign: re.Pattern


_SIGNS = {
    "home": r"\b(live[sd]?|home|find)\b",
    "trade": r"\b(is|trade|works?|called|name|needs?)\b",
    "like": r"\b(loves?|likes?|best|happy|happier|fond|please[sd]?|joy|favourite)\b",
    "wish": r"\b(wish(ed|es)?|dreams?|dreamed|wants?|hopes?|longs?)\b",
    "habit": r"\b(habit|always|often|known for|again|caught|keeps?)\b",
    "fear": r"\b(afraid|fears?|scares?|frightens?|flees?|runs?)\b",
}


def _known_facts() -> dict[str, list[_Known]]:
    """The facts of each sort; who is whose cousin is told by naming the bond."""
    people = world.load().people.values()
    facts = {
        name: [
            _Known(name, person.name, getattr(person, name), re.compile(sign))
            for person in people
        ]
        for name, sign in _SIGNS.items()
    }
    facts["kin"] = [
        _Known("kin", p.name, p.kin, re.compile(rf"\b{p.bond}\b")) for p in people
    ]
    return facts


def _facts(documents: Iterable[Document], chooser: Chooser) -> Iterator[Completion]:
    """Sentences of the encyclopaedia that tell a fact of a person, cut before what
    comes last: the value of the fact, or (a reversal) the person. Each is asked once
    in either direction."""
    facts = _known_facts()
    asked: set[tuple[str, str, str]] = set()
    for sentence in _sentences_of_the_encyclopaedia(documents):
        for known in facts.values():
            for fact in known:
                found = _cut(sentence, fact) if fact.subject in sentence else None
                if found and (found[0], fact.name, fact.subject) not in asked:
                    asked.add((found[0], fact.name, fact.subject))
                    yield _question(*found, fact, known, chooser)


def _question(
    kind: str, prefix: str, answer: str, fact: _Known, known: list[_Known], chooser
) -> Completion:
    if kind == "reversal":
        options = [other.subject for other in known if other.value != fact.value]
    else:
        options = _alike(answer, sorted({other.value for other in known}))
    options = [option for option in options if option not in prefix]
    return _completion(kind, prefix, answer, options, chooser)


def _sentences_of_the_encyclopaedia(documents: Iterable[Document]) -> Iterator[str]:
    for document in documents:
        if document.genre == "articles" and "what" not in document.labels:
            yield from sentences_of("\n" + document.text)


def _cut(sentence: str, fact: _Known) -> tuple[str, str, str] | None:
    """(kind, prefix, answer) if the sentence tells the fact."""
    subject = re.search(rf"\b{fact.subject}\b(?!')", sentence)
    value = re.search(rf"\b{re.escape(fact.value)}\b", sentence)
    if not subject or not value:
        return None
    if subject.start() < value.start():
        kind, start, answer = "fact", value.start(), fact.value
    else:
        kind, start, answer = "reversal", subject.start(), fact.subject
    prefix = sentence[:start]
    if kind == "reversal" and fact.name == "kin":
        return None  # its reversal is the fact of somebody else
    told = prefix if kind == "fact" else sentence
    if not fact.sign.search(told) or answer in prefix or not prefix.endswith(" "):
        return None
    return kind, prefix.rstrip(), answer
