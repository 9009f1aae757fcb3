"""An update of the course under a learner's hands: whatever they did is still there.

And so is what the course has new.
"""

import random
import re
import shutil

import pytest
from working_copies import (
    NAME,
    WORDS,
    cell,
    course,
    edit,
    is_whole,
    place,
    read,
    sources,
    tree,
)

from authoring.course import cells as files
from authoring.course import merging
from authoring.course.matching import kept_order
from authoring.course.merging import LostCell, merge
from authoring.course.working_copy import bring_up_to_date

# What the course becomes: two cells in other words, one new, one moved, one gone.
NEW = {
    "title": WORDS["title"],
    "imports": WORDS["imports"],
    "explain": WORDS["explain"] + " It finds one, and flies home.",
    "train": WORDS["train"].replace("300", "600"),
    "ask": WORDS["ask"],
    "plot": "import matplotlib.pyplot as plt\nplt.plot([4.0, 0.2])",
    "end": WORDS["end"],
}
GONE = WORDS["check"]


@pytest.fixture
def folder(tmp_path):
    bring_up_to_date(tmp_path / "my_course", course(tmp_path))
    return tmp_path / "my_course"


@pytest.fixture
def update(folder, tmp_path):
    return lambda words=NEW: bring_up_to_date(folder, course(tmp_path, words))


# What learners do. Each takes the cells as they were delivered.


def leaves_it(cells):
    pass


def changes_what_the_course_changes(cells):
    cells[place(cells, "train")]["source"] += "\nprint('slower')"


def changes_what_the_course_leaves(cells):
    cells[place(cells, "ask")]["source"] += " I say: below 0.3."


def changes_what_the_course_drops(cells):
    cells[place(cells, "check")]["source"] = "assert loss < 0.5, 'my own bound'"


def changes_every_cell(cells):
    for one in cells:
        one["source"] += "\n# mine"


def writes_one_anew(cells):
    cells[place(cells, "explain")]["source"] = "Nothing of the old sentence is left."


def deletes_what_the_course_changes(cells):
    del cells[place(cells, "train")]


def deletes_the_first(cells):
    del cells[0]


def deletes_all(cells):
    cells.clear()


def adds_at_both_ends(cells):
    cells.insert(0, cell("first", "my first note"))
    cells.append(cell("last", "print('my last word')", "code"))


def adds_where_the_course_adds(cells):
    cells.insert(place(cells, "ask") + 1, cell("mine", "I expect 0.2."))


def adds_blank_cells(cells):
    for at in (1, 4, 4):
        cells.insert(at, cell("blank", "", "code", id=f"blank-{at}-{len(cells)}"))


def moves_one_up(cells):
    cells.insert(1, cells.pop(place(cells, "train")))


def cuts_and_pastes_one(cells):
    one = cells.pop(place(cells, "explain"))
    cells.append(one | {"id": "pasted"})


def turns_all_round(cells):
    cells.reverse()


def splits_one(cells):
    at = place(cells, "train")
    first, rest = cells[at]["source"].split("\n", 1)
    cells[at]["source"] = rest
    cells.insert(at, cell("half", first, "code", id="other-half"))


def joins_two(cells):
    at = place(cells, "explain")
    cells[at]["source"] += "\n\n" + cells.pop(place(cells, "ask"))["source"]


def copies_one(cells):
    at = place(cells, "train")
    cells.insert(at + 1, cells[at] | {"id": "a-copy"})


def copies_one_with_its_id(cells):
    at = place(cells, "train")
    changed = cells[at]["source"] + "\n# once more"
    cells.insert(at, cells[at] | {"source": changed})


def makes_code_of_text(cells):
    at = place(cells, "explain")
    cells[at] = cell("explain", "# " + cells[at]["source"], "code", id=cells[at]["id"])


def pastes_a_picture(cells):
    one = cells[place(cells, "explain")]
    one["source"] += "\n\n![a gull](attachment:gull.png)"
    one["attachments"] = {"gull.png": {"image/png": "aGVsbG8="}}


def loses_all_ids(cells):
    for one in cells:
        del one["id"]
    cells[place(cells, "train")]["source"] += "\nprint('slower')"


