"""`python -m authoring pictures`: the README's pictures, for light and dark pages.

The three phases are drawn. The chat is photographed, in a real JupyterLab, and what
the stages say in it is written beside it, for who cannot see a picture.
"""

import argparse
import html
import io
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from llmlab.files import write_atomically
from llmlab.paths import ROOT
from llmlab.plots import Picture, png
from llmlab.plots.boxes import arrow, box, canvas, say
from llmlab.plots.style import styled

FOLDER = ROOT / "data" / "pictures"
# The first story that the test asks for, at the temperature of training, with the first
# dice: nothing is picked.
CHAT = """
from IPython.display import display

from llmlab import life, village
from llmlab.talking import Speaker, speakers
from llmlab.widgets import Chat

course = life.course()
newborn = Speaker(course.new_model(), course.tokenizer, answers=False)
stages = speakers(course, "base", "instruct", "ppo")
[message] = village.story_prompts(1, seed=1, split="test")
chat = Chat({"random": newborn, **stages}, examples=[message], temperature=0.7)
display(chat)
"""
SAID = """
for exchange in chat.exchanges:
    print(exchange["message"])
    for stage, text in exchange["answers"].items():
        print(f"{stage}: {text}")
"""
WHOLE = ".lab-chat .lab-log, .lab-chat [role=log] {max-height: none !important}"

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


def photographed() -> dict[str, bytes]:
    """The chat in both themes, and its words; needs a Chromium, as some tests do."""
    from tests import browser_lab as lab

    taken = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        lab.running_chromium() as browser,
        lab.notebook_page(browser, Path(folder), [CHAT, SAID]) as page,
    ):
        page.set_viewport_size({"width": 1250, "height": 1600})
        page.add_style_tag(content=WHOLE)
        log = page.locator(".lab-chat [role=log]")
        for theme, name in (("Light", "chat.png"), ("Dark", "chat-dark.png")):
            lab.choose_theme(page, theme)
            taken[name] = in_a_palette(log.screenshot())
        cell = page.locator(".jp-CodeCell", has_text="for exchange in chat.exchanges")
        said = cell.locator(".jp-OutputArea-output").inner_text()
    return taken | {"chat.txt": (said.strip() + "\n").encode()}


def what_is_missing() -> str:
    """One sentence if a photograph cannot be taken here, else nothing."""
    if find_spec("playwright") is None:
        return "The chat is photographed by playwright, which is not installed."
    if not (shutil.which("chromium") or shutil.which("chromium-browser")):
        return "The chat is photographed in Chromium: install the package chromium."
    return ""


def alternative(said: str) -> str:
    """The words of the chat as an attribute of HTML; what no letter shows is a �."""
    shown = "".join(c if c.isprintable() or c == "\n" else "�" for c in said)
    return html.escape(shown.strip().replace("\n", " · "))


def in_a_palette(picture: bytes) -> bytes:
    file = io.BytesIO()
    colours = Image.open(io.BytesIO(picture)).convert("RGB").quantize(32, kmeans=2)
    colours.save(file, format="png", optimize=True)
    return file.getvalue()


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m authoring pictures", description=__doc__
    )
    parser.parse_args(words)
    if missing := what_is_missing():
        parser.exit(1, f"{missing} Nothing was written.\n")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, data in {**drawn(), **photographed()}.items():
        write_atomically(FOLDER / name, data)
        print(f"{FOLDER.name}/{name}: {len(data):,} bytes")
    return 0
