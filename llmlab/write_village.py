"""The `data` command: the generated corpus as files that a person can open."""

import argparse
import json
import math

from llmlab.arguments import folder_path, seed_number
from llmlab.files import write_atomically
from llmlab.village import documents


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=folder_path, help="a new or empty folder")
    parser.add_argument("--documents", type=int, default=1000, help="how many (1000)")
    parser.add_argument("--seed", type=seed_number, default=0, help="which ones (0)")
    parser.add_argument(
        "--split", choices=["train", "validation", "test"], default="train"
    )


def main(arguments: argparse.Namespace) -> int:
    """Write one text file a document, in a folder a genre, and `documents.jsonl`.

    Each line of `documents.jsonl` has a document's file, labels and entropy in bits.

    Raises ValueError for a count below 1 and for a folder that holds something.
    """
    folder, count = arguments.folder, arguments.documents
    if count < 1:
        raise ValueError(f"--documents is {count}; ask for at least 1.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(
            f"{folder} is not an empty folder, and nothing is written over. Name a "
            "folder that is new or empty."
        )
    lines, characters, bits = [], 0, 0.0
    digits = len(str(count - 1))
    village = documents(count, seed=arguments.seed, split=arguments.split)
    for number, document in enumerate(village):
        name = f"{document.genre}/{number:0{digits}}.txt"
        write_atomically(folder / name, f"{document.text}\n".encode())
        told = {"file": name, "bits": document.bits, "labels": document.labels}
        lines.append(json.dumps(told, ensure_ascii=False))
        characters += len(document.text)
        bits += document.bits
    write_atomically(folder / "documents.jsonl", "\n".join([*lines, ""]).encode())
    print(
        f"{count} documents, {characters:,} characters, in {folder}\n"
        f"entropy {bits / characters:.3f} bits/character "
        f"({bits * math.log(2) / characters:.3f} nats): no model can do better"
    )
    return 0
