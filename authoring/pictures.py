"""`python -m authoring pictures`: the README's drawings, for light and dark pages."""

import argparse
import io

import numpy as np
from PIL import Image

from llmlab.files import write_atomically
from llmlab.paths import ROOT
from llmlab.plots import Picture, png
from llmlab.plots.boxes import arrow, box, canvas, say
from llmlab.plots.style import styled

FOLDER = ROOT / "data" / "pictures"

# What it is called, what the model is given, what it plays, what it is then, and can.
_PHASES = (
    ("1  It reads", "The gull sat on the ▁▁▁", "guess the\nnext word"),
    (
        "2  It answers",
        "The mirror is white.\n→ Le miroir est blanc.",
        "answer as\nis shown",
    ),
    ("3  It is judged", "Story A  ✗\nStory B  ✓", "say more of\nwhat is liked"),
)
_MODELS = {
    "base": "goes on with a text",
    "instruct": "answers, and stops",
    "ppo": "answers as people like",
}


@styled
def three_phases() -> Picture:
    """The whole course on one page: what is given, what is played, what comes out."""
    figure, axes = canvas(2.95)
    apart = 2.35
    for index, (title, given, game) in enumerate(_PHASES):
        x = 1.15 + apart * index
        say(axes, x, 0.28, title, fontsize=13, fontweight="bold")
        box(axes, x, 0.9, given, width=2.0, height=0.6, kind="data", fontsize=10.5)
        arrow(axes, (x, 1.2), (x, 1.98))
        say(axes, x + 0.12, 1.58, game, ha="left", fontsize=10.5)
    for index, (model, can) in enumerate(_MODELS.items()):
        x = 1.15 + apart * index
        box(axes, x, 2.23, model, fontweight="bold", fontsize=11)
        say(axes, x, 2.68, can, fontsize=10.5)
        if index:
            arrow(axes, (x - apart + 0.7, 2.23), (x - 0.7, 2.23))
    return figure.told(
        "the three phases of one model. It reads, guessing the next word of a text, "
        "and becomes the base model, which goes on with a text. It is shown what to "
        "answer and becomes instruct, which answers and stops. It is judged by what "
        "people like and becomes ppo, which answers as people like."
    )


def turned_over(picture: bytes) -> bytes:
    """A picture for dark pages, as our stylesheet of JupyterLab shows it.

    CSS's `invert(0.93) hue-rotate(180deg)`, done to the palette.
    """
    image = Image.open(io.BytesIO(picture))
    colours = 0.93 * 255 - 0.86 * np.array(image.getpalette(), float).reshape(-1, 3)
    opposite = [[-0.574, 1.43, 0.144], [0.426, 0.43, 0.144], [0.426, 1.43, -0.856]]
    shown = np.clip(colours @ np.transpose(opposite), 0, 255).round().astype(int)
    image.putpalette(shown.flatten().tolist())
    file = io.BytesIO()
    image.save(file, format="png", optimize=True)
    return file.getvalue()


def drawn() -> dict[str, bytes]:
    """Every picture by the name of its file."""
    light = png(three_phases())
    return {"phases.png": light, "phases-dark.png": turned_over(light)}


def main(words: list[str]) -> int:
    command = "python -m authoring pictures"
    argparse.ArgumentParser(command, description=__doc__).parse_args(words)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, data in drawn().items():
        write_atomically(FOLDER / name, data)
        print(f"{FOLDER.name}/{name}: {len(data):,} bytes")
    return 0
