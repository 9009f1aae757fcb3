"""What came before, word for word."""

from collections.abc import Iterable

from llmlab.real_text.documents import Document
from llmlab.real_text.report import Loss, Rule, Sifting

LONG_PARAGRAPH = 80
"""Characters. Shorter paragraphs ("For example:") may repeat without being copies."""

REPETITIONS = Rule(
    "repetitions", "the same words came before, in this document or in an earlier one"
)


def drop_repetitions(documents: Iterable[Document]) -> Sifting:
    """Drop what came before, word for word.

    A text that is both in the training and in the validation set makes a model look
    better than it is. So a paragraph of at least `LONG_PARAGRAPH` characters is kept
    where it first comes and dropped elsewhere; and a document more than half of whose
    characters came before is dropped whole, since what is left would be shreds.
    """
    seen: dict[str, str] = {}
    kept, losses = [], []
    for document in documents:
        paragraphs = document.text.split("\n\n")
        came_before = [paragraph for paragraph in paragraphs if paragraph in seen]
        if 2 * sum(map(len, came_before)) > sum(map(len, paragraphs)):
            first = seen[max(came_before, key=len)]
            losses.append(_loss(document, document.text, len(document.text), first))
            continue
        fresh = []
        for paragraph in paragraphs:
            if paragraph in seen and len(paragraph) >= LONG_PARAGRAPH:
                gap = len("\n\n")
                size, first = len(paragraph) + gap, seen[paragraph]
                losses.append(_loss(document, paragraph, size, first))
            else:
                fresh.append(paragraph)
                seen.setdefault(paragraph, document.source)
        kept.append(Document(document.source, "\n\n".join(fresh)))
    return Sifting(kept, losses)


def _loss(document: Document, text: str, characters: int, first: str) -> Loss:
    return Loss(
        rule=REPETITIONS.name,
        source=document.source,
        text=text,
        characters=characters,
        whole=text == document.text,
        reason=f"came before, in {first}",
    )
