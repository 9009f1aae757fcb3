"""`python -m authoring COMMAND`, from the root of a clone."""

import argparse
import importlib
import sys

# Only the chosen module is imported. Each offers `main(words) -> int`.
COMMANDS = {
    "notebooks": "build the notebooks from notebooks/src",
    "exercises": "make the notebooks of the exercise sets",
    "excerpt": "write data/excerpt from the village as it is now",
    "grade": "grade a folder of submissions into one table",
    "pictures": "draw data/pictures for the README",
    "misconceptions": "print what people get wrong in each exercise",
}


def main(words: list[str] | None = None) -> int:
    listing = "\n".join(f"  {name:15} {about}" for name, about in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="python -m authoring",
        epilog=f"commands:\n{listing}\n\nEach of them explains itself with --help.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    chosen = parser.parse_args(words)
    module = importlib.import_module(f"authoring.{chosen.command}")
    return module.main(chosen.rest)


if __name__ == "__main__":
    sys.exit(main())