def gets_other_ids(cells):
    for number, one in enumerate(cells):
        one["id"] = f"vscode-{number}"
    cells[place(cells, "explain")]["source"] = "All in words of my own."
    cells.insert(3, cell("mine", "and a note", id="vscode-n"))


def loses_all_metadata(cells):
    for one in cells:
        one["metadata"] = {}
        one.pop("execution_count", None)
    changes_what_the_course_changes(cells)


def wrote_what_the_course_writes_now(cells):
    cells[place(cells, "train")]["source"] = NEW["train"]


def took_spaces_from_the_ends(cells):
    for one in cells:
        one["source"] = one["source"].replace("\n", "  \n") + "\n"


def has_ids_that_no_one_may_have(cells):
    cells[0]["id"], cells[1]["id"], cells[2]["id"] = "not an id!", 7, None
    cells.append(cell("x", "x" * 3, id="z" * 99))


DEEDS = [
    value for value in list(globals().values()) if getattr(value, "__code__", None)
    and value.__code__.co_varnames[:1] == ("cells",) and value.__module__ == __name__
]  # fmt: skip
DELETED = {
    deletes_what_the_course_changes: {"train"},
    deletes_the_first: {"title"},
    deletes_all: set(WORDS),
    joins_two: {"ask"},
}


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
def test_whatever_a_learner_did_is_there_and_so_is_what_is_new(folder, update, deed):
    assert len(DEEDS) >= 20
    before = edit(folder, deed)
    update()
    after = [files.content(c)[1] for c in read(folder)["cells"]]
    theirs = [files.content(c)[1] for c in before if c["source"] not in WORDS.values()]
    if deed is not took_spaces_from_the_ends:
        assert all(theirs.count(s) <= after.count(s) for s in theirs)
    for name, text in NEW.items():
        if name not in DELETED.get(deed, ()):
            assert any(text in source for source in after), name
    assert is_whole(folder)


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
def test_an_update_done_twice_is_an_update_done_once(folder, update, deed):
    edit(folder, deed)
    update()
    once = tree(folder)
    assert not update().updated
    assert tree(folder) == once


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
def test_the_learners_order_holds(folder, update, deed):
    before = [c["source"] for c in edit(folder, deed)]
    update()
    after = sources(folder)
    stays = [s for s in before if s.strip() and before.count(s) == after.count(s) == 1]
    assert [s for s in after if s in stays] == stays


def test_what_is_untouched_is_exactly_the_new_course(folder, update):
    update()
    assert sources(folder) == list(NEW.values())


def test_what_is_new_stands_behind_its_predecessor(folder, update):
    edit(folder, moves_one_up)
    edit(folder, adds_where_the_course_adds)
    update(WORDS | {"plot": "plot()"} | {"more": "and more"})
    after = sources(folder)
    assert after[-2:] == ["plot()", "and more"]
    assert after.index("I expect 0.2.") == after.index(WORDS["ask"]) + 1


def test_what_the_course_moves_moves_unless_the_learner_changed_or_moved_it(
    folder, update
):
    names = ["title", "check", "imports", "explain", "train", "ask", "end"]
    moved = {name: WORDS[name] for name in names}
    edit(folder, lambda cells: cells[place(cells, "check")].update(outputs=[{"a": 1}]))
    edit(folder, lambda cells: cells.append(cell("own", "mine")))
    update(moved)
    assert sources(folder) == [*moved.values(), "mine"]
    assert read(folder)["cells"][1]["outputs"] == [{"a": 1}]

    edit(folder, lambda cells: cells.insert(0, cells.pop(2)))
    update(WORDS)
    assert sources(folder)[0] == WORDS["imports"]


def test_a_deleted_cell_stays_deleted_when_the_course_changes_it(folder, update):
    edit(folder, deletes_what_the_course_changes)
    update()
    assert not any("range(" in source for source in sources(folder))


def test_the_new_version_of_a_changed_cell_stands_below_it_and_does_not_run(
    folder, update
):
    edit(folder, changes_what_the_course_changes)
    report = update()
    cells = read(folder)["cells"]
    at = next(i for i, c in enumerate(cells) if "slower" in c["source"])
    beside = cells[at + 1]
    assert beside["cell_type"] == "markdown" and "new version" in beside["source"]
    assert f"```python\n{NEW['train']}\n```" in beside["source"]
    assert report.beside == [NAME] and any("below it" in s for s in report.sentences())


