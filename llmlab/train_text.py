"""The `train` command: pre-train a GPT on text of your own.

    python -m llmlab train --text FOLDER      on a folder of text, Markdown or HTML
    python -m llmlab train                    on the documentation of Python
    python -m llmlab train --text FOLDER --from gpt2/model.safetensors

The last lines say, in bits per character on text that was held out, how good the model
is, and how good plain counting is on the same text. Interrupted or killed, the same
command goes on where the run was and ends with the same weights, bit for bit.
"""

import argparse
import json
import math
import os
import shlex
import statistics
import textwrap
import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch.optim import Optimizer

from llmlab import (
    accounting,
    checkpoints,
    processes,
    sharding,
    text_corpus,
    token_files,
)
from llmlab.arguments import folder_path, seed_number
from llmlab.batching import Batch, next_token_batch
from llmlab.files import write_atomically
from llmlab.gpt import GPT, GPTConfig
from llmlab.gpt2 import load_gpt2, with_tokenizer
from llmlab.likelihood import sequence_log_probs
from llmlab.ngrams import NgramModel, bits_per_character
from llmlab.optimisers import adamw, muon_and_adamw
from llmlab.paths import RUNS
from llmlab.pretraining import prediction_step, pretraining_step
from llmlab.progress import TerminalProgress, clock, printable
from llmlab.real_text import python_documentation, read_text
from llmlab.sampling import generate
from llmlab.text_corpus import Corpus, Windows
from llmlab.tokenizer import FIRST_MERGE_ID, Tokenizer
from llmlab.training import (
    PRECISIONS,
    Metrics,
    multiplies_bfloat16,
    step_generator,
    train,
)

_WORDS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))

SIZES = {
    "small": dict(layers=4, width=128, context=256, vocabulary=1024),
    "medium": dict(layers=6, width=384, context=512, vocabulary=8192),
    "large": dict(layers=12, width=512, context=1024, vocabulary=16384),
    "gpt2": dict(layers=12, width=768, context=1024, vocabulary=50257),
}
"""About 1, 17 and 55 million parameters, and the shape of GPT-2's 124 million."""

D_HEAD = {"small": 32}
"""Numbers of an attention head; 64 in all other sizes."""

GPT2_RATE, GO_ON_RATE = 6e-4, 5e-5
"""AdamW's rate for GPT-2 from random weights, and from weights that know something."""

MOST_PASSES = 5
"""Reading the same text more often than this teaches it by heart and little else."""

STREAMED_FROM = 64 * 2**20
"""Bytes of text from which on it is encoded into files in place of memory."""

LOGITS_AT_ONCE = 2**26
"""How many are computed together when a model is measured: a quarter of a gigabyte."""

