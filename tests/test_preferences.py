"""Preferences: probabilities that are known, clicks that are never lost."""

import math
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from llmlab import village
from llmlab.preferences import (
    EQUAL,
    Annotator,
    Comparison,
    LabelStore,
    accuracy_ceiling,
    bradley_terry,
    crowd_agreement,
    crowd_preference,
    gold_agreement,
    label,
    pair_name,
    simulated_crowd,
)


@dataclass(frozen=True)
class Pair:
    prompt: str
    first: str
    second: str


def gold(prompt: str, story: str) -> float:
    return float(story)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_pairs(count: int) -> list[Pair]:
    scores = torch.rand(count, 2, generator=generator(9)) * 8
    return [Pair("tell", f"{a:.3f}", f"{b:.3f}") for a, b in scores.tolist()]


def click(number: int = 0, **changes) -> Comparison:
    values = dict(
        prompt=f"prompt {number}",
        first="plain",
        second="rich",
        preferred=number % 2,
        annotator="Ada",
        source="person",
    )
    return Comparison(**(values | changes))


# Comparisons


def test_winner_and_loser_follow_the_click():
    assert (click(0).winner, click(0).loser) == ("plain", "rich")
    assert (click(1).winner, click(1).loser) == ("rich", "plain")


@pytest.mark.parametrize(
    "preferred",
    [2, -1, None, "1", b"1", 0.3, math.nan, np.int64(2), np.array([0, 1]), 1j],
)
def test_a_comparison_without_a_choice_is_refused(preferred):
    with pytest.raises(ValueError, match="expected 0"):
        click(preferred=preferred)


@pytest.mark.parametrize(
    "number",
    [True, 1.0, np.int64(1), np.bool_(True), np.float32(1), torch.tensor(1)],
)
def test_other_libraries_numbers_are_kept_as_plain_ones(number, tmp_path):
    store = LabelStore(tmp_path / "labels.sqlite")
    store.add(click(preferred=number, swapped=number, time=np.float32(3)))
    (kept,) = LabelStore(store.path).all()
    assert type(kept.preferred) is int and kept.preferred == 1
    assert type(kept.swapped) is bool and type(kept.time) is float
    assert kept == click(1, prompt="prompt 0", swapped=True)


def test_of_two_equal_stories_none_won_and_the_target_lies_in_the_middle(tmp_path):
    store = LabelStore(tmp_path / "labels.sqlite")
    store.add(click(preferred=np.float64(EQUAL)))
    (tie,) = store.all()
    assert tie.preferred == EQUAL
    assert [c.target for c in (click(0), tie, click(1))] == [1, 0.5, 0]
    with pytest.raises(ValueError, match="none of them won"):
        tie.winner  # noqa: B018


def test_a_pair_has_one_name_whichever_story_is_shown_first():
    turned = click(first="rich", second="plain", swapped=True)
    assert turned.pair == click().pair == pair_name("prompt 0", "plain", "rich")
    assert len({click(0).pair, click(1).pair, click(second="other").pair}) == 3
    assert click(pair="my own").pair == "my own"


@pytest.mark.parametrize("field", ["prompt", "first", "second", "annotator"])
def test_texts_that_no_file_can_keep_are_refused(field):
    with pytest.raises(ValueError, match=f"{field} holds half of a surrogate pair"):
        click(**{field: "smile \ud83d"})
    with pytest.raises(ValueError, match=f"{field} is 5; expected a text"):
        click(**{field: 5})


def test_only_known_sources_exist_so_that_nothing_is_called_human_by_accident():
    with pytest.raises(ValueError, match="source"):
        click(source="human")


# Simulated annotators


def test_probability_has_the_closed_form():
    annotator = Annotator("A", taste=1.5, noise=2.0, carelessness=0.1)
    odds = math.exp(1.5 * (5 - 4) / 2.0) * 0.55 / 0.45
    expected = 0.9 * odds / (1 + odds) + 0.1 * 0.55
    assert annotator.probability_first(5, 4) == pytest.approx(expected, abs=1e-14)


def test_equal_stories_show_the_position_bias_and_nothing_else():
    assert Annotator("A", taste=3, noise=0.1).probability_first(2, 2) == pytest.approx(
        0.55
    )


def test_extreme_differences_leave_only_carelessness():
    annotator = Annotator("A", noise=1e-6)
    assert annotator.probability_first(10, 0) == pytest.approx(0.9 + 0.1 * 0.55)
    assert annotator.probability_first(0, 10) == pytest.approx(0.1 * 0.55)


