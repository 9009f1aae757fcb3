"""`make bench`, or python -m benchmarks: ratios measured in one run, with spread.

    make bench                          training, sampling and the tokenizer
    make bench ARGS=sampling            one of them
    make bench ARGS=recipe              the race against the GPT-2 recipe (an hour)
    make bench ARGS="seeds --seeds 1 2"    the later stages of a life with other seeds
    make bench ARGS=details             PPO with one detail left out (a quarter hour)
    make bench ARGS=tastes              forty clicks of five readers (some minutes)
    make bench ARGS="recipe --steps 200 --seeds 0"    the same, small

Each line: the median of a ratio, the range of the middle half of the rounds, the bar.
Let the machine do nothing else meanwhile.
"""

import argparse
import platform
from collections.abc import Iterator

import torch
import transformers

from benchmarks import details, recipe, seeds, speed, tastes
from benchmarks.timing import Measured
from llmlab.taste import READERS
from llmlab.training import multiplies_bfloat16

QUICK = ("training", "sampling", "tokenizer")
PARTS = (*QUICK, "recipe", "seeds", "details", "tastes")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="part",
        help=f"{', '.join(QUICK)} (these by default), recipe, seeds, details or tastes",
    )
    parser.add_argument("--rounds", type=int, default=9, help="of each race")
    parser.add_argument(
        "--megabytes", type=float, default=15.0, help="of text, for the tokenizer"
    )
    of_recipe = parser.add_argument_group("recipe")
    of_recipe.add_argument(
        "--steps", type=int, help="updates of the GPT-2 recipe (default: the course's)"
    )
    of_recipe.add_argument(
        "--rates", type=float, nargs="+", default=recipe.RATES, help="of AdamW"
    )
    of_recipe.add_argument("--seeds", type=int, nargs="+", default=recipe.SEEDS)
    of_recipe.add_argument(
        "--shares",
        type=float,
        nargs="+",
        default=recipe.SHARES,
        help="of the updates, for the course's recipe",
    )
    parser.add_argument(
        "--stages", nargs="+", default=seeds.LATER, choices=seeds.LATER, help="of seeds"
    )
    parser.add_argument(
        "--without", nargs="+", default=(), choices=details.DETAILS, help="of details"
    )
    of_tastes = parser.add_argument_group("tastes")
    of_tastes.add_argument(
        "--readers", nargs="+", choices=READERS, default=tuple(READERS)
    )
    of_tastes.add_argument(
        "--split",
        choices=("validation", "test"),
        default="test",
        help="of the prompts: validation to choose by, test to tell",
    )
    return parser


def measurements(arguments: argparse.Namespace) -> Iterator[Measured | str]:
    for part in arguments.parts or QUICK:
        if part == "training":
            yield from speed.training(arguments.rounds)
        elif part == "sampling":
            yield from speed.sampling(arguments.rounds)
        elif part == "tokenizer":
            yield from speed.tokenizer(arguments.rounds, arguments.megabytes)
        elif part == "seeds":
            yield from seeds.seeds(arguments.seeds, arguments.stages)
        elif part == "details":
            yield from details.details(arguments.without)
        elif part == "tastes":
            yield from tastes.tastes(arguments.readers, arguments.split)
        else:
            yield from recipe.recipe(
                arguments.steps, arguments.rates, arguments.seeds, arguments.shares
            )


def main(words: list[str] | None = None) -> int:
    parser = build_parser()
    arguments = parser.parse_args(words)
    for part in arguments.parts:
        if part not in PARTS:
            parser.error(f"{part!r} is no part; choose among {', '.join(PARTS)}")
    if arguments.rounds < 1:
        parser.error(f"--rounds is {arguments.rounds}; give at least 1")
    if not arguments.megabytes > 0:
        parser.error(f"--megabytes is {arguments.megabytes}; give a number above 0")
    if arguments.steps is not None and arguments.steps < recipe.TURNS:
        parser.error(
            f"--steps is {arguments.steps}; give at least {recipe.TURNS}, one a turn"
        )
    if not all(0 < share <= 1 for share in arguments.shares):
        parser.error("--shares must lie above 0 and be at most 1")
    transformers.logging.set_verbosity_error()
    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} "
        f"threads, bfloat16 instructions: {'yes' if multiplies_bfloat16() else 'no'}; "
        f"torch {torch.__version__}, transformers {transformers.__version__}; "
        f"{speed.describe(speed.default_model())}",
        flush=True,
    )
    for row in measurements(arguments):
        print(row, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