SAMPLES, OPENING_TOKENS, SAMPLE_TOKENS = 4, 8, 60
"""How often a run stops to show what it writes, the end included; and how much."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--text",
        type=folder_path,
        metavar="FOLDER",
        help="a folder of .txt, .rst, .md, .html and .htm files, in UTF-8; of any size "
        "(default: the documentation of Python: its reference and its docstrings)",
    )
    minutes = "about how long to train; a small text takes less (default: 3)"
    add("--minutes", type=float, default=3.0, help=minutes)
    add("--steps", type=int, help="make exactly this many updates instead")
    add("--size", choices=SIZES, help="of the model (default: small); or, one by one:")
    add("--layers", type=int, help="blocks")
    add("--width", type=int, help="numbers for a position")
    add("--context", type=int, help="tokens that the model reads at once")
    add("--vocabulary", type=int, help="tokens that it knows")
    add("--batch", type=int, default=4096, help="tokens an update (default: 4096)")
    add(
        "--from",
        dest="start",
        type=folder_path,
        metavar="FILE",
        help="go on from GPT-2's published weights, a .safetensors file",
    )
    add(
        "--tokenizer",
        type=folder_path,
        metavar="FILE",
        help="the vocabulary of these weights: tokenizer.json, or vocab.json with "
        "merges.txt (default: beside the weights)",
    )
    out = RUNS / "text"
    add("--out", type=folder_path, default=out, help="a folder for the run")
    add("--seed", type=seed_number, default=0)
    add("--device", help="cpu, cuda, … (default: the best there is)")
    add(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="of matrix products; bfloat16 is faster where the processor has "
        "instructions for it",
    )
    shard = "with torchrun: every process holds a part of each weight (FSDP2)"
    add("--shard", action="store_true", help=shard)
    skip = "leave out files that are empty or not UTF-8"
    add("--skip-unreadable", action="store_true", help=skip)


def main(arguments: argparse.Namespace) -> int:
    _check(arguments)
    device = processes.find_device(arguments.device)
    with processes.joined(device):
        _run(arguments, device)
    return 0


def _run(arguments: argparse.Namespace, device: torch.device) -> None:
    start = starting_point(arguments)
    text = find_text(arguments, start)
    config = model_config(arguments, text.tokenizer, start)
    settings = settings_of(arguments, text, config, start)
    del start  # it is read anew when the training begins
    stored = stored_run(arguments.out, settings)
    parts = stored["parts"] if stored else _foretell(arguments, config, device)
    corpus = text.make_corpus(arguments.context or config.context)
    run = Run(arguments, config, corpus, device, parts)
    steps = stored["steps"] if stored else run.agree_on_steps()
    if not stored and processes.is_first():
        told = {"settings": settings, "parts": parts, "steps": steps}
        write_atomically(_run_file(arguments.out), json.dumps(told, indent=2).encode())
    print(
        f"vocabulary of {corpus.tokenizer.vocab_size:,} tokens; "
        f"{corpus.training.predictions:,} tokens to train on; "
        f"{corpus.validation.characters:,} characters held out to measure on\n"
        f"{steps:,} updates of at most {arguments.batch:,} tokens"
        f"{f', in {parts} parts each' if parts > 1 else ''}\n"
    )
    if not processes.agree(_checkpoint(arguments.out).exists()):
        run.train_and_save(steps, text.about)
    outcome = Outcome(**checkpoints.read_card(_checkpoint(arguments.out)).metrics)
    print(f"\n{describe(outcome)}\n\n{how_to_go_on(arguments.out)}")


def _checkpoint(out: Path) -> Path:
    return out / "model.safetensors"


def _run_file(out: Path) -> Path:
    return out / "run.json"


def _check(arguments: argparse.Namespace) -> None:
    """Judge all options before anything is read or written."""
    if not 0 < arguments.minutes < math.inf:
        raise ValueError(f"--minutes is {arguments.minutes}; give a number above 0")
    least = {"steps": 1, "layers": 1, "width": 1, "context": 8, "batch": 1}
    for name, smallest in (least | {"vocabulary": FIRST_MERGE_ID}).items():
        number = getattr(arguments, name)
        if number is not None and number < smallest:
            raise ValueError(f"--{name} is {number}; give at least {smallest}")
    size = _sizes(arguments)
    if size["width"] % _d_head(arguments):
        raise ValueError(
            f"--width is {size['width']}; a head has {_d_head(arguments)} numbers, so "
            "give a multiple of that"
        )
    given = ("size", "layers", "width", "vocabulary")
    given = [f"--{name}" for name in given if getattr(arguments, name) is not None]
    if arguments.start and given:
        raise ValueError(
            f"{', '.join(given)} are of a new model; with --from they are the file's. "
            "Leave out one or the other"
        )
    if arguments.tokenizer and not arguments.start:
        raise ValueError("--tokenizer belongs to the weights that --from names")
    if arguments.shard and int(os.environ.get("WORLD_SIZE", 1)) == 1:
        raise ValueError(
            "--shard spreads the model over several processes, and this is one; start "
            "them with `torchrun --nproc-per-node 2 -m llmlab train …`"
        )
    if arguments.out.exists() and not arguments.out.is_dir():
        raise ValueError(f"--out is {arguments.out}, a file; name a folder")
    if arguments.precision == "bfloat16" and not multiplies_bfloat16():
        print("This processor has no instructions for bfloat16: float32 is faster.")


# The model ----------------------------------------------------------------------------


def _sizes(arguments: argparse.Namespace) -> dict[str, int]:
    size = SIZES[arguments.size or "small"]
    return {name: getattr(arguments, name) or size[name] for name in size}


def _d_head(arguments: argparse.Namespace) -> int:
    return D_HEAD.get(arguments.size or "small", 64)


def starting_point(arguments: argparse.Namespace) -> tuple[GPT, Tokenizer] | None:
    """The weights to go on from, with their tokenizer; None: random weights."""
    if arguments.start is None:
        return None
    vocabulary = arguments.tokenizer or arguments.start.parent
    model, tokenizer = with_tokenizer(load_gpt2(arguments.start), vocabulary)
    if (arguments.context or 1) > model.config.context:
        raise ValueError(
            f"--context is {arguments.context}; the model reads {model.config.context} "
            "tokens at most"
        )
    return model, tokenizer


def model_config(
    arguments: argparse.Namespace,
    tokenizer: Tokenizer,
    start: tuple[GPT, Tokenizer] | None = None,
) -> GPTConfig:
    """The shape of the model; it has as many tokens as the tokenizer found."""
    if start is not None:
        return start[0].config
    size = _sizes(arguments)
    make = GPTConfig.gpt2 if arguments.size == "gpt2" else GPTConfig
    shape = {name: size[name] for name in ("context", "layers", "width")}
    heads = size["width"] // _d_head(arguments)
    return make(vocab_size=tokenizer.vocab_size, heads=heads, **shape)


def is_gpt2(config: GPTConfig) -> bool:
    return config.norm == "layernorm"


def optimisers_of(model: GPT, goes_on: bool) -> dict[str, Optimizer]:
    """Muon and AdamW for the course's recipe, AdamW for GPT-2's."""
    if is_gpt2(model.config):
        return adamw(model, GO_ON_RATE if goes_on else GPT2_RATE)
    return muon_and_adamw(model)


def _foretell(
    arguments: argparse.Namespace, config: GPTConfig, device: torch.device
) -> int:
    """Say what the model is and needs; returns in how many parts a batch fits.

    Raises ValueError where not even a batch of a single row fits.
    """
    rows = rows_of(arguments.batch, arguments.context or config.context)
    processes.check_share(rows, f"rows of a batch of {arguments.batch:,} tokens")
    parts, needed = accounting.parts_that_fit(
        config,
        rows=math.ceil(rows / processes.world()),
        time=arguments.context or config.context,
        free=accounting.memory_at_hand(device),
        optimiser="adamw" if is_gpt2(config) else "muon_and_adamw",
        shards=processes.world() if arguments.shard else 1,
    )
    parameters = sum(accounting.parameter_counts(config).values())
    print(
        f"{parameters / 1e6:,.1f} million parameters; a process needs about "
        f"{(needed + accounting.LIBRARIES) / 1e9:.1f} GB of memory on {device}"
    )
    # All processes take the first one's answer.
    return round(processes.sum_(float(parts) if processes.is_first() else 0.0))


def rows_of(tokens_per_batch: int, context: int) -> int:
    """How many rows of a context's length a batch has; at least one."""
    return max(1, tokens_per_batch // context)


# The text -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Text:
    """A text that was found, before it is cut or encoded for a context.

    about : what it is, for the checkpoint's card.
    make_corpus : makes the corpus for rows of a context.
    """

    about: str
    fingerprint: str
    tokenizer: Tokenizer
    make_corpus: Callable[[int], Corpus]


def find_text(
    arguments: argparse.Namespace, start: tuple[GPT, Tokenizer] | None = None
) -> Text:
    """Read a text that fits; of a larger one only what its tokenizer needs."""
    vocabulary = _sizes(arguments)["vocabulary"]
    given = start[1] if start else None
    folder = arguments.text
    if folder is not None and token_files.size(folder) >= STREAMED_FROM:
        tokenizer = given or token_files.learn_tokenizer(folder, vocabulary)
        return Text(
            f"{folder}: {token_files.size(folder):,} bytes",
            token_files.fingerprint(folder),
            tokenizer,
            lambda context: _encode(arguments, tokenizer, context),
        )
    if folder is None:
        passages, report = python_documentation()
    else:
        skip = arguments.skip_unreadable
        passages, report = read_text(folder, skip_unreadable=skip)
    print(report)
    training, validation = text_corpus.hold_out(passages)
    texts = (passage.text for passage in training)
    tokenizer = given or Tokenizer.train(texts, vocabulary)
    return Text(
        f"{report.origin}: {report.characters:,} characters",
        text_corpus.fingerprint(passages),
        tokenizer,
        lambda context: text_corpus.cut(training, validation, tokenizer, context),
    )


def _encode(
    arguments: argparse.Namespace, tokenizer: Tokenizer, context: int
) -> Corpus:
    out = arguments.out / "tokens"
    token_files.encode_folder(
        arguments.text,
        out,
        tokenizer,
        skip_unreadable=arguments.skip_unreadable,
        progress=TerminalProgress() if processes.is_first() else None,
    )
    corpus = text_corpus.in_files(out, context)
    print(f"{arguments.text}, encoded in {out}:")
    for name, count in corpus.training.counts.items():
        print(f"  {name:22} {count:15,}")
    for fault in corpus.training.skipped:
        print(f"skipped {fault}")
    return corpus


# The run ------------------------------------------------------------------------------


def settings_of(
    arguments: argparse.Namespace,
    text: Text,
    config: GPTConfig,
    start: tuple[GPT, Tokenizer] | None,
) -> dict:
    """All that makes a run what it is."""
    return {
        "text": text.fingerprint,
        "tokenizer": text.tokenizer.fingerprint(),
        "model": asdict(config),
        "start": checkpoints.weights_hash(start[0]) if start else "random",
        "context": arguments.context,
        "vocabulary": arguments.vocabulary,
        "tokens_per_batch": arguments.batch,
        "seed": arguments.seed,
        "minutes": arguments.minutes if arguments.steps is None else None,
        "steps_asked_for": arguments.steps,
        "precision": arguments.precision,
    }


def stored_run(out: Path, settings: dict) -> dict | None:
    """The run that a folder holds, with its number of updates; None: it holds none.

    The learning rate of every update depends on how many there are in all. So the
    number is fixed before the first one and stored, and a run that is taken up again
    does not measure its speed anew.

    Raises ValueError: the folder holds a run with other settings, or a damaged one.
    """
    path = _run_file(out)
    if not processes.agree(path.exists()):
        if _checkpoint(out).exists():
            raise ValueError(
                f"{out} holds a model, but not the run.json of its run. Choose another "
                "folder with --out"
            )
        return None
    try:
        run = json.loads(path.read_text("utf-8"))
        stored, _, _ = dict(run["settings"]), int(run["steps"]), int(run["parts"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is damaged; delete the folder {out} to begin anew, or choose "
            "another one with --out"
        ) from error
    differing = [name for name in settings if stored.get(name) != settings[name]]
    if differing:
        raise ValueError(
            f"{out} holds a run with other settings ({', '.join(differing)} differ). "
            "Choose another folder with --out, or delete this one"
        )
    return run


@dataclass(frozen=True)
class Run:
    """Everything that a training needs.

    parts : in how many pieces a batch goes through the model.
    """

    arguments: argparse.Namespace
    config: GPTConfig
    corpus: Corpus
    device: torch.device
    parts: int = 1

    def model(self) -> GPT:
        """With the weights that the training begins with."""
        start = starting_point(self.arguments)
        model = start[0] if start else GPT(self.config, seed=self.arguments.seed)
        if self.arguments.shard:
            return sharding.shard(model, self.device)
        return model.to(self.device)

    def agree_on_steps(self) -> int:
        """As many updates as were asked for, or as fit into the minutes."""
        if self.arguments.steps:
            return self.arguments.steps
        seconds = self.seconds_per_update()
        steps = self.steps_in(self.arguments.minutes, seconds)
        print(
            f"an update takes {seconds:.2g} seconds, all about {clock(seconds * steps)}"
        )
        return steps

    def steps_in(self, minutes: float, seconds_per_update: float) -> int:
        """How many updates fit into the time, but no more than `MOST_PASSES` passes."""
        affordable = minutes * 60 / seconds_per_update
        useful = MOST_PASSES * self.corpus.training.predictions / self.arguments.batch
        return max(1, round(min(affordable, useful)))

    def seconds_per_update(self, updates: int = 6) -> float:
        """The median time of a few updates of a model that is then thrown away."""
        step, _ = self.step(self.model(), updates + 1)
        seconds: list[float] = []
        for index in range(updates + 1):
            began = time.perf_counter()
            step(index, step_generator(self.arguments.seed, index))
            seconds.append(time.perf_counter() - began)
            if index and processes.agree(sum(seconds) > 20):
                break  # a large model: two are enough
        # The first one also warms up. All processes must find the same.
        return processes.sum_(statistics.median(seconds[1:])) / processes.world()

    def step(
        self, model: GPT, steps: int
    ) -> tuple[Callable[[int, torch.Generator], Metrics], dict[str, Optimizer]]:
        """The update, and the optimisers that it uses."""
        arguments, training = self.arguments, self.corpus.training
        optimizers = optimisers_of(model, goes_on=arguments.start is not None)
        how = dict(steps=steps, precision=arguments.precision, parts=self.parts)
        if isinstance(training, Windows):
            step = pretraining_step(
                model,
                training.sequences,
                self.corpus.tokenizer,
                optimizers,
                tokens_per_batch=arguments.batch,
                seed=arguments.seed,
                **how,
            )
            return step, optimizers
        rows = rows_of(arguments.batch, training.context)

        def batch_of(index: int, generator: torch.Generator) -> Batch:
            return next_token_batch(training.batch(index, rows, arguments.seed))

        return prediction_step(model, optimizers, batch_of, **how), optimizers

    def train_and_save(self, steps: int, about: str) -> None:
        """Train from the beginning, or go on where the run was; measure; save."""
        arguments, tokenizer = self.arguments, self.corpus.tokenizer
        if processes.is_first():
            tokenizer.save(arguments.out / "tokenizer.json")
        state_path = arguments.out / "training.state"
        model = self.model()
        start = checkpoints.weights_hash(model) if arguments.start else ""
        step, optimizers = self.step(model, steps)
        progress = _ProgressWithSamples(model, self.corpus, arguments.seed)
        progress.silent = arguments.shard  # one process cannot write by itself
        history = train(
            step,
            steps=steps,
            modules={"model": model},
            optimizers=optimizers,
            seed=arguments.seed,
            state_path=state_path,
            progress=progress,
            label="pre-training",
            identity={
                "tokenizer": tokenizer.fingerprint(),
                "precision": arguments.precision,
            },
        )
        outcome, model = {}, sharding.gathered(model, lambda: GPT(self.config))
        if processes.is_first():
            outcome = asdict(measure(model, self.corpus, history, progress.measured))
        card = checkpoints.Card(
            stage="base",
            parent="GPT-2" if arguments.start else "random",
            parent_hash=start,
            data=about,
            seed=arguments.seed,
            steps=steps,
            tokens=int(sum(metrics["tokens"] for metrics in history)),
            seconds=round(history[-1]["seconds"], 1),
            metrics=outcome,
            tokenizer=tokenizer.fingerprint(),
        )
        checkpoints.save_checkpoint(_checkpoint(arguments.out), model, card)
        if processes.is_first():
            state_path.unlink(missing_ok=True)


class _ProgressWithSamples(TerminalProgress):
    """Stops `SAMPLES` times, at even distances, to show what the model can do."""

    def __init__(self, model: GPT, corpus: Corpus, seed: int) -> None:
        super().__init__()
        self.model, self.corpus, self.seed = model, corpus, seed
        self.silent = False
        self.measured: list[float] = []  # of the held-out text, on the way

    def update(self, step: int, metrics: Metrics, seconds: float) -> None:
        super().update(step, metrics, seconds)
        if (
            self.silent
            or (step + 1) * SAMPLES // self.steps == step * SAMPLES // self.steps
        ):
            return
        loss = bits(self.model, self.corpus.validation)
        self.measured.append(loss)
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
        max_new_tokens=min(SAMPLE_TOKENS, model.config.context + 1 - len(opening)),
        temperature=0.8,
        generator=torch.Generator().manual_seed(seed),
    )
    text = corpus.tokenizer.decode(opening + generation.sequences()[0])
    return textwrap.indent(printable(text), "    ", lambda line: True)


# What came of it ----------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """How good the model is, beside plain counting, and what it took.

    held_out_bits, trigram_bits : per character of held-out text, of the model and of a
        trigram model that counted the same training text.
    lowest_bits : the lowest held-out bits that were measured on the way.
    read_bits : of the model, per character of text that it was trained on.
    characters_per_token, held_out_characters_per_token : how well the vocabulary fits
        each of them.
    """

    held_out_bits: float
    trigram_bits: float
    lowest_bits: float
    read_bits: float
    characters: int
    held_out_characters: int
    characters_per_token: float
    held_out_characters_per_token: float
    parameters: int
    passes: float
    seconds: float


def measure(
    model: GPT,
    corpus: Corpus,
    history: Sequence[Metrics],
    measured: Sequence[float] = (),
) -> Outcome:
    """Measure a trained model, and a trigram model of the same text."""
    read, validation = corpus.training_sample(), corpus.validation
    trigram = NgramModel(corpus.tokenizer.vocab_size, order=3).fit(corpus.counted())
    counted = sum(trigram.log_probs(ids).sum().item() for ids in validation.sequences)
    held_out_bits = bits(model, validation)
    tokens = sum(metrics["tokens"] for metrics in history)
    return Outcome(
        held_out_bits=held_out_bits,
        trigram_bits=bits_per_character(counted, validation.characters),
        lowest_bits=min([held_out_bits, *measured]),
        read_bits=bits(model, read),
        characters=corpus.characters,
        held_out_characters=validation.characters,
        characters_per_token=read.characters_per_token,
        held_out_characters_per_token=validation.characters_per_token,
        parameters=model.number_of_parameters(),
        passes=tokens / corpus.training.predictions,
        seconds=history[-1]["seconds"],
    )


def bits(model: GPT, windows: Windows) -> float:
    """The model's loss on some windows, in bits per character."""
    longest = max(map(len, windows.sequences))
    rows = max(1, min(64, LOGITS_AT_ONCE // (longest * model.config.vocab_size)))
    log_probs = sequence_log_probs(model, windows.sequences, rows=rows).sum().item()
    return bits_per_character(log_probs, windows.characters)


def describe(outcome: Outcome) -> str:
    """The outcome in plain words, without making a small model sound large."""
    # Of the rounded numbers, so that a reader who subtracts finds the same.
    better = round(outcome.trigram_bits, 2) - round(outcome.held_out_bits, 2)
    return _WORDS["outcome"].format(
        o=outcome,
        who=_WORDS["better" if better > 0 else "worse"],
        difference=abs(better),
        help=what_would_help(outcome),
        parameters=outcome.parameters / 1e6,
        characters=outcome.characters / 1e6,
        minutes=outcome.seconds / 60,
    )


def what_would_help(outcome: Outcome) -> str:
    """More minutes only where the run was not past its best, nor near its last pass."""
    lost = round(outcome.held_out_bits, 2) - round(outcome.lowest_bits, 2)
    if lost > 0:
        return _WORDS["past_its_best"].format(lost=lost)
    is_near = outcome.passes > 0.9 * MOST_PASSES
    return _WORDS["read_often" if is_near else "unfinished"]


def how_to_go_on(out: Path) -> str:
    """What one can do with the model, in words that can be typed."""
    return _WORDS["go_on"].format(out=out, name=shlex.quote(str(out)))
