"""The text of the `train` command, ready to be trained and measured on.

A text that fits is cut between paragraphs into windows, each between <bos> and <eos>. A
larger one lies encoded in files and is trained on in rows (see `token_files`). Both are
measured in the same way.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llmlab.pretraining import encode_documents
from llmlab.real_text import Passage, paragraph_windows, split_validation
from llmlab.token_files import TokenFiles
from llmlab.tokenizer import Tokenizer

MEASURED_WINDOWS = 300
"""Held-out windows to measure on; of more text, an evenly spaced sample."""

COUNTED_TOKENS = 2_000_000
"""What a trigram model counts of a text that is larger than memory."""


@dataclass(frozen=True)
class Windows:
    """Stretches of text that fit the context, as text and as ids."""

    texts: list[str]
    sequences: list[list[int]]

    @property
    def characters(self) -> int:
        return sum(map(len, self.texts))

    @property
    def predictions(self) -> int:
        """Tokens that are predicted in one pass: all but each first one."""
        return sum(len(sequence) - 1 for sequence in self.sequences)

    @property
    def characters_per_token(self) -> float:
        return self.characters / self.predictions

    def sample(self) -> "Windows":
        """At most `MEASURED_WINDOWS` of them, evenly spaced."""
        stride = math.ceil(len(self.texts) / MEASURED_WINDOWS)
        return Windows(self.texts[::stride], self.sequences[::stride])


@dataclass(frozen=True)
class Corpus:
    """A text, some of it held out.

    characters : of the training text.
    """

    tokenizer: Tokenizer
    training: Windows | TokenFiles
    validation: Windows
    characters: int

    def training_sample(self) -> Windows:
        """Some of the training text, to measure on."""
        if isinstance(self.training, Windows):
            return self.training.sample()
        rows = self.training.some(MEASURED_WINDOWS)
        return Windows([self.tokenizer.decode(row[1:]) for row in rows], rows)

    def counted(self) -> list[list[int]]:
        """What a trigram model counts: all, or of a large text a part."""
        if isinstance(self.training, Windows):
            return self.training.sequences
        return self.training.some(max(1, COUNTED_TOKENS // self.training.context))


def hold_out(passages: Sequence[Passage]) -> tuple[list[Passage], list[Passage]]:
    """Training and validation; of few passages chance may hold out the larger part."""
    validation, training = sorted(split_validation(passages), key=_characters)
    return training, validation


def cut(
    training: Sequence[Passage],
    validation: Sequence[Passage],
    tokenizer: Tokenizer,
    context: int,
) -> Corpus:
    """A corpus in memory."""
    windows = _windows([passage.text for passage in training], tokenizer, context)
    held_out = _windows([passage.text for passage in validation], tokenizer, context)
    return Corpus(tokenizer, windows, held_out.sample(), windows.characters)


def in_files(folder: Path, context: int) -> Corpus:
    """A corpus that `token_files.encode_folder` has encoded."""
    files = TokenFiles(folder, context)
    held_out = _windows(files.held_out_texts(), files.tokenizer, context)
    if not held_out.texts:
        raise ValueError("the text has too few passages to hold one out; give more")
    return Corpus(files.tokenizer, files, held_out.sample(), files.counts["characters"])


def fingerprint(passages: Sequence[Passage]) -> str:
    digest = hashlib.sha256()
    for passage in passages:
        digest.update(passage.text.encode() + b"\0")
    return digest.hexdigest()


def _characters(passages: Sequence[Passage]) -> int:
    return sum(len(passage.text) for passage in passages)


def _windows(texts: Sequence[str], tokenizer: Tokenizer, context: int) -> Windows:
    def length(text: str) -> int:
        return len(tokenizer.encode(text)) + 2  # <bos> and <eos>

    parts = [w for text in texts for w in paragraph_windows(text, context, length)]
    return Windows(parts, encode_documents(tokenizer, parts))
