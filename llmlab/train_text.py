"""The `train` command: pre-train a small GPT on text of your own.

    python -m llmlab train --text FOLDER      on a folder of text, Markdown or HTML
    python -m llmlab train                    on the documentation of Python

The last lines say, in bits per character on text that was held out, how good the model
is, and how good plain counting is on the same text. Interrupted or killed, the same
command goes on where the run was and ends with the same weights, bit for bit.
"""

import argparse
import hashlib
import json
import math
import statistics
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch.optim import Optimizer

from llmlab.checkpoints import Card, read_card, save_checkpoint
from llmlab.files import write_atomically
from llmlab.gpt import GPT, GPTConfig
from llmlab.likelihood import sequence_log_probs
from llmlab.ngrams import NgramModel, bits_per_character
from llmlab.optimisers import muon_and_adamw
from llmlab.paths import RUNS
from llmlab.pretraining import encode_documents, pretraining_step
from llmlab.progress import TerminalProgress
from llmlab.real_text import (
    Passage,
    paragraph_windows,
    python_documentation,
    read_text,
    split_validation,
)
from llmlab.sampling import generate
from llmlab.tokenizer import Tokenizer
from llmlab.training import (
    PRECISIONS,
    Metrics,
    multiplies_bfloat16,
    step_generator,
    train,
)

CONTEXT, LAYERS, HEADS, WIDTH = 256, 4, 4, 128
TOKENS_PER_BATCH = 4096

MOST_PASSES = 5
"""Reading the same text more often than this teaches it by heart and little else."""

MEASURED_WINDOWS = 300
"""Held-out windows to measure on; of more text, an evenly spaced sample."""

