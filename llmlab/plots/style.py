"""What all pictures share: colours, the figure that carries words, how it is shown."""

import base64
import html
import io
import textwrap
from collections.abc import Sequence

import matplotlib.style
import numpy as np
from IPython import get_ipython
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

INK = "#222222"
GREY = "#6b6b6b"
BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#009E73"
PURPLE, ORANGE, SKY = "#CC79A7", "#E69F00", "#56B4E9"
PALETTE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
LINE_STYLES = ("-", (0, (5, 1.5)), "-.", (0, (1, 1)), (0, (7, 2, 1, 2, 1, 2)), "--")
MARKERS = ("o", "s", "^", "D", "v", "P")
HATCHES = ("", "///", "...", "\\\\\\", "xxx", "---")

WIDTH_INCHES = 7.0
DOTS_PER_INCH = 120
SHOWN_PIXELS_PER_INCH = 100
COLOURS = 32

# Named in full so that a reader's own matplotlib settings change neither the look
# nor the bytes. Token texts may hold dollar signs: they are never formulas.
_STYLE = {
    "figure.dpi": DOTS_PER_INCH,
    "savefig.dpi": DOTS_PER_INCH,
    "figure.constrained_layout.use": True,
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": INK,
    "hatch.linewidth": 0.6,
}
styled = matplotlib.style.context(["default", _STYLE])


class Picture(Figure):
    """A figure that carries its description in words as `alt`."""

    alt: str = ""

    def told(self, words: str) -> "Picture":
        """This picture, described by these words; the first has a capital."""
        self.alt = words[:1].upper() + words[1:]
        return self

    def _ipython_display_(self) -> None:
        show(self)


@styled
def png(figure: Figure) -> bytes:
    """The figure as PNG bytes; the same figure always gives the same bytes."""
    _settle(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    # A palette costs a quarter of the bytes; the second look settles the shades that
    # the first one only halves into boxes. White stays white.
    colours = Image.open(buffer).convert("RGB").quantize(COLOURS, kmeans=2)
    palette = io.BytesIO()
    colours.save(palette, format="png", optimize=True)
    return palette.getvalue()


def _settle(figure: Figure) -> None:
    """Lays the figure out once and for all: each drawing would refine the layout."""
    engine = figure.get_layout_engine()
    if engine is not None:
        for _ in range(3):
            engine.execute(figure)
        figure.set_layout_engine("none")


def show(figure: Figure, alt: str | None = None) -> None:
    """Displays `figure` and says in words what it shows.

    The words travel as alt text in the output's metadata, which JupyterLab ignores, and
    as a paragraph below.

    Outside a notebook only the words are printed.
    """
    words = alt or getattr(figure, "alt", "")
    if not words:
        raise ValueError(
            "this figure has no description; pass alt='…', one or two sentences that "
            "say what a reader should see in it"
        )
    if get_ipython() is not None:
        data, metadata = notebook_image(figure, words)
        data = {**data, "text/plain": "Picture"}
        display(data, raw=True, metadata=metadata)
    print_words(words)


def notebook_image(figure: Figure, words: str) -> tuple[dict, dict]:
    """What a notebook stores of a picture: its data and its metadata, by media type.

    JupyterLab gives an image that needs a light background a class of that name; our
    stylesheet turns such images over where the theme is dark.
    """
    width = round(figure.get_figwidth() * SHOWN_PIXELS_PER_INCH)
    data = {"image/png": base64.b64encode(png(figure)).decode("ascii")}
    metadata = {"image/png": {"alt": words, "width": width}}
    return data, metadata | {"needs_background": "light"}


def print_words(words: str) -> None:
    """Says below a picture what it shows: a paragraph in the type of the page."""
    text = f"In words: {words}"
    if get_ipython() is None:
        print(textwrap.fill(text, width=80))
        return
    look = "max-width: 700px; margin: 0; color: var(--jp-content-font-color2, #6b6b6b)"
    page = f'<p style="{look}">{html.escape(text)}</p>'
    display({"text/plain": "In words", "text/html": page}, raw=True)


def picture(height: float, width: float = WIDTH_INCHES) -> tuple[Picture, Axes]:
    figure = Picture(figsize=(width, height))
    return figure, figure.subplots()


def panels(count: int, height: float, **shared: bool) -> tuple[Picture, np.ndarray]:
    """Axes side by side, over the whole width."""
    figure = Picture(figsize=(WIDTH_INCHES, height))
    return figure, figure.subplots(1, count, squeeze=False, **shared)[0]


def checked_probabilities(values: Sequence[float], *, expected: int) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    if array.shape != (expected,) or not expected:
        raise ValueError(
            f"probabilities of shape {array.shape}; expected one for each of "
            f"{expected or 'one or more'} items"
        )
    if not np.isfinite(array).all() or array.min() < 0 or array.max() > 1 + 1e-6:
        raise ValueError(
            f"probabilities between {array.min()} and {array.max()}; expected finite "
            "numbers from 0 to 1 (logits need a softmax first)"
        )
    return array