def test_choices_occur_with_the_probability_that_is_stated():
    annotator, draws, source = Annotator("A"), 4000, generator()
    firsts = sum(annotator.choose(3.0, 2.5, source) == 0 for _ in range(draws))
    p = annotator.probability_first(3.0, 2.5)
    error = math.sqrt(p * (1 - p) / draws)
    assert abs(firsts / draws - p) < 4 * error


def test_the_crowd_agrees_with_gold_as_often_as_asked():
    gaps = [float(p.first) - float(p.second) for p in random_pairs(300)]
    crowd = simulated_crowd(20, gaps, generator(), agreement=0.78)
    exact = sum(crowd_preference(crowd, abs(gap), 0) for gap in gaps) / len(gaps)
    assert exact == pytest.approx(0.78, abs=1e-6)
    tastes = torch.tensor([math.log(annotator.taste) for annotator in crowd])
    assert 0.15 < tastes.std() < 0.45
    assert len({annotator.noise for annotator in crowd}) == 1


def test_an_impossible_agreement_is_refused():
    with pytest.raises(ValueError, match="cannot be had"):
        simulated_crowd(5, [1.0, -2.0], generator(), agreement=0.97)


def test_crowd_preference_does_not_know_the_order():
    crowd = [Annotator("A", taste=0.7), Annotator("B", taste=1.3, position_bias=0.8)]
    forwards = crowd_preference(crowd, 4, 3)
    assert forwards + crowd_preference(crowd, 3, 4) == pytest.approx(1, abs=1e-14)
    assert crowd_preference(crowd, 3, 3) == pytest.approx(0.5)
    assert crowd[1].probability_first(3, 3) == pytest.approx(0.8)


def test_labels_match_the_ceiling_that_is_computed_for_them():
    pairs = random_pairs(3000)
    gaps = [float(p.first) - float(p.second) for p in pairs]
    crowd = simulated_crowd(20, gaps[:300], generator())
    labels = label(pairs, gold, crowd, generator(1))
    assert len(labels) == 3000
    # Whoever knows gold and predicts the better story reaches the ceiling.
    right = sum(float(c.winner) > float(c.loser) for c in labels) / len(labels)
    p = torch.tensor([crowd_preference(crowd, abs(gap), 0) for gap in gaps])
    assert abs(right - accuracy_ceiling(p)) < 3 * math.sqrt(0.25 / len(labels))
    assert 0.75 < accuracy_ceiling(p) < 0.81


def test_both_orders_are_shown_and_the_first_is_chosen_more_often():
    pairs = random_pairs(3000)
    labels = label(pairs, gold, [Annotator("A")], generator())
    shown = sum(c.first == p.first for c, p in zip(labels, pairs, strict=True))
    assert shown == sum(not c.swapped for c in labels)
    assert 0.46 < shown / 3000 < 0.54
    firsts = sum(c.preferred == 0 for c in labels)
    assert 0.51 < firsts / 3000 < 0.58


def test_the_lean_to_the_first_is_gone_from_the_order_of_the_pair():
    leaning = [Annotator("A", position_bias=0.8)]
    labels = label([Pair("tell", "2", "2")] * 2000, gold, leaning, generator())
    shown_first = sum(c.preferred == 0 for c in labels) / 2000
    first_of_the_pair = sum(c.preferred == c.swapped for c in labels) / 2000
    assert abs(shown_first - 0.8) < 0.03
    assert abs(first_of_the_pair - crowd_preference(leaning, 2, 2)) < 0.04


def test_several_labels_of_a_pair_come_from_different_annotators():
    crowd = [Annotator(name) for name in "ABCD"]
    labels = label(random_pairs(10), gold, crowd, generator(), labels_per_pair=3)
    assert len(labels) == 30
    for start in range(0, 30, 3):
        assert len({c.annotator for c in labels[start : start + 3]}) == 3
    assert {c.source for c in labels} == {"simulated"}
    with pytest.raises(ValueError, match="labels_per_pair"):
        label(random_pairs(1), gold, crowd, generator(), labels_per_pair=5)


def test_the_same_seed_gives_the_same_labels():
    first, second = (
        label(random_pairs(50), gold, [Annotator("A")], generator(4)) for _ in range(2)
    )
    assert first == second


def test_the_ceiling_of_known_probabilities():
    assert accuracy_ceiling([0.5, 0.9, 0.2]) == pytest.approx((0.5 + 0.9 + 0.8) / 3)


# Agreement


