"""A corpus larger than memory: the ids of its text in files, read where they lie.

A folder is cut into parts of some megabytes. Every part is read, refined and encoded by
itself, on all cores, and becomes one safetensors file: ids, one passage after the
other, each between its <bos> and its <eos>. A part that is there already is not made
again, one that was cut short is.

Training maps these files: the system reads the pages that are asked for, and may forget
them again. A row is as many ids as the model can read, wherever a passage begins or
ends in it (as Radford et al. 2019 trained GPT-2), so every row is full and a row's
place follows from its number.
"""

import hashlib
import json
import os
import signal
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass
from functools import lru_cache
from itertools import accumulate, groupby
from multiprocessing import get_context
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from llmlab import processes
from llmlab.checkpoints import read_safetensors
from llmlab.files import write_atomically
from llmlab.pretraining import encode_documents
from llmlab.progress import SilentProgress
from llmlab.real_text.passages import place_between_zero_and_one
from llmlab.real_text.refining import GENTLE, Source, refine
from llmlab.real_text.sources import extract, read_file, text_files
from llmlab.tokenizer import Tokenizer
from llmlab.training import step_generator

PART_BYTES = 16 * 2**20
"""Of text in one file of ids; a process holds one part at a time."""

HELD_OUT_BYTES = 4 * 2**20
"""Of a large text a tenth would be more than anybody measures on."""

TOKENIZER_BYTES = 32 * 2**20
"""Of text that the tokenizer learns from, taken at even distances."""


# What lies in the folder --------------------------------------------------------------


@dataclass(frozen=True)
class Stretch:
    """Some bytes of a file, or all of them; long plain text is cut between lines.

    start, end : of the bytes. The stretch has each line that begins among them.
    changed : when the file was last changed, in nanoseconds.
    """

    path: str
    name: str
    start: int
    end: int
    changed: int
    whole: bool

    def source(self) -> Source:
        """Raises ValueError, with the file's name, where there is no text in it."""
        try:
            if self.whole:
                return read_file(self.name, Path(self.path))
            return extract(self.name, self._lines(), ".rst")  # plain text
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from error

    def _lines(self) -> bytes:
        with open(self.path, "rb") as file:
            if self.start:
                file.seek(self.start - 1)
                file.readline()  # it began before
            if file.tell() >= self.end:
                return b""
            content = file.read(self.end - file.tell())
            return content if content.endswith(b"\n") else content + file.readline()


def stretches(folder: Path) -> Iterator[Stretch]:
    """All text of a folder, in pieces of about `PART_BYTES` at most."""
    for path in text_files(folder)[0]:
        name = path.relative_to(folder).as_posix() if folder.is_dir() else path.name
        about = path.stat()
        whole = path.suffix.lower() not in (".txt", ".rst")
        whole = whole or about.st_size <= PART_BYTES
        step = max(1, about.st_size) if whole else PART_BYTES
        for start in range(0, max(1, about.st_size), step):
            end = min(start + step, about.st_size)
            yield Stretch(str(path), name, start, end, about.st_mtime_ns, whole)


def parts(folder: Path) -> list[list[Stretch]]:
    """The same, put together to parts of about `PART_BYTES`."""
    found: list[list[Stretch]] = []
    room = 0
    for stretch in stretches(folder):
        if room <= 0:
            found.append([])
            room = PART_BYTES
        found[-1].append(stretch)
        room -= stretch.end - stretch.start
    return found


def size(folder: Path) -> int:
    """Bytes of text in a folder, mark-up included."""
    return sum(path.stat().st_size for path in text_files(folder)[0])


def held_out_share(folder: Path) -> float:
    """What share of the passages is held out: a tenth, or less where that is much."""
    return min(0.1, HELD_OUT_BYTES / max(1, size(folder)))


