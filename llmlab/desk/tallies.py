"""How many predictions of a chapter came true, and how sure a person was of them."""

import html

import traitlets
from IPython.display import display

from llmlab.desk import predictions
from llmlab.desk.desk_view import DeskView
from llmlab.desk.drawer import Drawer

INVITATION = (
    "Run this chapter yourself, and this line counts your predictions: how many you "
    "made, how many came true, and whether you were as sure as you were right."
)
ENOUGH = 3  # predictions of one sureness, before anything is said of it


class Tally(DeskView):
    """The predictions of a chapter, counted from the drawer each time it is seen."""

    found = traitlets.Dict().tag(sync=True)

    def __init__(self, chapter: str, drawer: Drawer):
        super().__init__(drawer)
        self.chapter = chapter

    def look(self) -> None:
        """Count anew."""
        rows = self.drawer.chapter(self.chapter)
        start = f"{self.chapter}/"
        here = {name for name in predictions.asked if name.startswith(start)}
        self.found = count(rows, len(here | {row["name"] for row in rows}))
        self.status = self.drawer.remark

    def static_html(self) -> str:
        return f"<p><b>Tally.</b> {html.escape(INVITATION)}</p>"

    def __repr__(self) -> str:
        return f"Tally. {INVITATION}"


def tally(chapter: str) -> None:
    """Show how many predictions of a chapter were made, and how they turned out."""
    display(Tally(chapter, Drawer()))


def count(rows: list[dict], invited: int) -> dict:
    """What a tally shows of the rows of a drawer.

    invited : how many predictions the chapter asks for. Those made after their answer
        was seen are not counted.

    Returns a dict of invited, made, judged, hits; levels, one (sure, judged, hits) for
    each sureness that was used; and sentences that say the same.
    """
    made = [row for row in rows if row["predicted"] is not None and not row["late"]]
    judged = [row for row in made if row["hit"] is not None]
    levels = []
    for sure in predictions.SURE:
        hits = [row["hit"] for row in judged if row["sure"] == sure]
        if hits:
            levels.append([sure, len(hits), sum(hits)])
    numbers = {
        "invited": invited,
        "made": len(made),
        "judged": len(judged),
        "hits": sum(row["hit"] for row in judged),
    }
    said = [_how_many(**numbers), _how_well_judged(levels)]
    return numbers | {"levels": levels, "sentences": list(filter(None, said))}


def _how_many(invited: int, made: int, judged: int, hits: float) -> str:
    if not made:
        return (
            f"You have made none of {invited} predictions yet. Being wrong is when one "
            "learns most: go back and try one."
        )
    came = f"{_halves(hits)} of {judged} answered came true"
    came = came if judged else "none is answered yet"
    return f"You made {made} of {invited} predictions; {came}."


def _how_well_judged(levels: list[list]) -> str:
    """One sentence about the sureness that was used most."""
    if not levels:
        return ""
    sure, number, hits = max(levels, key=lambda level: (level[1], level[0]))
    if number < ENOUGH:
        return ""
    expected = number * sure / 100
    said = f"Of {number} that you were {sure} % sure of, {_halves(hits)} came true: "
    if abs(hits - expected) <= max(1, 0.15 * number):
        return said + "well judged."
    if hits > expected:
        return said + "you know more than you think."
    return said + "be a little less sure next time."


def _halves(number: float) -> str:
    """5.5 as 5½: what was partly right counts one half."""
    whole = str(int(number)) if number >= 1 or number == 0 else ""
    return whole + ("½" if number % 1 else "")