SAMPLES, OPENING_TOKENS, SAMPLE_TOKENS = 4, 8, 60
"""How often a run stops to show what it writes, the end included; and how much."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--text",
        type=Path,
        metavar="FOLDER",
        help="a folder of .txt, .rst, .md, .html and .htm files, in UTF-8 "
        "(default: the documentation of Python: its reference and its docstrings)",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=3.0,
        help="about how long to train; a small text takes less (default: 3)",
    )
    parser.add_argument(
        "--steps", type=int, help="make exactly this many updates instead"
    )
    parser.add_argument(
        "--vocab", type=int, default=1024, help="tokens of the vocabulary"
    )
    parser.add_argument(
        "--out", type=Path, default=RUNS / "text", help="a folder for the run"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="of matrix products; bfloat16 is faster where the processor has "
        "instructions for it",
    )
    parser.add_argument(
        "--skip-unreadable",
        action="store_true",
        help="leave out files that are empty or not UTF-8",
    )


def main(arguments: argparse.Namespace) -> int:
    _check(arguments)
    if arguments.text is None:
        documents, report = python_documentation()
    else:
        documents, report = read_text(
            arguments.text, skip_unreadable=arguments.skip_unreadable
        )
    print(report)
    corpus = make_corpus(documents, arguments.vocab)
    steps = agree_on_steps(arguments, corpus)
    print(
        f"vocabulary of {corpus.tokenizer.vocab_size:,} tokens; "
        f"{corpus.training.predictions:,} tokens to train on; {steps:,} updates of at "
        f"most {TOKENS_PER_BATCH:,} tokens\n"
    )
    if not _checkpoint(arguments).exists():
        about = f"{report.origin}: {report.characters:,} characters"
        train_and_save(arguments, corpus, steps, about)
    outcome = Outcome(**read_card(_checkpoint(arguments)).metrics)
    print(f"\n{describe(outcome)}\n\nModel and tokenizer are in {arguments.out}.")
    return 0


def _checkpoint(arguments: argparse.Namespace) -> Path:
    return arguments.out / "model.safetensors"


def _check(arguments: argparse.Namespace) -> None:
    if not 0 < arguments.minutes < math.inf:
        raise ValueError(f"--minutes is {arguments.minutes}; give a number above 0")
    if arguments.steps is not None and arguments.steps < 1:
        raise ValueError(f"--steps is {arguments.steps}; give at least 1")
    if arguments.precision == "bfloat16" and not multiplies_bfloat16():
        print("This processor has no instructions for bfloat16: float32 is faster.")


# The text -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Windows:
    """Stretches of documents that fit the context, as text and as ids.

    Parameters
    ----------
    texts : the windows.
    sequences : the same, encoded, each between <bos> and <eos>.
    """

    texts: list[str]
    sequences: list[list[int]]

    @property
    def characters(self) -> int:
        return sum(map(len, self.texts))

    @property
    def predictions(self) -> int:
        """Tokens that are predicted in one pass: all but each first one."""
        return sum(len(sequence) - 1 for sequence in self.sequences)

    def sample(self) -> "Windows":
        """At most `MEASURED_WINDOWS` of them, evenly spaced."""
        stride = math.ceil(len(self.texts) / MEASURED_WINDOWS)
        return Windows(self.texts[::stride], self.sequences[::stride])


@dataclass(frozen=True)
class Corpus:
    """A text, ready to be trained and measured on.

    Parameters
    ----------
    fingerprint : of the text of all documents.
    tokenizer : learned on the training documents.
    training, validation : of different documents.
    """

    fingerprint: str
    tokenizer: Tokenizer
    training: Windows
    validation: Windows


def make_corpus(documents: Sequence[Passage], vocab_size: int) -> Corpus:
    """Hold documents out, learn the tokenizer on the others, cut all into windows."""
    # Chance may hold out the larger part where there are few documents.
    validation, training = sorted(split_validation(documents), key=_characters)
    tokenizer = Tokenizer.train((document.text for document in training), vocab_size)
    return Corpus(
        fingerprint=_fingerprint(documents),
        tokenizer=tokenizer,
        training=_windows(training, tokenizer),
        validation=_windows(validation, tokenizer).sample(),
    )


def _characters(documents: Sequence[Passage]) -> int:
    return sum(len(document.text) for document in documents)


def _windows(documents: Sequence[Passage], tokenizer: Tokenizer) -> Windows:
    texts = [
        window
        for document in documents
        for window in paragraph_windows(
            document.text,
            longest=CONTEXT - 2,  # room for <bos> and <eos>
            length=lambda text: len(tokenizer.encode(text)),
        )
    ]
    return Windows(texts, encode_documents(tokenizer, texts))


def _fingerprint(documents: Sequence[Passage]) -> str:
    digest = hashlib.sha256()
    for document in documents:
        digest.update(document.text.encode() + b"\0")
    return digest.hexdigest()


# The run ------------------------------------------------------------------------------


def agree_on_steps(arguments: argparse.Namespace, corpus: Corpus) -> int:
    """The number of updates: of the run that the folder holds, or of a new one.

    The learning rate of every update depends on how many there are in all. So the
    number is fixed before the first one and stored, and a run that is taken up again
    does not measure its speed anew.

    Raises
    ------
    ValueError : the folder holds a run with other settings, or a damaged one.
    """
    path = arguments.out / "run.json"
    settings = {
        "text": corpus.fingerprint,
        "tokenizer": corpus.tokenizer.fingerprint(),
        "model": asdict(model_config(corpus)),
        "tokens_per_batch": TOKENS_PER_BATCH,
        "vocab": arguments.vocab,
        "seed": arguments.seed,
        "minutes": arguments.minutes if arguments.steps is None else None,
        "steps_asked_for": arguments.steps,
        "precision": arguments.precision,
    }
    if path.exists():
        return _stored_steps(path, settings)
    if _checkpoint(arguments).exists():
        raise ValueError(
            f"{arguments.out} holds a model, but not the run.json of its run. Choose "
            "another folder with --out"
        )
    steps = arguments.steps or steps_in(
        arguments.minutes,
        corpus,
        seconds_per_update(corpus, arguments.seed, arguments.precision),
    )
    run = {"settings": settings, "steps": steps}
    write_atomically(path, json.dumps(run, indent=2).encode())
    return steps


def _stored_steps(path: Path, settings: dict) -> int:
    try:
        run = json.loads(path.read_text("utf-8"))
        stored, steps = dict(run["settings"]), int(run["steps"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is damaged; delete the folder {path.parent} to begin anew, or "
            "choose another one with --out"
        ) from error
    differing = [name for name in settings if stored.get(name) != settings[name]]
    if differing:
        raise ValueError(
            f"{path.parent} holds a run with other settings ({', '.join(differing)} "
            "differ). Choose another folder with --out, or delete this one"
        )
    return steps


def steps_in(minutes: float, corpus: Corpus, seconds_per_update: float) -> int:
    """How many updates fit into the time, but no more than `MOST_PASSES` passes."""
    affordable = minutes * 60 / seconds_per_update
    useful = MOST_PASSES * corpus.training.predictions / TOKENS_PER_BATCH
    return max(1, round(min(affordable, useful)))


def seconds_per_update(
    corpus: Corpus, seed: int, precision: str = "float32", updates: int = 6
) -> float:
    """The median time of a few updates of a model that is then thrown away."""
    model = GPT(model_config(corpus), seed=seed)
    step, _ = _step(model, corpus, updates + 1, seed, precision)
    seconds = []
    for index in range(updates + 1):
        began = time.perf_counter()
        step(index, step_generator(seed, index))
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[1:])  # the first one also warms up


def model_config(corpus: Corpus) -> GPTConfig:
    """The shape of the model; it has as many tokens as the tokenizer found."""
    return GPTConfig(
        vocab_size=corpus.tokenizer.vocab_size,
        context=CONTEXT,
        layers=LAYERS,
        heads=HEADS,
        width=WIDTH,
    )


def _step(
    model: GPT, corpus: Corpus, steps: int, seed: int, precision: str
) -> tuple[Callable[[int, torch.Generator], Metrics], dict[str, Optimizer]]:
    optimizers = muon_and_adamw(model)
    step = pretraining_step(
        model,
        corpus.training.sequences,
        corpus.tokenizer,
        optimizers,
        steps=steps,
        tokens_per_batch=TOKENS_PER_BATCH,
        seed=seed,
        precision=precision,
    )
    return step, optimizers


def train_and_save(
    arguments: argparse.Namespace, corpus: Corpus, steps: int, about: str
) -> None:
    """Train from random weights, or go on where the run was; measure; save.

    Parameters
    ----------
    about : what the text is, for the checkpoint's card.
    """
    corpus.tokenizer.save(arguments.out / "tokenizer.json")
    state_path = arguments.out / "training.state"
    model = GPT(model_config(corpus), seed=arguments.seed)
    step, optimizers = _step(model, corpus, steps, arguments.seed, arguments.precision)
    history = train(
        step,
        steps=steps,
        modules={"model": model},
        optimizers=optimizers,
        seed=arguments.seed,
        state_path=state_path,
        progress=_ProgressWithSamples(model, corpus, arguments.seed),
        label="pre-training",
        identity={
            "tokenizer": corpus.tokenizer.fingerprint(),
            "precision": arguments.precision,
        },
    )
    outcome = measure(model, corpus, history)
    card = Card(
        stage="base",
        data=about,
        seed=arguments.seed,
        steps=steps,
        tokens=int(sum(metrics["tokens"] for metrics in history)),
        seconds=round(outcome.seconds, 1),
        metrics=asdict(outcome),
        tokenizer=corpus.tokenizer.fingerprint(),
    )
    save_checkpoint(_checkpoint(arguments), model, card)
    state_path.unlink(missing_ok=True)


class _ProgressWithSamples(TerminalProgress):
    """Stops `SAMPLES` times, at even distances, to show what the model can do."""

    def __init__(self, model: GPT, corpus: Corpus, seed: int) -> None:
        super().__init__()
        self.model, self.corpus, self.seed = model, corpus, seed

    def update(self, step: int, metrics: Metrics, seconds: float) -> None:
        super().update(step, metrics, seconds)
        if (step + 1) * SAMPLES // self.steps == step * SAMPLES // self.steps:
            return
        loss = bits(self.model, self.corpus.validation)
        line_end = "\n" if self.live else ""
        self.stream.write(
            f"{line_end}after {step + 1:,} updates, {loss:.2f} bits per character on "
            f"held-out text. It writes:\n{sample(self.model, self.corpus, self.seed)}\n"
        )


def sample(model: GPT, corpus: Corpus, seed: int) -> str:
    """The first tokens of a held-out passage, and how the model goes on; indented."""
    opening = corpus.validation.sequences[0][:-1][:OPENING_TOKENS]
    generation = generate(
        model,
        [opening],
        max_new_tokens=SAMPLE_TOKENS,
        temperature=0.8,
        generator=torch.Generator().manual_seed(seed),
    )
    text = corpus.tokenizer.decode(opening + generation.sequences()[0])
    # A model may write any bytes, those that steer a terminal among them.
    shown = "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)
    return textwrap.indent(shown, "    ", lambda line: True)


# What came of it ----------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """How good the model is, beside plain counting, and what it took.

    Parameters
    ----------
    held_out_bits, trigram_bits : per character of held-out text, of the model and of a
        trigram model that counted the same training text.
    read_bits : of the model, per character of text that it was trained on.
    characters, held_out_characters : sizes of the two texts.
    passes : how many times the training text was read.
    """

    held_out_bits: float
    trigram_bits: float
    read_bits: float
    characters: int
    held_out_characters: int
    parameters: int
    passes: float
    seconds: float


def measure(model: GPT, corpus: Corpus, history: Sequence[Metrics]) -> Outcome:
    """Measure a trained model, and a trigram model of the same text."""
    training, validation = corpus.training, corpus.validation
    trigram = NgramModel(corpus.tokenizer.vocab_size, order=3).fit(training.sequences)
    counted = sum(trigram.log_probs(ids).sum().item() for ids in validation.sequences)
    return Outcome(
        held_out_bits=bits(model, validation),
        trigram_bits=bits_per_character(counted, validation.characters),
        read_bits=bits(model, training.sample()),
        characters=training.characters,
        held_out_characters=validation.characters,
        parameters=model.number_of_parameters(),
        passes=sum(metrics["tokens"] for metrics in history) / training.predictions,
        seconds=history[-1]["seconds"],
    )


def bits(model: GPT, windows: Windows) -> float:
    """The model's loss on some windows, in bits per character."""
    log_probs = sequence_log_probs(model, windows.sequences).sum().item()
    return bits_per_character(log_probs, windows.characters)