def learn_tokenizer(folder: Path, vocab_size: int) -> Tokenizer:
    """Learn from stretches all over the folder, their beginnings, nothing held out."""
    found, share = list(stretches(folder)), held_out_share(folder)
    found = found[:: max(1, size(folder) // (8 * TOKENIZER_BYTES))]
    part = min(1.0, TOKENIZER_BYTES / max(1, sum(s.end - s.start for s in found)))

    def texts():
        for stretch in found:
            try:
                source = stretch.source()
            except ValueError:
                continue  # it is named when it is encoded
            beginning = source.text[: round(part * len(source.text)) + 1]
            passages, _ = refine("", [Source(source.name, beginning)], GENTLE)
            for passage in passages:
                if place_between_zero_and_one(passage) >= share:
                    yield passage.text

    return Tokenizer.train(texts(), vocab_size)


# Encoding -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Work:
    """All that a process needs to make one file of ids."""

    part: list[Stretch]
    path: str
    identity: str
    tokenizer: tuple[str, str]  # where it is saved, and its fingerprint
    share: float
    skip_unreadable: bool


def encode_folder(
    folder: Path,
    out: Path,
    tokenizer: Tokenizer,
    *,
    skip_unreadable: bool = False,
    progress=None,
    workers: int | None = None,
) -> None:
    """Write the ids of a folder's text to files in `out`, as far as they are missing.

    skip_unreadable : leave files that are empty or not UTF-8 out.
    progress : shows how it goes, as with `training.train`.
    workers : how many processes work at once, in all; None: one a core.

    Raises ValueError: a file holds no text; it is named. What was encoded stays.
    """
    saved = (str(out / "tokenizer.json"), tokenizer.fingerprint())
    tokenizer.save(saved[0])
    share, work = held_out_share(folder), []
    for number, part in enumerate(parts(folder)):
        told = [saved[1], share, skip_unreadable, [astuple(s)[1:] for s in part]]
        identity = hashlib.sha256(repr(told).encode()).hexdigest()
        path = str(out / f"{number:05}.safetensors")
        work.append(_Work(part, path, identity, saved, share, skip_unreadable))
    for path in set(out.glob("*.safetensors")) - {Path(one.path) for one in work}:
        path.unlink(missing_ok=True)  # of another, longer text
    own = [work[number] for number in processes.share(len(work))]
    missing = [one for one in own if not _is_there(one)]
    if missing:
        progress = progress or SilentProgress()
        progress.start("encoding", len(own), len(own) - len(missing))
        workers = (workers or os.cpu_count() or 1) // processes.world()
        _encode_all(missing, len(own) - len(missing), progress, max(1, workers))
    processes.wait()


def _is_there(work: _Work) -> bool:
    if not os.path.exists(work.path):
        return False
    try:
        with safe_open(work.path, "pt") as file:
            return (file.metadata() or {}).get("identity") == work.identity
    except SafetensorError as error:
        print(f"{work.path} was cut short or is damaged ({error}): it is made again")
        return False


def _encode_all(missing: list[_Work], done: int, progress, workers: int) -> None:
    # Processes that begin anew, since a copy of one that has threads may hang, and that
    # leave an interrupt to this one.
    pool = ProcessPoolExecutor(
        min(workers, len(missing)),
        get_context("spawn"),
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_IGN),
    )
    alone = min(workers, len(missing)) == 1
    encoded = map(_encode, missing) if alone else pool.map(_encode, missing)
    ended = "stopped"
    try:
        for number, tokens in enumerate(encoded, start=done):
            progress.update(number, {"tokens": tokens}, 0.0)
        ended = "done"
    finally:
        pool.shutdown(cancel_futures=True)
        progress.stop(ended)


_load = lru_cache(lambda path, fingerprint: Tokenizer.load(path))


def _encode(work: _Work) -> int:
    """Make one file of ids; returns how many there are to train on."""
    sources, skipped = [], []
    for stretch in work.part:
        try:
            sources.append(stretch.source())
        except ValueError as error:
            if not work.skip_unreadable:
                raise ValueError(
                    f"{error}. Save it as UTF-8 text, remove it, or leave such files "
                    "out with --skip-unreadable"
                ) from error
            skipped.append(str(error))
    passages, report = refine("", sources, GENTLE, skipped)
    tokenizer = _load(*work.tokenizer)
    tokens, held_out, characters = [], [], 0
    for passage in passages:
        is_held_out = place_between_zero_and_one(passage) < work.share
        encoded = held_out if is_held_out else tokens
        encoded += encode_documents(tokenizer, [passage.text])[0]
        characters += 0 if is_held_out else len(passage.text)
    narrow = torch.uint16 if tokenizer.vocab_size <= 2**16 else torch.int32
    tensors = {"tokens": torch.tensor(tokens), "held_out": torch.tensor(held_out)}
    tensors = {name: ids.to(narrow) for name, ids in tensors.items()}
    counts = {"sources": report.sources, "characters read": report.characters_read}
    counts["characters"] = characters
    counts |= {one.rule.name: one.characters for one in report.outcomes}
    told = {"counts": counts, "skipped": skipped}
    metadata = {"identity": work.identity, "told": json.dumps(told)}
    write_atomically(work.path, save(tensors, metadata))
    return len(tokens)


# Reading ------------------------------------------------------------------------------


class TokenFiles(Sequence):
    """All rows of an encoded corpus, by number; none is read before it is asked for.

    context : tokens that the model reads; a row has one more, the last to be guessed.

    Raises ValueError or FileNotFoundError, with its name: a file is damaged or absent.
    """

    def __init__(self, folder: Path, context: int) -> None:
        self.tokenizer = Tokenizer.load(folder / "tokenizer.json")
        self.context = context
        self.skipped: list[str] = []
        self.counts: Counter[str] = Counter()
        self._files: list[Tensor] = []
        self._held_out: list[Tensor] = []
        for path in sorted(folder.glob("*.safetensors")):
            tensors, metadata = read_safetensors(path)  # mapped, not read
            told = json.loads(metadata["told"])
            self.counts.update(told["counts"])
            self.skipped += told["skipped"]
            self._files.append(tensors["tokens"])
            self._held_out.append(tensors["held_out"])
        rows = (max(0, len(tokens) - 1) // context for tokens in self._files)
        self._ends = list(accumulate(rows))
        if not len(self):
            raise ValueError(
                f"the text in {folder} does not fill one row of {context + 1} tokens; "
                "give more text, or choose a smaller --context"
            )

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, row: int) -> Tensor:
        """(context + 1,) int64."""
        file = bisect_right(self._ends, row)
        start = (row - (self._ends[file - 1] if file else 0)) * self.context
        return self._files[file][start : start + self.context + 1].long()

    @property
    def predictions(self) -> int:
        """Tokens that are predicted in one pass."""
        return len(self) * self.context

    def some(self, count: int) -> list[list[int]]:
        """At most `count` rows, at even distances."""
        stride = -(-len(self) // count)
        return [self[row].tolist() for row in range(0, len(self), stride)]

    def batch(self, index: int, rows: int, seed: int) -> Tensor:
        """(rows, context + 1): all rows once, shuffled, and again, shuffled anew."""
        places = range(index * rows, (index + 1) * rows)
        return torch.stack([self[self._row(place, seed)] for place in places])

    def _row(self, place: int, seed: int) -> int:
        epoch, place = divmod(place, len(self))
        return int(_shuffled(len(self), seed, epoch)[place])

    def held_out_texts(self) -> list[str]:
        """The passages of which no row holds anything."""
        signs = {self.tokenizer.bos_id, self.tokenizer.eos_id}
        return [
            self.tokenizer.decode(passage)
            for ids in self._held_out
            for sign, passage in groupby(ids.tolist(), signs.__contains__)
            if not sign
        ]


@lru_cache(maxsize=2)
def _shuffled(rows: int, seed: int, epoch: int) -> Tensor:
    return torch.randperm(rows, generator=step_generator(seed, epoch))


def fingerprint(folder: Path) -> str:
    """Of all names, sizes and times of change: of a text too large to be read twice."""
    told = repr([astuple(stretch)[1:] for stretch in stretches(folder)])
    return hashlib.sha256(told.encode()).hexdigest()
