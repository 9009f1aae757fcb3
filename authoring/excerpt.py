"""The excerpt in data/excerpt: ten documents of each genre for whoever wants to see
what the corpus is like. Nothing is chosen and nothing is edited.

    python -m authoring excerpt     writes it anew
"""

import argparse
from pathlib import Path

from llmlab.files import write_atomically
from llmlab.paths import DATA
from llmlab.village.corpus import GENRES, Document, documents

FOLDER = DATA / "excerpt"
SEEDS = range(10)
_ENOUGH = 1000  # documents, among which every genre occurs


def excerpt(genre: str) -> str:
    """The first document of the genre in the training split of each seed."""
    parts = [
        f"Ten documents of the genre {genre}: of every seed the first one, as it is.\n"
    ]
    for seed in SEEDS:
        parts.append(f"\n----- seed {seed} -----\n\n{_first(genre, seed).text}\n")
    return "".join(parts)


def _first(genre: str, seed: int) -> Document:
    found = documents(_ENOUGH, seed=seed, split="train")
    return next(document for document in found if document.genre == genre)


def write(folder: Path = FOLDER) -> None:
    """One file a genre, over what was there before."""
    for genre in GENRES:
        write_atomically(folder / f"{genre}.txt", excerpt(genre).encode())


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m authoring excerpt", description="Write data/excerpt anew."
    )
    parser.parse_args(words)
    write()
    return 0
