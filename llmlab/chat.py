"""The `chat` command: talk to any stage of the model's life, or to a model of your own.

python -m llmlab chat                      to the last stage of the life, ppo
python -m llmlab chat base                 to another one
python -m llmlab chat --model runs/text    to what `train --text` made
echo "What is Bruno afraid of?" | python -m llmlab chat instruct
"""

import argparse
import importlib
import math
import sys
import textwrap
from contextlib import redirect_stdout, suppress
from pathlib import Path

import torch

from llmlab import life
from llmlab.arguments import folder_path, seed_number
from llmlab.life import Life
from llmlab.progress import printable
from llmlab.sampling import check_settings
from llmlab.talking import SKILLS, TURNS, speakers

OWN = "model"
"""What `train` calls the model that it leaves in its folder."""

HELP = """\
/stage NAME       talk to another one: {stages}
/temperature X    0: always the likeliest token, 1: takes chances; now {heat:g}
/new              a new conversation: what was said before is forgotten
/quit, ctrl-D     end; ctrl-C stops an answer
A model that answers is told its last turn with each message, no more of them."""


def temperature_number(text: str) -> float:
    with suppress(ValueError):
        if 0 <= float(text) < math.inf:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a temperature, such as 0.7")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "stage",
        nargs="?",
        metavar="STAGE",
        help="base goes on with your text, masked fills its gap _, instruct and ppo "
        "(the default) answer",
    )
    parser.add_argument(
        "--model",
        type=folder_path,
        metavar="PATH",
        help="a .safetensors file, or the folder of a run of `train` or of `tour`",
    )
    parser.add_argument(
        "--temperature",
        type=temperature_number,
        default=0.3,
        help="0.1 and less: always the likeliest token (default: 0.3)",
    )
    parser.add_argument("--top-k", type=int, help="draw from the k likeliest tokens")
    parser.add_argument(
        "--top-p", type=float, help="draw from the likeliest that reach this together"
    )
    parser.add_argument("--max-tokens", type=int, help="of an answer")
    parser.add_argument("--seed", type=seed_number, default=0)


def main(arguments: argparse.Namespace) -> int:
    limit = 1 if arguments.max_tokens is None else arguments.max_tokens
    check_settings(limit, 1.0, arguments.top_k, arguments.top_p)
    with redirect_stdout(sys.stderr):  # what is piped on is the answer alone
        talk = Talk(arguments)
    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(errors="replace")
    if sys.stdin.isatty():
        return converse(talk)
    return 0 if talk.say(sys.stdin.read().strip()) else 130


class Talk:
    """Whom one talks to, and how.

    Raises FileNotFoundError, ValueError where there is no such model.
    """

    def __init__(self, arguments: argparse.Namespace):
        self.settings = dict(
            limit=arguments.max_tokens, top_k=arguments.top_k, top_p=arguments.top_p
        )
        self.seed, self.temperature = arguments.seed, arguments.temperature
        self.life, stage = _find(arguments.model, arguments.stage)
        self.turn_to(stage)

    def stages(self) -> list[str]:
        """All who can speak; a reward model only judges."""
        files = sorted(self.life.folder.glob("*.safetensors"))
        return [file.stem for file in files if file.stem != "reward"]

    def turn_to(self, stage: str) -> None:
        """Talk to another one; raises as the class does, and then nothing changes."""
        if stage not in self.stages():
            there = ", ".join(self.stages()) or "none"
            raise ValueError(
                f"there is no {stage!r} to talk to in {self.life.folder}; there are: "
                f"{there}"
            )
        dice = torch.Generator().manual_seed(self.seed)
        self.speaker = speakers(self.life, stage, dice=dice, **self.settings)[stage]
        self.stage, self.earlier = stage, []

    def about(self) -> str:
        if not self.speaker.model.config.causal:
            return f"{self.stage} fills a gap: write _ where a word is missing."
        does = "answers you" if self.speaker.answers else "goes on with your text"
        return f"You talk to {self.stage}, which {does}."

    def say(self, message: str) -> bool:
        """Print an answer as it comes. Returns False where a person stopped it."""
        words, said = self.speaker.stream(message, self.temperature, self.earlier), ""
        try:
            for text, choices in words:
                print(printable(text), end="", flush=True)
                said += text if choices else ""
        except KeyboardInterrupt:
            print(" … (stopped)")
            return False
        finally:
            if said:
                self.earlier = [*self.earlier, (message, said)][-TURNS:]
        print()
        return True


def _find(path: Path | None, stage: str | None) -> tuple[Life, str]:
    """The folder of a life, or of one model, and who in it is meant."""
    if path is None:
        return life.course(), stage or "ppo"
    if path.is_dir():
        folder = path
        stage = stage or (OWN if (path / f"{OWN}.safetensors").exists() else "ppo")
    elif stage is not None or path.suffix != ".safetensors":
        raise ValueError(
            f"--model is {path}; expected a .safetensors file, or a folder of such "
            "files, of which STAGE names one"
        )
    else:
        folder, stage = path.parent, path.stem
    if not (folder / "tokenizer.json").is_file():
        raise FileNotFoundError(
            f"there is no tokenizer.json in {folder}; a model needs the one that it "
            "was trained with, beside it"
        )
    return Life(folder), stage


# In a terminal ------------------------------------------------------------------------


def converse(talk: Talk) -> int:
    """Message and answer in turn, until ctrl-D."""
    with suppress(ImportError):
        importlib.import_module("readline")  # arrows, and earlier lines
    print(f"{talk.about()} /help says more; ctrl-D ends.")
    while True:
        try:
            line = input("you> ").strip()
        except EOFError:
            print()
            return 0
        except KeyboardInterrupt:
            print("\nctrl-D ends.")
            continue
        if line in ("/quit", "/exit"):
            return 0
        try:
            _obey(talk, line) if line.startswith("/") else _answer(talk, line)
        except KeyboardInterrupt:  # of a command: an answer has its own end
            print("\nstopped.")
        except (ValueError, OSError, argparse.ArgumentTypeError) as error:
            print(error)


def _answer(talk: Talk, message: str) -> None:
    if not message:
        raise ValueError("Write a message, or /help.")
    talk.speaker.check(message)
    print(f"{talk.stage}> ", end="")
    talk.say(message)


def _obey(talk: Talk, line: str) -> None:
    command, _, rest = line.partition(" ")
    if command == "/help":
        print(HELP.format(stages=", ".join(talk.stages()), heat=talk.temperature))
        if talk.speaker.answers:
            print("What the course's models have learned, a message for each:")
            for message in SKILLS.values():
                print(textwrap.indent(textwrap.fill(message, 76), "    "))
    elif command == "/stage":
        talk.turn_to(rest.strip())
        print(talk.about())
    elif command == "/new":
        talk.earlier = []
        print("A new conversation.")
    elif command == "/temperature":
        talk.temperature = temperature_number(rest.strip())
        print(f"The temperature is {talk.temperature:g}.")
    else:
        raise ValueError(f"There is no command {command}; /help names them.")
