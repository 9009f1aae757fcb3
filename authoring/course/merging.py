"""Bring a notebook up to date under its learner's changes: a merge of three versions.

`base` is what the course delivered last, `mine` what the learner made of it, `new`
what the course would deliver now. Nothing here knows of files.

The order of `mine` holds. A cell that the learner left as it was becomes its new
version, or goes with it; what the learner wrote, changed, moved or deleted stays so.
Where both changed a cell, the learner's stays and the new version stands below it, as
text that does not run. Merging twice is merging once, so that an update that was
interrupted is simply done again.
"""

import copy
import functools
import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field

from authoring.course.cells import content, digest, is_blank, markdown_cell
from authoring.course.matching import (
    Cells,
    Match,
    kept_order,
    of_one_id,
    same,
    versions,
)

BESIDE = "beside-"
MARK = "> **The course has a new version of the cell above.** Yours was kept; this is"


@dataclass
class Merged:
    """The cells, and how many of them are new, replaced, gone, kept, beside."""

    cells: Cells = field(default_factory=list)
    counts: Counter = field(default_factory=Counter)


@dataclass
class Group:
    """A learner's cell with what stands right below it; `new`: its place in `new`."""

    cells: Cells
    new: int | None = None
    conflict: bool = False


class LostCell(AssertionError):
    """A merge would have lost a cell of the learner's; nothing was written."""


def merge(base: Cells | None, mine: Cells, new: Cells) -> Merged:
    """base : None where it is not known what was delivered: then every difference to
    `new` counts as the learner's, and every cell that is missing as new.

    Raises
    ------
    LostCell : a fault of this module, found before anything is written.
    """
    kin, counts = Kin.of(base, mine, new), Counter()
    groups, waiting = [], {}
    for i, cell in enumerate(mine):
        old, j = kin.old(i), kin.now.get(i)
        course = None if j is None else new[j]
        if old is None and course is None:
            _keep_own(groups, cell, counts)
        elif content(cell) not in [content(c) for c in (old, course) if c]:
            differs = base is None if old is None else j is not None
            conflict = differs and (old is None or content(old) != content(course))
            groups.append(Group([cell], j, conflict))
            counts["kept"] += 1
        elif course is None and (kin.by_place or cell.get("id") == old["id"]):
            counts["gone"] += 1
        elif course is None:  # under another id it is the learner's own copy
            _keep_own(groups, cell, counts)
        else:
            group = Group([_brought_up(cell, old, course, counts)], j)
            if i in kin.moved:
                waiting[j] = group
            else:
                groups.append(group)
    for j in kin.missing():
        counts["new"] += 1
        waiting[j] = Group([copy.deepcopy(new[j])], j)
    _insert(groups, waiting)
    _stand_beside(groups, new, counts)
    cells = _with_ids(groups, new)
    raise_if_lost([*(base or []), *new], mine, cells)
    return Merged(cells, counts)


@dataclass
class Kin:
    """Which cells of the three versions are one: places in lists, mapped to places.

    moved : places in `mine` of what the course moved, where the learner moved nothing.
    by_place : `mine` has none of our ids: another editor took them.
    """

    base: Cells | None
    mine: Cells
    new: Cells
    became: Match  # base to new
    origin: Match  # mine to base
    now: Match  # mine to new
    moved: set[int] = field(default_factory=set)
    by_place: bool = False

    @classmethod
    def of(cls, base: Cells | None, mine: Cells, new: Cells) -> "Kin":
        kin = cls(base, mine, new, versions(base or [], new), {}, {})
        # New ids first: an update that was interrupted has given them already.
        kin._pair(of_one_id, new)
        kin._pair(of_one_id, base or [])
        kin.by_place = not kin.now and not kin.origin
        kin._pair(same, new)
        last = new if base is None else base
        kin._pair(functools.partial(versions, by_place=kin.by_place), last)
        was_here = {c.get("id") for c in mine} & (ids(new) - ids(base or []))
        if not was_here and len(kept_order(kin.origin)) == len(kin.origin):
            by_course = set(kin.became) - kept_order(kin.became)
            kin.moved = {i for i, b in kin.origin.items() if b in by_course}
        return kin

    def _pair(self, match, theirs: Cells) -> None:
        """Pair what is not paired yet of `mine` and of `theirs`, base or new."""
        delivered_as = {j: b for b, j in self.became.items()}
        ours = [i for i in range(len(self.mine)) if i not in self.origin | self.now]
        ours = [i for i in ours if not _is_beside(self.mine[i])]
        taken = self.now.values() if theirs is self.new else self.origin.values()
        left = [k for k in range(len(theirs)) if k not in set(taken)]
        pairs = match([self.mine[i] for i in ours], [theirs[k] for k in left])
        for i, k in ((ours[a], left[b]) for a, b in pairs.items()):
            b, j = (delivered_as.get(k), k) if theirs is self.new else (k, None)
            j = self.became.get(b) if j is None else j
            self.origin |= {} if b is None else {i: b}
            self.now |= {} if j is None else {i: j}

    def old(self, i: int) -> dict | None:
        return self.base[self.origin[i]] if i in self.origin else None

    def missing(self) -> list[int]:
        """Places in `new` of what the learner never had."""
        had = {*self.now.values(), *self.became.values()}
        return [j for j in range(len(self.new)) if j not in had]


