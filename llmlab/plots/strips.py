"""Stories at a glance: a row a story, a cell a sentence, by colour and by letter.

Twenty stories above twenty others, on the same prompts, show what training changed.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle

from llmlab.claims import about
from llmlab.plots.marks import legend_above
from llmlab.plots.style import INK, WIDTH_INCHES, Picture, styled

# Letter and paper of each kind of sentence. Who sees no colours has the letters,
# and a contradiction is the one dark cell: what the eye finds first.
SENTENCES = {
    "beat": ("b", "#d6d6d6"),
    "simile": ("S", "#a0dcff"),
    "line": ("L", "#72d4aa"),
    "detail": ("D", "#f3e05a"),
    "twist": ("T", "#c9a2fa"),
    "fact": ("f", "#f2f2f2"),
    "moral": ("m", "#f2f2f2"),
    "stray": ("?", "#f2f2f2"),
    "contradiction": ("X", "#cc2b1d"),
}
ADDED = ("simile", "line", "detail", "twist")  # what makes a story imaginative
_ROW_INCHES = 0.14

Stories = Sequence[Sequence[str]]  # of each story the kinds of its sentences, in order


@styled
def story_strips(stories: Mapping[str, Stories]) -> Picture:
    """Stories as strips, one block of rows for each name, on the same prompts.

    stories : name to the kinds of sentences of each story, as `gold.read(…).kinds`
        gives them; row for row of the same prompt, or the eye compares what differs
        for another reason.
    """
    if len({len(rows) for rows in stories.values()}) != 1 or not all(stories.values()):
        raise ValueError(
            f"{[len(rows) for rows in stories.values()]} stories; expected one or more "
            "of each name, and equally many: row for row of the same prompt"
        )
    count = len(next(iter(stories.values())))
    height = 0.7 + len(stories) * (0.28 + _ROW_INCHES * count)
    figure = Picture(figsize=(WIDTH_INCHES, height))
    blocks = figure.subplots(len(stories), 1, squeeze=False, sharex=True)[:, 0]
    for axes, (name, rows) in zip(blocks, stories.items(), strict=True):
        for place, kinds in enumerate(rows):
            for column, kind in enumerate(kinds):
                _sentence(axes, place, column, kind)
        axes.set_title(name, fontsize=10)
        axes.set(ylim=(count, 0), yticks=[])
        axes.spines[:].set_visible(False)
        axes.tick_params(axis="x", length=0, labelbottom=False)
    longest = max(len(kinds) for rows in stories.values() for kinds in rows)
    blocks[-1].set(xlim=(0, max(longest, 12)))
    blocks[-1].set_xlabel("each row a story, each cell a sentence, from left to right")
    _name_kinds(figure, stories)
    return figure.told(_in_words(stories))


def letter_colour(kind: str) -> str:
    return "white" if kind == "contradiction" else INK


def _sentence(axes: Axes, row: int, column: int, kind: str) -> None:
    letter, paper = SENTENCES[kind]
    look = {"facecolor": paper, "linewidth": 0}
    axes.add_patch(Rectangle((column + 0.03, row + 0.06), 0.94, 0.88, **look))
    look = {"ha": "center", "va": "center", "fontsize": 7, "color": letter_colour(kind)}
    look["fontweight"] = "bold" if kind in (*ADDED, "contradiction") else "normal"
    axes.text(column + 0.5, row + 0.53, letter, **look)


def _name_kinds(figure: Picture, stories: Mapping[str, Stories]) -> None:
    """A legend of the kinds that occur."""
    told = {kind for rows in stories.values() for kinds in rows for kind in kinds}
    patches = [
        Patch(facecolor=paper, edgecolor=INK, linewidth=0.6, label=f"{letter} {kind}")
        for kind, (letter, paper) in SENTENCES.items()
        if kind in told
    ]
    columns = min(5, len(patches))
    legend_above(figure, columns=columns, handles=patches, handlelength=1.2, fontsize=9)


def _in_words(stories: Mapping[str, Stories]) -> str:
    told = []
    for name, rows in stories.items():
        counts = Counter(kind for kinds in rows for kind in kinds)
        added = sum(counts[kind] for kind in ADDED) / len(rows)
        every = ", ".join(
            f"≈{counts[kind]} {kind}" for kind in (*ADDED, "contradiction")
        )
        told.append(f"{name}: {about(added)} additions a story ({every})")
    return (
        f"stories as rows, {len(rows)} of each on the same prompts, a cell a sentence, "
        f"its kind in colour and letter. {'; '.join(told)}."
    )
