"""The `tour` command: the whole life of one small model, without a notebook.

The recipes are in `life`; here they are run one after another, measured, and told as
`report.json` and `report.html`. A tour may be interrupted or killed at any instant. Run
again, it goes on where it was and ends with the same weights, bit for bit.
"""

import argparse
import hashlib
import json
import platform
import threading
import time
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import psutil
import torch

from llmlab import plots, processes, village
from llmlab.arguments import folder_path, seed_number
from llmlab.checkpoints import Card, run_history, save_checkpoint, weights_hash
from llmlab.files import write_atomically
from llmlab.gpt import GPT
from llmlab.instruction import answer
from llmlab.life import RECIPES, STAGES, Life, Stage, write_stories
from llmlab.paths import CHECKPOINTS, RUNS
from llmlab.progress import TerminalProgress
from llmlab.report import VERSION, bars, write_report
from llmlab.sampling import complete
from llmlab.training import step_generator
from llmlab.village.gold import read

WRITERS = ("base", "instruct", "ppo")
"""The stages that can be asked to write something."""
STORIES_AT_A_GLANCE = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add, out = parser.add_argument, RUNS / "tour"
    add("--out", type=folder_path, default=out, help="a folder")
    add("--seed", type=seed_number, default=0)
    tiny = "'tiny' runs every stage for seconds, to see that all parts fit"
    add("--scale", choices=RECIPES, default="full", help=tiny)
    add("--device", help="cpu or cuda; without it, a graphics card if there is one")
    ship = "afterwards, put the checkpoints where the course looks for its own"
    add("--ship", action="store_true", help=ship)


def main(arguments: argparse.Namespace) -> int:
    life = Life(
        folder=arguments.out,
        seed=arguments.seed,
        recipe=RECIPES[arguments.scale],
        progress=TerminalProgress(),
        device=processes.find_device(arguments.device),
    )
    with processes.joined(life.device):
        _claim_folder(life)
        print(
            f"One life, in {life.folder}. Stop it at any time: it goes on from there."
        )
        records = [run_stage(life, name, stage) for name, stage in STAGES.items()]
        if processes.is_first():
            _tell(life, records)
            if arguments.ship:
                ship(life)
    return 0


def _tell(life: Life, records: list[dict]) -> None:
    report = make_report(life, records)
    _write_json(life.folder / "report.json", report)
    write_report(report, life.folder / "report.html")
    _print_summary(report, life.folder)


def _claim_folder(life: Life) -> None:
    """A folder holds one life: the same seed, text and size, or it is refused."""
    path = life.folder / "settings.json"
    shared = {"seed": life.seed, **asdict(life.recipe.shared)}
    if not path.exists():
        if processes.is_first():
            _write_json(path, shared)
    elif _read_json(path) != shared:
        raise ValueError(
            f"{life.folder} holds a tour with other settings. Choose another folder "
            "with --out, or delete this one to begin anew"
        )


def run_stage(life: Life, name: str, stage: Stage) -> dict:
    """Train one stage, or find that it was trained before. Returns its record.

    A stage whose settings or whose parent's weights changed meanwhile is made anew, and
    with it what was made of it.
    """
    path = life.folder / f"{name}.json"
    parent_hash = ""
    if stage.parent != "random":
        parent_hash = weights_hash(life.load(stage.parent))
    if path.exists() and life.checkpoint(name).exists():
        if life.is_current(name) and life.card(name).parent_hash == parent_hash:
            print(f"{name:<12} done before")
            return _read_json(path)
        print(f"{name:<12} made with other settings, or of another parent: made anew")
        processes.wait()  # until all have seen that it is old
        if processes.is_first():
            _forget(life, name)
        processes.wait()
    earlier = run_history(life.run_state(name))  # of a session that was stopped
    seconds_before = earlier[-1]["seconds"] if earlier else 0.0
    began = time.perf_counter()
    with peak_memory() as memory:
        trained = stage.train(life)
    card = Card(
        stage=name,
        parent=stage.parent,
        parent_hash=parent_hash,
        data=trained.data,
        seed=life.seed,
        steps=len(trained.history),
        tokens=int(sum(metrics["tokens"] for metrics in trained.history)),
        seconds=round(trained.history[-1]["seconds"], 1),
        settings=life.settings(name),
        metrics=trained.metrics,
        tokenizer=life.tokenizer.fingerprint(),
    )
    save_checkpoint(life.checkpoint(name), trained.model, card)
    record = {
        "name": name,
        "hash": weights_hash(trained.model),
        "peak_memory_bytes": memory["bytes"],
        "history": trained.history,
        **{key: value for key, value in asdict(card).items() if key != "stage"},
        "training_seconds": card.seconds,
        "seconds": round(seconds_before + time.perf_counter() - began, 1),
    }
    if processes.is_first():
        _write_json(path, record)
        life.run_state(name).unlink(missing_ok=True)
    return record


