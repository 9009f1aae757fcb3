"""How much sooner than the GPT-2 recipe does the course's recipe reach a loss?

The GPT-2 recipe: GPT-2's architecture at the same size, AdamW at the best of a few
rates, a cosine schedule to zero. It gets the whole budget of updates. The course's
recipe gets shares of that budget, each with a whole schedule of its own, and the
question is which shares end at or below GPT-2's loss on text that nobody trained on.

Runs take turns, a twentieth of their updates at a time, so that a slow minute of the
machine is everybody's. What is finished is kept in a file, and not done again: delete
`runs/bench` after a change of the recipe or the model, of which the file knows nothing.
"""

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.timing import Measured
from llmlab import village
from llmlab.evaluation import language_loss
from llmlab.files import write_atomically
from llmlab.gpt import GPT, GPTConfig
from llmlab.life import RECIPES, Life
from llmlab.optimisers import adamw, muon_and_adamw
from llmlab.paths import CHECKPOINTS, RUNS
from llmlab.pretraining import encode_documents, pretraining_step
from llmlab.training import Metrics, keep_freed_memory, step_generator

RATES = (0.001, 0.002, 0.004, 0.008)
SEEDS = (0, 1, 2)
SHARES = (0.5, 0.35, 0.25)
TURNS = 20
VALIDATION_DOCUMENTS = 600


@dataclass(frozen=True)
class Text:
    """What is read: by everybody the same."""

    training: list[list[int]]
    validation: list[list[int]]


def recipe(
    steps: int | None = None,
    rates: Sequence[float] = RATES,
    seeds: Sequence[int] = SEEDS,
    shares: Sequence[float] = SHARES,
    folder: Path = RUNS / "bench",
) -> Iterator[Measured]:
    """The race, from start to end; what was finished before is not run again.

    Parameters
    ----------
    steps : updates of the GPT-2 recipe; None: as many as the course's base model has.
    rates : of AdamW, to choose from on the first seed.
    shares : of `steps`, for the course's recipe.
    folder : where what is finished is kept.
    """
    steps = steps or RECIPES["full"].base.steps
    recipe = repr(RECIPES["full"].base)
    budget = {"steps": steps, "recipe": recipe, "shares": list(shares)}
    told = json.dumps(budget, sort_keys=True, default=str).encode()
    path = folder / f"recipe-{hashlib.sha256(told).hexdigest()[:12]}.json"
    done = json.loads(path.read_text("utf-8")) if path.exists() else {}
    text = read_text(steps)

    def finished(name: str, build: Callable[[], dict[str, "Run"]]) -> dict:
        """The outcome of some runs: from the file, or by making them."""
        if name not in done:
            done[name] = run_in_turns(name, build(), text)
            write_atomically(path, json.dumps(done, indent=2).encode())
        return done[name]

    tuning = {
        rate: finished(
            f"GPT-2 at rate {rate:g}, seed {seeds[0]}",
            lambda rate=rate: {"gpt2": gpt2_run(text, steps, rate, seeds[0])},
        )["gpt2"]["loss"]
        for rate in rates
    }
    best = min(tuning, key=tuning.get)
    print(
        "GPT-2 recipe, loss by rate: "
        + ", ".join(f"{rate:g} {loss:.3f}" for rate, loss in tuning.items())
        + f"; best {best:g}"
    )
    if len(rates) > 1 and best in (min(rates), max(rates)):
        print("the best rate is at the end of the range: give --rates beyond it")

    races = [
        finished(
            f"race at rate {best:g}, seed {seed}",
            lambda seed=seed: {
                "gpt2": gpt2_run(text, steps, best, seed),
                **{
                    f"{share:g}": our_run(text, round(share * steps), seed)
                    for share in shares
                },
            },
        )
        for seed in seeds
    ]
    yield from report(races, shares)