def test_agreement_is_the_share_of_draws_in_which_two_people_choose_alike():
    pairs = random_pairs(60)
    gaps = [float(p.first) - float(p.second) for p in pairs]
    crowd = [Annotator("A", taste=0.3), Annotator("B", noise=2), Annotator("C")]
    labels = label(pairs * 50, gold, crowd, generator(), labels_per_pair=2)
    alike = [
        a.winner == b.winner for a, b in zip(labels[::2], labels[1::2], strict=True)
    ]
    error = math.sqrt(0.25 / len(alike))
    assert abs(sum(alike) / len(alike) - crowd_agreement(crowd, gaps)) < 3 * error


def test_people_agree_less_with_each_other_than_with_the_truth():
    sure, deaf = (Annotator("A", noise=n, carelessness=0) for n in (1e-6, 1e9))
    assert crowd_agreement([sure, sure], [1, -2]) == pytest.approx(1)
    assert crowd_agreement([deaf, deaf], [1, -2]) == pytest.approx(0.5, abs=1e-6)
    assert gold_agreement([sure, deaf], [1, -2, 0]) == pytest.approx(0.75, abs=1e-6)


def test_the_villages_crowd_agrees_as_often_as_is_said_of_it():
    pairs = village.story_pairs(300, seed=0, split="train")
    gaps = [
        village.gold_score(pair.prompt, pair.first)
        - village.gold_score(pair.prompt, pair.second)
        for pair in pairs
    ]
    gaps = [round(gap, 6) for gap in gaps]
    crowd = simulated_crowd(20, gaps, generator(), agreement=0.8)
    assert gold_agreement(crowd, gaps) == pytest.approx(0.8, abs=1e-6)
    assert 0.66 < crowd_agreement(crowd, gaps) < 0.69
    assert 0.70 < crowd_agreement(crowd, [gap for gap in gaps if gap]) < 0.73


# Bradley-Terry


def test_two_items_have_the_closed_form():
    strengths = bradley_terry(torch.tensor([[0.0, 7.0], [3.0, 0.0]]))
    assert (strengths[0] - strengths[1]).item() == pytest.approx(
        math.log(7 / 3), abs=1e-12
    )
    assert strengths.sum().item() == pytest.approx(0, abs=1e-12)


def test_population_labels_give_the_true_strengths_back():
    true = torch.tensor([1.5, -0.3, 0.4, -2.0, 3.0, 0.1], dtype=torch.float64)
    wins = (true[:, None] - true).sigmoid()
    torch.testing.assert_close(
        bradley_terry(wins), true - true.mean(), atol=1e-8, rtol=0
    )


def test_strengths_are_the_maximum_of_the_likelihood_with_a_lopsided_record():
    # Full Newton steps run away to infinity here.
    wins = torch.tensor(
        [
            [0, 334, 604539, 14, 985133, 34],
            [3, 0, 659, 0, 2, 0],
            [1, 60, 0, 0, 0, 1],
            [0, 0, 0, 0, 3, 0],
            [20, 354, 2, 435006, 0, 2448089],
            [130, 10120, 0, 1, 8, 0],
        ]
    )
    strengths = bradley_terry(wins)
    expected = (strengths[:, None] - strengths).sigmoid() * (wins + wins.T)
    # At the maximum every item wins as often as the model expects.
    torch.testing.assert_close(
        expected.sum(1), wins.sum(1).double(), atol=1e-4, rtol=1e-8
    )


def test_a_prior_makes_a_single_click_finite_and_has_its_closed_form():
    wins = torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    with pytest.raises(ValueError, match="give a prior"):
        bradley_terry(wins)
    strengths = bradley_terry(wins, prior=0.5)
    s = strengths[0]
    # Symmetry: strengths are s and -s, where the derivative vanishes.
    slope = torch.sigmoid(-2 * s) + 0.5 * (1 - 2 * torch.sigmoid(s))
    assert slope.item() == pytest.approx(0, abs=1e-12)
    assert strengths[1] == -s


def test_two_groups_that_never_met_cannot_be_ranked():
    wins = torch.zeros(4, 4)
    wins[0, 1] = wins[1, 0] = wins[2, 3] = wins[3, 2] = 1
    with pytest.raises(ValueError, match="compare more pairs"):
        bradley_terry(wins)


def test_a_table_that_is_not_one_is_refused():
    with pytest.raises(ValueError, match="square"):
        bradley_terry(torch.ones(2, 3))


# The store


