"""What came before, word for word."""

from collections.abc import Iterable

from llmlab.real_text.passages import Passage
from llmlab.real_text.sifting import Rule, Sifting

LONG_PARAGRAPH = 80
"""Characters. Shorter paragraphs ("For example:") may repeat without being copies."""

REPETITIONS = Rule(
    "repetitions", "the same words came before, in this passage or in an earlier one"
)


def drop_repetitions(passages: Iterable[Passage]) -> Sifting:
    """Drop what came before, word for word.

    A text that is both in the training and in the validation set makes a model look
    better than it is. So a paragraph of at least `LONG_PARAGRAPH` characters is kept
    where it first comes and dropped elsewhere; and a passage more than half of whose
    characters came before is dropped whole, since what is left would be shreds.
    """
    seen: dict[str, str] = {}
    kept, dropped = [], []
    for passage in passages:
        paragraphs = passage.text.split("\n\n")
        came_before = [paragraph for paragraph in paragraphs if paragraph in seen]
        if 2 * sum(map(len, came_before)) > sum(map(len, paragraphs)):
            first = seen[max(came_before, key=len)]
            dropped.append(REPETITIONS.drops(passage, f"came before, in {first}"))
            continue
        fresh = []
        for paragraph in paragraphs:
            if paragraph in seen and len(paragraph) >= LONG_PARAGRAPH:
                reason = f"came before, in {seen[paragraph]}"
                dropped.append(REPETITIONS.drops_paragraph(passage, paragraph, reason))
            else:
                fresh.append(paragraph)
                seen.setdefault(paragraph, passage.source)
        kept.append(Passage(passage.source, "\n\n".join(fresh)))
    return Sifting(kept, dropped)