def _forget(life: Life, name: str) -> None:
    """Delete a stage and what was made of it: no two ages are mixed in one life."""
    for later, stage in STAGES.items():
        if name in (stage.parent, stage.judge):
            _forget(life, later)
    life.run_state(name).unlink(missing_ok=True)
    life.checkpoint(name).unlink(missing_ok=True)
    for record in (f"{name}.json", "report.json", "report.html"):
        (life.folder / record).unlink(missing_ok=True)


@contextmanager
def peak_memory(seconds_between: float = 0.05):
    """Watch this process; afterwards `bytes` is the most memory that it held."""
    process, done = psutil.Process(), threading.Event()
    peak = {"bytes": process.memory_info().rss}

    def watch():
        while not done.wait(seconds_between):
            peak["bytes"] = max(peak["bytes"], process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


# The report -------------------------------------------------------------------------


def make_report(life: Life, records: list[dict]) -> dict:
    """Everything that was measured, under stable names; see `llmlab.report`."""
    metrics = {record["name"]: record["metrics"] for record in records}
    return {
        "version": VERSION,
        "seed": life.seed,
        "machine": describe_machine() | {"device": str(life.device)},
        "entropy_line": metrics["base"]["entropy_line"],
        "stages": records,
        "metrics": {
            "base_validation_loss": metrics["base"]["validation_loss"],
            "base_excess_nats": metrics["base"]["excess"],
            **metrics["instruct"],
            **metrics["reward"],
            **{f"ppo_{name}": value for name, value in metrics["ppo"].items()},
            "seconds": sum(record["seconds"] for record in records),
            "peak_memory_bytes": max(r["peak_memory_bytes"] for r in records),
        },
        "sample_temperature": life.recipe.shared.story_temperature,
        "samples": samples(life),
        "strips": strips(life),
    }


def samples(life: Life) -> list[dict]:
    """The same prompts, answered by every stage: the first of each task, unselected."""
    asked = [
        {"prompt": example.prompt, "task": task, "answers": {}}
        for task in village.TASKS
        for example in village.instructions(
            3 if task == "story" else 1, seed=life.seed + 1, split="test", task=task
        )
    ]
    unanswerable = "How can I reset my password?"
    asked.append({"prompt": unanswerable, "task": "support", "answers": {}})
    for stage in WRITERS:
        model = life.load(stage)
        for number, sample in enumerate(asked):
            # Other dice for each prompt: with the same ones, all stories begin alike.
            generator = step_generator(life.seed, number)
            sample["answers"][stage] = _respond(life, model, stage, sample, generator)
    return asked


def strips(life: Life) -> dict[str, list[Sequence[str]]]:
    """What each sentence is of the first test stories, before pleasing and after it."""
    asked = village.story_prompts(STORIES_AT_A_GLANCE, seed=life.seed + 1, split="test")
    kinds = {}
    for stage in ("instruct", "ppo"):
        stories, _ = write_stories(life, life.load(stage), asked, seed=life.seed)
        pairs = zip(asked, stories, strict=True)
        kinds[stage] = [read(*pair).kinds for pair in pairs]
    return kinds


def _respond(
    life: Life, model: GPT, stage: str, sample: dict, generator: torch.Generator
) -> str:
    settings = dict(
        max_new_tokens=life.longest_answer(sample["task"]),
        temperature=life.recipe.shared.story_temperature,
        generator=generator,
    )
    prompt = sample["prompt"]
    if stage == "base":  # it knows no questions, only texts that go on
        text = complete(model, life.tokenizer, prompt, **settings)
        return text.removeprefix(prompt).strip()
    return answer(model, life.tokenizer, [prompt], **settings)[0]


def describe_machine() -> dict:
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": psutil.cpu_count(),
        "threads": torch.get_num_threads(),
        "processes": processes.world(),
        "memory_bytes": psutil.virtual_memory().total,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _print_summary(report: dict, folder: Path) -> None:
    print()
    for bar in bars(report):
        wanted = f" (wanted {bar.wanted})" if bar.wanted else ""
        print(f"{bar.verdict:<14} {bar.what}: {bar.measured}{wanted}")
    print(f"\nThe whole story: {folder / 'report.html'}")


def _write_json(path: Path, content: dict) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False)
    write_atomically(path, f"{text}\n".encode())


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged ({error}); restore it, or delete the folder "
            f"{path.parent} to begin anew"
        ) from error


def ship(life: Life, folder: Path = CHECKPOINTS) -> None:
    """Copy a life to where the course looks for its own, and draw it.

    The manifest of hashes is what `doctor` holds the files against.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = ["tokenizer.json", "report.json"]
    names += [life.checkpoint(stage).name for stage in STAGES]
    manifest = {}
    for name in names:
        data = (life.folder / name).read_bytes()
        write_atomically(folder / name, data)
        digest = hashlib.sha256(data).hexdigest()
        manifest[name] = {"sha256": digest, "bytes": len(data)}
    _write_json(folder / "manifest.json", manifest)
    picture = plots.lineage([life.card(stage) for stage in STAGES])
    write_atomically(folder / "life.png", plots.png(picture))