def test_what_was_added_comes_back_and_can_be_removed_by_its_number(tmp_path):
    store = LabelStore(tmp_path / "labels.sqlite")
    other = click(5, annotator="Bo", first="naïve “quotes” 🌊", second="'; DROP TABLE")
    first, second, third = map(store.add, (click(0), click(1, time=7.5), other))
    again = LabelStore(store.path)
    assert again.all() == [click(0), click(1), other]
    assert [label.time for label in again.all()] == [None, 7.5, None]
    assert store.remove(second) and not store.remove(second)
    assert store.numbered() == {first: click(0), third: other}
    assert store.add(click(1)) > third  # a number is given once
    assert len(store) == 3


def make_old_store(path: Path, *preferred) -> None:
    """A store as the first version made it; SQLite kept NumPy's numbers as bytes."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE comparisons (number INTEGER PRIMARY KEY AUTOINCREMENT, "
            "prompt TEXT NOT NULL, first TEXT NOT NULL, second TEXT NOT NULL, "
            "preferred INTEGER NOT NULL, annotator TEXT NOT NULL, source TEXT NOT NULL)"
        )
        connection.executemany(
            "INSERT INTO comparisons (prompt, first, second, preferred, annotator, "
            "source) VALUES ('prompt 0', 'plain', 'rich', ?, 'Ada', 'person')",
            [[number] for number in preferred],
        )


def test_stores_of_the_first_version_are_read_as_they_are_and_go_on(tmp_path):
    path = tmp_path / "labels.sqlite"
    make_old_store(path, 1, np.int64(1), np.bool_(True), np.int64(0), np.int32(1))
    before = path.read_bytes()
    store = LabelStore(path)
    assert [label.preferred for label in store.all()] == [1, 1, 1, 0, 1]
    assert path.read_bytes() == before
    assert store.remove(2)
    store.add(click(2, swapped=True, time=5.0))
    last = LabelStore(path).all()[-1]
    assert (last, last.time, len(store)) == (click(2, swapped=True), 5.0, 5)


def test_a_label_that_the_caller_does_not_know_of_keeps_out_another(tmp_path):
    store = LabelStore(tmp_path / "labels.sqlite")
    assert store.add(click(0), known=0)
    assert store.add(click(0, preferred=1), known=0) is None
    assert store.add(click(0, annotator="Bo"), known=0)
    assert store.add(click(2), known=0)
    turned = click(0, first="rich", second="plain", preferred=1, swapped=True)
    assert store.add(turned, known=0) is None
    assert store.add(turned, known=1)  # asked about twice
    assert len(store) == 4


def test_labels_of_the_first_version_keep_out_others_too(tmp_path):
    path = tmp_path / "labels.sqlite"
    make_old_store(path, 1)
    store = LabelStore(path)
    assert store.add(click(0, preferred=0), known=0) is None
    assert [label.preferred for label in store.all()] == [1]
    assert store.add(click(0, preferred=0), known=1)


def test_a_store_of_a_later_version_is_left_as_it_is(tmp_path):
    path = tmp_path / "labels.sqlite"
    LabelStore(path).add(click(0))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA user_version = 9")
        connection.execute("ALTER TABLE comparisons ADD COLUMN mood TEXT")
    before = path.read_bytes()
    with pytest.raises(ValueError, match="version 9.*left as it is: update llmlab"):
        LabelStore(path)
    assert path.read_bytes() == before


def test_a_click_that_was_half_written_is_rolled_back_and_all_others_are_there(
    tmp_path,
):
    store = LabelStore(tmp_path / "labels.sqlite")
    for number in range(30):
        store.add(click(number))
    torn = tmp_path / "torn.sqlite"
    with closing(sqlite3.connect(store.path)) as connection:
        # With so small a cache, pages of the open transaction are in the file already.
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("UPDATE comparisons SET prompt = 'half', preferred = 7")
        fill = "INSERT INTO comparisons (prompt, first, second, preferred, annotator, "
        fill += "source) VALUES (?, 'a', 'b', 0, 'Ada', 'person')"
        connection.executemany(fill, [["long " * 400]] * 50)
        shutil.copy(store.path, torn)
        shutil.copy(f"{store.path}-journal", f"{torn}-journal")
    assert torn.read_bytes() != store.path.read_bytes()
    assert LabelStore(torn).all() == [click(number) for number in range(30)]


def test_a_damaged_store_is_left_as_it_is_and_the_cure_is_named(tmp_path):
    store = LabelStore(tmp_path / "labels.sqlite")
    for number in range(200):
        store.add(click(number, first="long " * 50))
    damaged = store.path.read_bytes()[: 3 * store.path.stat().st_size // 4]
    store.path.write_bytes(damaged)
    with pytest.raises(ValueError, match="left as it is.*recover"):
        LabelStore(store.path)
    assert store.path.read_bytes() == damaged


def test_an_error_of_the_call_never_blames_the_file(tmp_path):
    store = LabelStore(tmp_path / "labels.sqlite")
    with pytest.raises(sqlite3.ProgrammingError):
        store.remove(object())
    assert len(store) == 0


def test_a_label_that_cannot_be_is_named(tmp_path):
    make_old_store(tmp_path / "labels.sqlite", 1, 7)
    with pytest.raises(ValueError, match="damaged.*label 2: preferred is 7"):
        LabelStore(tmp_path / "labels.sqlite").all()


def test_simulated_labels_are_never_counted_as_a_persons(tmp_path):
    store = LabelStore(tmp_path / "labels.sqlite")
    store.add(click(0))
    store.add(click(1, source="simulated"))
    assert store.all("person") == [click(0)]
    with pytest.raises(ValueError, match="source"):
        store.all("human")


CLICKER = """
import sys, time
from llmlab.preferences import Comparison, LabelStore
store = LabelStore(sys.argv[1])
for number in range(100_000):
    store.add(Comparison(str(number), "a", "b", 0, "Ada", "person"))
    print(number, flush=True)
    time.sleep(float(sys.argv[2]))