def test_code_that_holds_a_fence_stands_whole_in_a_longer_one(folder, update):
    edit(folder, changes_what_the_course_changes)
    code = NEW["train"] + "\nprint('```')"
    update(NEW | {"train": code})
    assert any(f"````python\n{code}\n````" in source for source in sources(folder))


def test_where_it_is_unknown_what_was_delivered_every_difference_is_shown(
    folder, update
):
    edit(folder, changes_what_the_course_changes)
    shutil.rmtree(folder / ".course" / "base")
    assert update().beside == [NAME]
    assert any("new version" in s and NEW["train"] in s for s in sources(folder))


def test_a_later_version_takes_the_place_of_the_one_beside(folder, update):
    edit(folder, changes_what_the_course_changes)
    update()
    update(NEW | {"train": WORDS["train"].replace("300", "900")})
    beside = [s for s in sources(folder) if "new version" in s]
    assert len(beside) == 1 and "range(900)" in beside[0]


def test_a_version_beside_that_the_learner_wrote_into_is_theirs(folder, update):
    edit(folder, changes_what_the_course_changes)
    update()

    def write_into(cells):
        at = next(i for i, c in enumerate(cells) if "new version" in c["source"])
        cells[at]["source"] += "\n\nI do not like it."

    edit(folder, write_into)
    update(NEW | {"train": WORDS["train"].replace("300", "900")})
    after = sources(folder)
    assert sum("I do not like it." in s for s in after) == 1
    assert sum("new version" in s for s in after) == 2


def test_who_takes_the_new_version_is_rid_of_the_one_beside(folder, update):
    edit(folder, changes_what_the_course_changes)
    update()

    def take_it(cells):
        at = next(i for i, c in enumerate(cells) if "slower" in c["source"])
        cells[at]["source"] = NEW["train"]

    edit(folder, take_it)
    update(NEW | {"end": "The end."})
    assert not any("new version" in s for s in sources(folder))


def test_outputs_stay_with_the_code_that_made_them(folder, update):
    def run_all(cells):
        for number, one in enumerate(cells):
            if one["cell_type"] == "code":
                one["outputs"] = [{"output_type": "stream", "name": "stdout"}]
                one["outputs"][0]["text"] = [f"{number}\n"]
                one["execution_count"] = number

    edit(folder, run_all)
    update()
    with_outputs = [c["source"] for c in read(folder)["cells"] if c.get("outputs")]
    assert with_outputs == [NEW["imports"]]


def test_metadata_of_the_course_and_of_the_learner_both_count(folder, tmp_path):
    (page,) = course(tmp_path)
    for one in page.notebook["cells"]:
        one["metadata"] = {"tags": ["new"]} | dict.fromkeys("edcba", 1)
    edit(folder, lambda cells: cells[1]["metadata"].update(collapsed=True))
    bring_up_to_date(folder, [page])
    metadata = read(folder)["cells"][1]["metadata"]
    assert metadata["tags"] == ["new"] and metadata["collapsed"] is True
    assert list(metadata) == ["collapsed", "tags", *"edcba"], "each time the same bytes"


# No cell is lost, whatever is done and however often


def at_random(dice, cells, number):
    """One edit; what is written holds its number, so that it can be found again."""
    deed = dice.choice("change change add add delete move split join copy".split())
    at = dice.randrange(len(cells)) if cells else 0
    kind = dice.choice(["code", "markdown"])
    if deed == "add" or not cells:
        cells.insert(at, cell("x", f"own {number}", kind, id=f"n{number}"))
    elif deed == "change":
        words = cells[at]["source"].split(" ")
        words[dice.randrange(len(words))] = f"changed {number}"
        cells[at]["source"] = " ".join(words)
    elif deed == "delete":
        del cells[at]
    elif deed == "move":
        cells.insert(dice.randrange(len(cells)), cells.pop(at))
    elif deed == "split":
        half = len(cells[at]["source"]) // 2
        rest = cells[at]["source"][half:]
        cells[at]["source"] = cells[at]["source"][:half] + f" cut {number}"
        cells.insert(at + 1, cell("x", f"{number} {rest}", kind, id=f"n{number}"))
    elif deed == "join" and at + 1 < len(cells):
        cells[at]["source"] += f"\njoined {number}\n" + cells.pop(at + 1)["source"]
    elif deed == "copy":
        cells.insert(at, cells[at] | {"id": f"n{number}"})
    cells[:] = [c for c in cells if c["source"]]


