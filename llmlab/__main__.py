"""`python -m llmlab COMMAND`: the course without notebooks."""

import argparse
import importlib
import sys

from llmlab.paths import IS_CLONE

COMMANDS = {
    "doctor": ("llmlab.doctor", "what is here, what is broken, what to do about it"),
    "tour": ("llmlab.tour", "train the whole life of the model, and report on it"),
    "train": ("llmlab.train_text", "pre-train on a folder of text of your own"),
    "course": (
        "authoring.course.command",
        "open your own copy of the course, kept up to date",
    ),
    "capstone": (
        "authoring.capstone.command",
        "an experiment of your own, with a control and a report that checks itself",
    ),
    "chat": ("llmlab.chat", "talk to any stage of the life, or to your own model"),
    "data": ("llmlab.write_village", "write the generated corpus to a folder"),
}


def main(words: list[str] | None = None) -> int:
    """Run one command; return its exit code.

    Every command's module offers `add_arguments(parser)` and `main(arguments) -> int`.
    Wrong input and files that cannot be read or written end in one message and exit
    code 2, an interrupt in exit code 130.
    """
    listing = "\n".join(f"  {name:10} {about}" for name, (_, about) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="python -m llmlab",
        description="One small language model, trained through its whole life.",
        epilog=f"commands:\n{listing}\n\nEach of them explains itself with --help.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    parser.add_argument(
        "rest", nargs=argparse.REMAINDER, metavar="...", help=argparse.SUPPRESS
    )
    chosen = parser.parse_args(words)
    for stream in (sys.stdout, sys.stderr):
        # Not every console and log file knows every sign, nor every file name its
        # encoding: what cannot be written is written out, and nothing fails for it.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        return run(chosen.command, chosen.rest)
    except ValueError as error:
        print(f"{chosen.command}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        about = f": {error.filename}" if error.filename else ""
        print(f"{chosen.command}: {error.strerror or error}{about}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            f"\n{chosen.command}: stopped as you asked. The same command goes on from "
            "what it had saved.",
            file=sys.stderr,
        )
        return 130


def run(command: str, words: list[str]) -> int:
    module_name, about = COMMANDS[command]
    if not (IS_CLONE or module_name.startswith("llmlab.")):
        raise ValueError(
            "this command is about the course's pages, which come with a clone of the "
            "repository; the library alone has none"
        )
    module = importlib.import_module(module_name)
    parser = argparse.ArgumentParser(
        prog=f"python -m llmlab {command}",
        description=about[0].upper() + about[1:] + ".",
    )
    module.add_arguments(parser)
    return module.main(parser.parse_args(words))


if __name__ == "__main__":
    sys.exit(main())