"""


def start_clicker(path: Path, pause: float = 0.0) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", CLICKER, str(path), str(pause)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
        text=True,
    )


def test_no_acknowledged_click_is_lost_when_the_process_is_killed(tmp_path):
    path = tmp_path / "labels.sqlite"
    process = start_clicker(path)
    acknowledged = [int(process.stdout.readline()) for _ in range(20)]
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += [int(line) for line in process.stdout.read().split()]
    process.wait()
    kept = [int(comparison.prompt) for comparison in LabelStore(path).all()]
    assert kept[: len(acknowledged)] == acknowledged
    # One click may have reached the disk before it could be acknowledged.
    assert len(kept) <= len(acknowledged) + 1


def test_others_may_read_and_write_at_the_same_time(tmp_path):
    path = tmp_path / "labels.sqlite"
    process = start_clicker(path, pause=0.02)
    process.stdout.readline()
    failures = []

    def use():
        try:
            store = LabelStore(path)
            for number in range(5):
                store.add(click(number))
                assert click(number) in store.all()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=use) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    process.kill()
    process.wait()
    assert failures == []
    prompts = [comparison.prompt for comparison in LabelStore(path).all()]
    assert sum(prompt.startswith("prompt") for prompt in prompts) == 15


def test_every_write_waits_for_the_disk_so_that_a_power_cut_loses_nothing(tmp_path):
    store = LabelStore(tmp_path / "labels.sqlite")
    with store._connection() as connection:
        (level,) = connection.execute("PRAGMA synchronous").fetchone()
    assert level == 3  # EXTRA: the file, and the folder's entry of its journal


def test_a_damaged_store_is_named_and_left_as_it_is(tmp_path):
    path = tmp_path / "labels.sqlite"
    store = LabelStore(path)
    for number in range(200):
        store.add(click(number, first="long " * 50))
    whole = path.read_bytes()
    for damaged in (b"not a database" * 99, whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="damaged"):
            LabelStore(path)
        assert path.read_bytes() == damaged


def test_somebody_elses_database_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "other.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(ValueError, match="not a store"):
        LabelStore(path)
    assert path.read_bytes() == before


def test_a_folder_that_is_not_there_is_a_clear_error(tmp_path):
    with pytest.raises(OSError, match="may be written"):
        LabelStore(tmp_path / "missing" / "labels.sqlite")


@pytest.mark.skipif(os.name == "nt", reason="permissions of folders differ")
def test_a_read_only_store_can_be_read_and_refuses_clicks_clearly():
    folder = Path(tempfile.mkdtemp())
    try:
        store = LabelStore(folder / "labels.sqlite")
        store.add(click(0))
        folder.chmod(0o555)
        store.path.chmod(0o444)
        user = os.geteuid()
        if user == 0:  # to the superuser nothing is read-only
            os.seteuid(65534)
        try:
            assert LabelStore(store.path).all() == [click(0)]
            with pytest.raises(OSError, match="may be written"):
                store.add(click(1))
        finally:
            os.seteuid(user)
        assert store.all() == [click(0)]
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