def random_course(dice, before=None):
    """Twelve cells of random words, or the next version of some."""
    letters = "gull harbour fish boat net wave rope lamp rain wind sand shell".split()
    sentence = lambda: " ".join(dice.choices(letters, k=dice.randint(3, 12)))  # noqa: E731
    cells = list(before or ())
    for _ in range(5 if before else 12):
        at = dice.randrange(len(cells) + 1)
        deed = dice.choice(["add", "change", "drop", "move"]) if before else "add"
        kind = dice.choice(["code", "markdown"])
        if deed == "add" or at == len(cells):
            cells.insert(at, cell("x", sentence(), kind))
        elif deed == "change":
            words = cells[at]["source"] + " " + dice.choice(letters)
            cells[at] = cell("x", words, cells[at]["cell_type"])
        elif deed == "drop":
            del cells[at]
        else:
            cells.insert(dice.randrange(len(cells)), cells.pop(at))
    unique = {c["id"]: c for c in cells}
    return list(unique.values())


@pytest.mark.parametrize("ids", ["kept", "lost", "others"])
@pytest.mark.parametrize("seed", range(100))
def test_no_cell_of_a_learner_is_lost_in_three_updates_of_random_edits(seed, ids):
    dice = random.Random(seed)
    base = random_course(dice)
    mine = [dict(c) for c in base]
    for day in range(3):
        for number in range(dice.randrange(8)):
            at_random(dice, mine, 100 * day + number)
        if ids != "kept":
            for number, one in enumerate(mine):
                one.pop("id", None)
                if ids == "others":
                    one["id"] = f"colab-{number}"
        new = random_course(dice, base)
        merged = merge(base, mine, new).cells
        theirs = [c["source"] for c in mine if re.search(r"\d", c["source"])]
        after = [c["source"] for c in merged]
        assert all(after.count(s) >= theirs.count(s) for s in theirs)
        assert len({c["id"] for c in merged}) == len(merged)
        again = merge(base, merged, new).cells
        assert [c["source"] for c in again] == after, "done again, nothing changes"
        assert [c["source"] for c in merge(new, merged, new).cells] == after
        base, mine = new, [dict(c) for c in merged]


@pytest.mark.parametrize("seed", range(100))
def test_what_is_new_in_the_course_is_there_after_random_edits(seed):
    """But for what became of a cell that the learner had deleted."""
    dice = random.Random(seed)
    base = random_course(dice)
    mine = [dict(c) for c in base]
    for number in range(6):
        at_random(dice, mine, number)
    new = random_course(dice, base)
    merged = merge(base, mine, new).cells
    there = {c.get("id") for c in mine}
    became = merging.versions(base, new)
    deleted = {j for b, j in became.items() if base[b]["id"] not in there}
    after = [c["source"] for c in merged]
    as_before = {j for b, j in became.items() if base[b]["id"] == new[j]["id"]}
    for j, one in enumerate(new):
        if j not in deleted | as_before:
            assert any(one["source"] in source for source in after)


def test_a_sick_merge_writes_nothing(folder, update, monkeypatch):
    """The merge that takes every cell of the learner's for an old one of the course."""
    edit(folder, adds_at_both_ends)
    before = tree(folder)
    healthy = merging._insert

    def sick(groups, waiting):
        groups[:] = [group for group in groups if group.new is not None]
        healthy(groups, waiting)

    monkeypatch.setattr(merging, "_insert", sick)
    base, mine = course(folder)[0].notebook["cells"], read(folder)["cells"]
    with pytest.raises(LostCell, match="my first note|my last word"):
        merge(base, mine, base)
    report = update()
    assert not report.updated and "left as it is" in report.remarks[0]
    assert tree(folder) == before


def test_the_longest_run_that_kept_its_order():
    assert kept_order({0: 0, 1: 5, 2: 1, 3: 2}) == {0, 2, 3}
    assert kept_order({}) == set()
