"""What an update did, in a few plain sentences."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Report:
    """What an update did, to be told."""

    first_day: bool = False
    counts: Counter = field(default_factory=Counter)
    delivered: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def tell(self, place: str, counts: Counter) -> None:
        self.counts += counts
        self.updated.append(place)
        if counts["beside"]:
            self.beside.append(place)

    def sentences(self) -> list[str]:
        said = list(self.remarks)
        if self.first_day:
            return [
                f"Your working copy is made: {len(self.delivered)} notebooks.",
                *said,
            ]
        if self.delivered:
            said.append(f"New in your folder: {names(self.delivered)}.")
        if self.updated:
            said.append(f"Brought up to date: {names(self.updated)}.")
            words = ("new", "replaced", "gone")
            parts = [f"{self.counts[w]} {w}" for w in words if self.counts[w]]
            kept = f"{self.counts['kept']} of your own kept"
            said.append(f"Cells: {', '.join([*parts, kept])}.")
        if self.beside:
            said.append(
                "Where you and the course changed the same cell, yours stays and the "
                f"course's new version stands below it: {names(self.beside)}."
            )
        return said


def names(places: list[str]) -> str:
    return ", ".join(place.removesuffix(".ipynb") for place in places)