def report(races: Sequence[dict], shares: Sequence[float]) -> Iterator[Measured]:
    """From what the runs of each seed came to: the smallest share that is enough."""
    enough = [
        share
        for share in sorted(shares)
        if all(race[f"{share:g}"]["loss"] <= race["gpt2"]["loss"] for race in races)
    ]
    for share in shares:
        yield Measured(
            f"loss after {share:g} of the budget, less GPT-2's after all",
            [race[f"{share:g}"]["loss"] - race["gpt2"]["loss"] for race in races],
            note=f"{len(races)} seeds; GPT-2 ends at "
            + ", ".join(f"{race['gpt2']['loss']:.3f}" for race in races),
        )
    if not enough:
        print("no share of the budget was enough to reach GPT-2's loss at every seed")
        return
    for unit in ("tokens", "seconds"):
        yield Measured(
            f"{unit} to reach GPT-2's loss, as a share of GPT-2's",
            [race[f"{enough[0]:g}"][unit] / race["gpt2"][unit] for race in races],
            at_most=0.50,
        )


# The runs -----------------------------------------------------------------------------


@dataclass
class Run:
    """A model, the function that makes one update of it, and how many there will be."""

    model: GPT
    step: Callable[[int, torch.Generator], Metrics]
    steps: int
    seed: int


def our_run(text: Text, steps: int, seed: int) -> Run:
    """The course's recipe: its architecture, Muon, warm-up, plateau and decay."""
    life = Life(CHECKPOINTS, seed=seed, recipe=RECIPES["full"])
    model = life.new_model()
    step = pretraining_step(
        model,
        text.training,
        life.tokenizer,
        muon_and_adamw(model),
        steps=steps,
        tokens_per_batch=life.recipe.base.tokens_per_batch,
        seed=seed,
    )
    return Run(model, step, steps, seed)


def gpt2_run(text: Text, steps: int, rate: float, seed: int) -> Run:
    """The GPT-2 recipe, on the same batches in the same order.

    Weight decay is left out: text that is read once or twice needs none.
    """
    life = Life(CHECKPOINTS, seed=seed, recipe=RECIPES["full"])
    ours = life.new_model().config
    config = GPTConfig.gpt2(
        vocab_size=ours.vocab_size,
        context=ours.context,
        layers=ours.layers,
        heads=ours.heads,
        width=ours.width,
    )
    model = GPT(config, seed=seed)
    step = pretraining_step(
        model,
        text.training,
        life.tokenizer,
        adamw(model, rate),
        steps=steps,
        tokens_per_batch=life.recipe.base.tokens_per_batch,
        seed=seed,
        schedule=cosine,
    )
    return Run(model, step, steps, seed)


def cosine(step: int, steps: int, *, warmup: float = 0.02) -> float:
    """Multiplier of the learning rate: up, then down along half a cosine to zero."""
    if step < warmup * steps:
        return (step + 1) / (math.ceil(warmup * steps) + 1)
    progress = (step - warmup * steps) / (steps - warmup * steps)
    return 0.5 + 0.5 * math.cos(math.pi * progress)


def run_in_turns(name: str, runs: dict[str, Run], text: Text) -> dict[str, dict]:
    """Train all of them, a turn each; their tokens, seconds and losses in the end."""
    keep_freed_memory()
    outcome = {key: {"tokens": 0, "seconds": 0.0} for key in runs}
    for turn in range(TURNS):
        for key, run in runs.items():
            began = time.perf_counter()
            for index in range(
                turn * run.steps // TURNS, (turn + 1) * run.steps // TURNS
            ):
                metrics = run.step(index, step_generator(run.seed, index))
                outcome[key]["tokens"] += metrics["tokens"]
            outcome[key]["seconds"] += time.perf_counter() - began
        seconds = sum(result["seconds"] for result in outcome.values())
        print(f"{name}: {turn + 1} of {TURNS} turns, {seconds:.0f} s", flush=True)
    for key, run in runs.items():
        outcome[key]["loss"] = language_loss(run.model, text.validation).nats_per_token
    return outcome


def read_text(steps: int) -> Text:
    """As many documents as the runs will read, and some that nobody trains on."""
    life = Life(CHECKPOINTS)
    longest = steps * RECIPES["full"].base.tokens_per_batch
    count = RECIPES["full"].shared.documents
    documents = village.documents(count, seed=0, split="train")
    training: list[list[int]] = []
    tokens = 0
    for document in documents:
        [ids] = encode_documents(life.tokenizer, [document.text])
        training.append(ids)
        tokens += len(ids)
        if tokens >= longest:
            break
    held_out = village.documents(VALIDATION_DOCUMENTS, seed=0, split="validation")
    texts = [document.text for document in held_out]
    return Text(training, encode_documents(life.tokenizer, texts))
