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
import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field

from llmlab.course.cells import content, digest, is_blank, markdown_cell
from llmlab.course.matching import Cells, Match, have_ids, kept_order, same, versions

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
    known, base = base is not None, new if base is None else base
    became = versions(base, new, by_place=True)
    settled = same(mine, new)
    origin = _origins(base, mine, settled, became)
    counts = Counter()
    moved = _moved_by_the_course(became, origin, base, mine, settled)
    groups, waiting = [], {}
    for i, cell in enumerate(mine):
        old = base[origin[i]] if i in origin else None
        j = settled.get(i, became.get(origin.get(i)))
        if old is None and j is None:
            if cell.get("id", "").startswith(BESIDE) and groups:
                groups[-1].cells.append(cell)
            else:
                groups.append(Group([cell]))
                counts["kept"] += not is_blank(cell)
            continue
        untouched = i in settled or content(cell) == content(old)
        if j is None and untouched:
            counts["gone"] += 1
        elif untouched:
            group = Group([_brought_up(cell, old, new[j], counts)], j)
            if j in moved and i in moved[j]:
                waiting[j] = group
            else:
                groups.append(group)
        else:
            conflict = j is not None and (not known or content(old) != content(new[j]))
            groups.append(Group([cell], j, conflict))
            counts["kept"] += 1
    _insert(groups, waiting, base, became, known, settled, new, counts)
    _stand_beside(groups, new, counts)
    cells = _with_ids(groups, new)
    merged = Merged(cells, counts)
    raise_if_lost([*base, *new], mine, cells)
    return merged


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


def _origins(base: Cells, mine: Cells, settled: Match, became: Match) -> Match:
    """The cell of `base` that each of `mine` was, where it was one."""
    delivered_as = {j: b for b, j in became.items()}
    origin = {i: delivered_as[j] for i, j in settled.items() if j in delivered_as}
    mine_left = [
        i
        for i in range(len(mine))
        if i not in settled and not mine[i].get("id", "").startswith(BESIDE)
    ]
    base_left = [b for b in range(len(base)) if b not in origin.values()]
    ours, theirs = [mine[i] for i in mine_left], [base[b] for b in base_left]
    # Without any id of ours another editor took them: the place is all that is left.
    by_place = not have_ids(mine, base)
    for i, b in versions(ours, theirs, by_place=by_place).items():
        origin[mine_left[i]] = base_left[b]
    return origin


def _moved_by_the_course(became, origin, base, mine, settled) -> dict[int, set[int]]:
    """Places in `new` of what the course moved, each with the cells of `mine` that may
    follow: those that the learner did not move."""
    by_course = set(became) - kept_order(became)
    in_place = kept_order(origin)
    return {
        became[b]: {i for i in in_place if origin[i] == b} for b in sorted(by_course)
    }


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
    for key in before.keys() | new["metadata"].keys():
        if cell["metadata"].get(key) == before.get(key):
            result["metadata"].pop(key, None)
            if key in new["metadata"]:
                result["metadata"][key] = copy.deepcopy(new["metadata"][key])
    return result


def _insert(groups, waiting, base, became, known, settled, new, counts) -> None:
    """Put what is new, and what the course moved, behind its predecessor."""
    present = {group.new for group in groups}
    was_there = set(became.values()) if known else set()
    for j, cell in enumerate(new):
        if j in present or (j in was_there and j not in waiting):
            continue
        if j in waiting:
            group = waiting[j]
        else:
            group = Group([copy.deepcopy(cell)], j)
            counts["new"] += 1
        before = [k for k, other in enumerate(groups) if other.new is not None]
        before = [k for k in before if groups[k].new < j]
        place = max(before, key=lambda k: groups[k].new) + 1 if before else 0
        groups.insert(place, group)
        present.add(j)


def _stand_beside(groups: list[Group], new: Cells, counts: Counter) -> None:
    """Put the course's version below a learner's where both changed the cell."""
    for group in groups:
        if group.new is not None:
            first, *rest = group.cells
            settled = content(first) == content(new[group.new])
            if group.conflict or settled:
                rest = [cell for cell in rest if not is_untouched_beside(cell)]
            group.cells = [first, *rest]
    written = {content(cell) for group in groups for cell in group.cells}
    for group in groups:
        if group.conflict:
            counts["beside"] += 1
            beside = _beside(new[group.new])
            if content(beside) not in written:
                group.cells.insert(1, beside)


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
                    name = hashlib.sha256(f"{name} {len(cells)}".encode()).hexdigest()[
                        :8
                    ]
                cell["id"] = name
                used.add(name)
            cells.append(cell)
    return cells