def describe(outcome: Outcome) -> str:
    """The outcome in plain words, without making a small model sound large."""
    # Of the rounded numbers, so that a reader who subtracts finds the same.
    better = round(outcome.trigram_bits, 2) - round(outcome.held_out_bits, 2)
    if better > 0:
        verdict = (
            f"On text that it never read, it guesses better than counting does, by "
            f"{better:.2f} bits per character."
        )
    else:
        read_often = outcome.passes > 0.9 * MOST_PASSES
        verdict = (
            f"On text that it never read, counting guesses better than it does, by "
            f"{-better:.2f} bits per character. More text helps"
            f"{'' if read_often else ', and more minutes'}."
        )
    return "\n".join(
        [
            f"bits per character on {outcome.held_out_characters:,} characters of "
            "held-out text; less is better",
            f"  {outcome.trigram_bits:5.2f}  a trigram model, which counts what "
            "followed which two tokens",
            f"  {outcome.held_out_bits:5.2f}  this GPT",
            f"  {outcome.read_bits:5.2f}  this GPT on text that it was trained on, for "
            "which its vocabulary was made; some of it it may know by heart",
            "",
            verdict,
            f"This is a small model: {outcome.parameters / 1e6:.1f} million parameters "
            f"that read {outcome.characters / 1e6:.2f} million characters "
            f"{outcome.passes:.1f} times over, in {outcome.seconds / 60:.1f} minutes.",
            "Models of this size pick up spelling, frequent phrases and the look of a "
            "text. They understand nothing, and nothing that they write should be "
            "believed.",
        ]
    )
