"""Which cell of one version of a notebook is which cell of another.

Cells are named by their place in a list; a match maps places of the first list to
places of the second, no two to the same.
"""

import bisect
import itertools
import re
from collections import Counter, defaultdict

from authoring.course.cells import content, is_blank

Cells = list[dict]
Match = dict[int, int]
# Below that share of common words two cells are not versions of each other.
ALIKE = 0.5


def same(old: Cells, new: Cells) -> Match:
    """Cells of equal content: of one id, else the first with the first, and so on."""
    pairs = of_one_id(old, new).items()
    found = {i: j for i, j in pairs if content(old[i]) == content(new[j])}
    waiting = defaultdict(list)
    for j in reversed(_left(new, found.values())):
        waiting[content(new[j])].append(j)
    for i in _left(old, found):
        if not is_blank(old[i]) and waiting[content(old[i])]:
            found[i] = waiting[content(old[i])].pop()
    return found


def versions(old: Cells, new: Cells, *, by_place: bool = False) -> Match:
    """Cells of which one became the other: same id, same content, or much alike.

    by_place : also pair, type by type, what is left between two pairs: a cell written
        anew from the first word to the last.
    """
    found = of_one_id(old, new)
    rest_old, rest_new = _left(old, found), _left(new, found.values())
    equal = same([old[i] for i in rest_old], [new[j] for j in rest_new])
    found.update({rest_old[i]: rest_new[j] for i, j in equal.items()})
    found.update(_alike(old, new, found))
    if by_place:
        found.update(_between_pairs(old, new, found))
    return found


def kept_order(match: Match) -> set[int]:
    """The places of the first list in the longest run that kept its order."""
    ends, chain = [], []  # smallest last j of a run of each length; its i, and before
    last, before = [], {}
    for i, j in sorted(match.items()):
        length = bisect.bisect_left(ends, j)
        before[i] = last[length - 1] if length else None
        ends[length : length + 1], last[length : length + 1] = [j], [i]
    i = last[-1] if last else None
    while i is not None:
        chain.append(i)
        i = before[i]
    return set(chain)


def _left(cells: Cells, taken) -> list[int]:
    taken = set(taken)
    return [i for i in range(len(cells)) if i not in taken]


def of_one_id(old: Cells, new: Cells) -> Match:
    """Where several cells have one id (copied by hand), the first that is the same."""
    where = {}
    for j, cell in enumerate(new):
        where.setdefault(cell.get("id"), j)
    where.pop(None, None)
    found, taken = {}, set()
    for must_equal in (True, False):
        for i, cell in enumerate(old):
            j = where.get(cell.get("id"))
            if j is None or j in taken or i in found:
                continue
            if not must_equal or content(cell) == content(new[j]):
                found[i] = j
                taken.add(j)
    return found


def _words(cell: dict) -> Counter:
    return Counter(re.findall(r"\w+", cell["source"]))


def _alike(old: Cells, new: Cells, found: Match) -> Match:
    """The rest, most alike first; among equals, those least far apart."""
    candidates = []
    new_words = {j: _words(new[j]) for j in _left(new, found.values())}
    for i in _left(old, found):
        words = _words(old[i])
        for j, others in new_words.items():
            common = 2 * (words & others).total()
            alike = common / max(words.total() + others.total(), 1)
            if alike >= ALIKE and old[i]["cell_type"] == new[j]["cell_type"]:
                far = abs(i / len(old) - j / len(new))
                candidates.append((-alike, far, i, j))
    pairs, taken = {}, set()
    for _, _, i, j in sorted(candidates):
        if i not in pairs and j not in taken:
            pairs[i] = j
            taken.add(j)
    return pairs


def _between_pairs(old: Cells, new: Cells, found: Match) -> Match:
    fixed = [(-1, -1), *((i, found[i]) for i in sorted(kept_order(found)))]
    fixed.append((len(old), len(new)))
    pairs, taken = {}, set(found.values())
    for (i, j), (next_i, next_j) in itertools.pairwise(fixed):
        for left in range(i + 1, next_i):
            kind = old[left]["cell_type"]
            rights = (k for k in range(j + 1, next_j) if k not in taken)
            right = next((k for k in rights if new[k]["cell_type"] == kind), None)
            if left not in found and right is not None:
                pairs[left] = right
                taken.add(right)
    return pairs