def ids(cells: Cells) -> set:
    return {cell["id"] for cell in cells}


def _keep_own(groups: list[Group], cell: dict, counts: Counter) -> None:
    if _is_beside(cell) and groups:
        groups[-1].cells.append(cell)
    else:
        groups.append(Group([cell]))
        counts["kept"] += not is_blank(cell)


def raise_if_lost(delivered: Cells, mine: Cells, cells: Cells) -> None:
    """Every cell of `mine` that the course never delivered must be in `cells`."""
    known = {content(cell) for cell in delivered}
    theirs = Counter(
        content(cell)
        for cell in mine
        if content(cell) not in known and not is_untouched_beside(cell)
    )
    lost = theirs - Counter(map(content, cells))
    if lost:
        raise LostCell(
            f"{lost.total()} cells would be lost, such as {next(iter(lost))}"
        )


def is_untouched_beside(cell: dict) -> bool:
    """A new version that stood below a learner's cell, just as it was put there."""
    return cell.get("id") == BESIDE + digest(cell)[:12]


def _is_beside(cell: dict) -> bool:
    return cell.get("id", "").startswith(BESIDE)


def _brought_up(cell: dict, old: dict | None, new: dict, counts: Counter) -> dict:
    """The new version of a cell that the learner left as it was.

    Where the text is the same, outputs stay. Metadata is merged key by key: what the
    learner set (a folded cell opened) stays.
    """
    same_text = content(cell) == content(new)
    counts["replaced"] += not same_text
    result = copy.deepcopy(cell if same_text else new)
    before = (old or new)["metadata"]
    result["metadata"] = dict(cell["metadata"])
    for key in before | new["metadata"]:
        if cell["metadata"].get(key) == before.get(key):
            result["metadata"].pop(key, None)
            if key in new["metadata"]:
                result["metadata"][key] = copy.deepcopy(new["metadata"][key])
    return result


def _insert(groups: list[Group], waiting: dict[int, Group]) -> None:
    """Put what is new, and what the course moved, behind its predecessor."""
    for j, group in sorted(waiting.items()):
        before = {g.new: k for k, g in enumerate(groups) if g.new is not None}
        last = max((other for other in before if other < j), default=None)
        groups.insert(0 if last is None else before[last] + 1, group)


def _stand_beside(groups: list[Group], new: Cells, counts: Counter) -> None:
    """Put the course's version below a learner's where both changed the cell.

    An older version there, or one that the learner took over by now, goes.
    """
    for group in groups:
        if group.new is None:
            continue
        first, *rest = group.cells
        course = new[group.new]
        if group.conflict or content(first) == content(course):
            rest = [cell for cell in rest if not is_untouched_beside(cell)]
        beside = [_beside(course)] if group.conflict else []
        group.cells = [first, *beside, *rest]
        counts["beside"] += len(beside)


def _beside(cell: dict) -> dict:
    source = cell["source"]
    if cell["cell_type"] == "code":
        longest = max(map(len, re.findall(r"`+", source)), default=0)
        fence = "`" * max(3, longest + 1)
        source = f"{fence}python\n{source}\n{fence}"
    result = markdown_cell(
        "", f"{MARK} the new one:\n\n{source}", copy.deepcopy(cell.get("attachments"))
    )
    result["id"] = BESIDE + digest(result)[:12]
    return result


def _with_ids(groups: list[Group], new: Cells) -> Cells:
    """All cells in order; the course's carry its ids, all others keep their own."""
    cells, used = [], {new[g.new]["id"] for g in groups if g.new is not None}
    for group in groups:
        for place, cell in enumerate(group.cells):
            cell = dict(cell)
            if place == 0 and group.new is not None:
                cell["id"] = new[group.new]["id"]
            else:
                name = str(cell.get("id", ""))
                while not re.fullmatch(r"[\w-]{1,64}", name, re.ASCII) or name in used:
                    seed = f"{name} {len(cells)}".encode("utf-8", "replace")
                    name = hashlib.sha256(seed).hexdigest()[:8]
                cell["id"] = name
                used.add(name)
            cells.append(cell)
    return cells
