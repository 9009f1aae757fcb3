"""Agreement beyond chance, the lean to a side, and strengths where people tie."""

import itertools
import math

import pytest
import torch

from llmlab.preferences import (
    EQUAL,
    Annotator,
    Comparison,
    asked_twice,
    bradley_terry,
    cohens_kappa,
    fit_strengths,
    position_lean,
    rank_error,
    side_free,
    win_table,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def told(first, second, preferred, annotator="Ada", **more) -> Comparison:
    return Comparison("tell", first, second, preferred, annotator, "simulated", **more)


# Kappa


def slow_kappa(one, other) -> float:
    """By enumeration of everybody the first against everybody the second."""
    agreement = sum(a == b for a, b in zip(one, other, strict=True)) / len(one)
    pairs = list(itertools.product(one, other))
    chance = sum(a == b for a, b in pairs) / len(pairs)
    return (agreement - chance) / (1 - chance)


def test_kappa_is_one_of_equal_choices_and_the_slow_one_of_any():
    dice = generator()
    for _ in range(20):
        one, other = torch.randint(3, (2, 30), generator=dice).tolist()
        assert cohens_kappa(one, one) == pytest.approx(1)
        assert cohens_kappa(one, other) == pytest.approx(slow_kappa(one, other))


@pytest.mark.parametrize("rate", [0.5, 0.1, 0.9])
@pytest.mark.parametrize("other_rate", [0.5, 0.97])
def test_kappa_is_zero_of_independent_choices_at_any_base_rate(rate, other_rate):
    # A table of exact shares: as often together as the base rates say, to the label.
    count = 100
    ones, others = round(count * rate), round(count * other_rate)
    one = [0] * ones * count + [1] * (count - ones) * count
    other = ([0] * others + [1] * (count - others)) * count
    assert cohens_kappa(one, other) == pytest.approx(0, abs=1e-12)


def test_kappa_of_people_who_contradict_each_other_is_below_zero():
    assert cohens_kappa([0, 1, 0, 1], [1, 0, 1, 0]) == pytest.approx(-1)


def test_kappa_that_says_nothing_is_refused():
    with pytest.raises(ValueError, match="chose 1 every time"):
        cohens_kappa([1, 1], [1, 1])
    with pytest.raises(ValueError, match="nobody chose"):
        cohens_kappa([], [])


# Asked twice


def test_a_choice_is_named_by_its_story_wherever_it_stood():
    assert side_free(told("a", "b", 0)) == side_free(told("b", "a", 1)) == 0
    assert side_free(told("a", "b", 1)) == side_free(told("b", "a", 0)) == 1
    assert side_free(told("b", "a", EQUAL)) == EQUAL


def test_who_was_asked_twice_and_nobody_else():
    labels = [
        told("a", "b", 0),
        told("a", "c", 0),
        told("a", "b", 0, "Bo"),
        told("b", "a", 1),
        told("b", "a", 0, "Bo"),
    ]
    assert asked_twice(labels) == [(labels[0], labels[3]), (labels[2], labels[4])]


# The lean


def both_ways(person, gaps, dice) -> list[Comparison]:
    """One label of each pair in either order."""
    labels = []
    for number, gap in enumerate(gaps):
        one, other = f"{number} one", f"{number} other"
        labels.append(told(one, other, person.choose(gap, 0, dice)))
        labels.append(told(other, one, person.choose(0, gap, dice)))
    return labels


def test_a_lean_is_half_the_log_of_left_twice_over_right_twice():
    labels = []
    for number, (first, second) in enumerate(
        [(0, 0)] * 9 + [(1, 1)] * 3 + [(0, 1)] * 20 + [(EQUAL, EQUAL)] * 5
    ):
        labels += [
            told(f"{number}", "other", first),
            told("other", f"{number}", second),
            told("unasked", f"{number}", 0),  # shown once
        ]
    lean = position_lean(labels)
    assert (lean.left, lean.right) == (9, 3)
    assert lean.value == pytest.approx(math.log(9.5 / 3.5) / 2)
    assert lean.error == pytest.approx(math.sqrt(1 / 9.5 + 1 / 3.5) / 2)


def test_a_pair_shown_twice_the_same_way_round_says_nothing_of_the_side():
    assert position_lean([told("a", "b", 0), told("a", "b", 0)]).left == 0


@pytest.mark.parametrize("bias", [0.5, 0.65, 0.2])
def test_a_known_lean_is_recovered_whatever_the_stories_are_worth(bias):
    person = Annotator("A", position_bias=bias, carelessness=0)
    gaps = (4 * torch.randn(3000, generator=generator(1))).tolist()
    lean = position_lean(both_ways(person, gaps, generator(2)))
    true = math.log(bias / (1 - bias))
    assert abs(lean.value - true) < 3 * lean.error and lean.error < 0.1
    # Ignoring that stories differ, one would see a smaller lean.
    naive = sum(p.preferred == 0 for p in both_ways(person, gaps, generator(2))) / 6000
    if bias != 0.5:
        assert abs(math.log(naive / (1 - naive))) < abs(true) / 2


def test_the_error_of_a_lean_is_how_far_it_is_off():
    person, dice = Annotator("A", position_bias=0.6, carelessness=0), generator(3)
    true, off = math.log(0.6 / 0.4), []
    for _ in range(150):
        lean = position_lean(both_ways(person, [0.3] * 60, dice))
        off.append((lean.value - true) / lean.error)
    assert 0.85 < torch.tensor(off).std() < 1.15
    assert abs(torch.tensor(off).mean()) < 3 / math.sqrt(150)


# Ties


def table_of(entry: float, other: float) -> torch.Tensor:
    return torch.tensor([[0.0, entry], [other, 0.0]])


def test_two_items_with_ties_have_a_closed_form():
    found = fit_strengths(table_of(6, 2), table_of(8, 8))
    assert float(found.values[0] - found.values[1]) == pytest.approx(math.log(3))
    assert found.tie == pytest.approx(8 / math.sqrt(12))
    # Given that somebody decided, the odds are a binomial's: 1 / wins + 1 / losses.
    difference = torch.tensor([1.0, -1.0], dtype=torch.float64)
    variance = difference @ found.covariance @ difference
    assert float(variance) == pytest.approx(1 / 6 + 1 / 2)
    value, low, high = found.intervals()[0]
    assert high - value == pytest.approx(value - low)
    assert high - value == pytest.approx(1.959964 * math.sqrt(1 / 6 + 1 / 2) / 2)


def probabilities(strengths, tie):
    """Of a win, a loss and a tie, as Davidson writes them: with worths, not logs."""
    worth = strengths.exp()
    both = (worth[:, None] * worth).sqrt()
    total = worth[:, None] + worth + tie * both
    return worth[:, None] / total, worth / total, tie * both / total


def test_population_ties_give_strengths_and_tie_back():
    true = torch.tensor([1.5, -0.3, 0.4, -2.0, 0.1], dtype=torch.float64)
    win, _, tie = probabilities(true, 0.7)
    found = fit_strengths(win, tie)
    torch.testing.assert_close(found.values, true - true.mean(), atol=1e-8, rtol=0)
    assert found.tie == pytest.approx(0.7, abs=1e-8)
    assert fit_strengths(win).tie == 0


def test_ties_are_fitted_as_a_slow_climb_of_the_likelihood_does():
    dice = generator(4)
    wins = torch.randint(1, 6, (4, 4), generator=dice).double()
    ties = torch.randint(0, 5, (4, 4), generator=dice).double().triu(1)
    ties = ties + ties.T
    prior = 0.5
    place = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [place], max_iter=500, tolerance_grad=1e-12, tolerance_change=0
    )

    def surprise():
        optimizer.zero_grad()
        strengths = place[:4]
        win, _, tie = probabilities(strengths, place[4].exp())
        off = 1 - torch.eye(4, dtype=torch.float64)
        total = (off * (wins * win.log() + ties * tie.log() / 2)).sum()
        imaginary = strengths.sigmoid().log() + (-strengths).sigmoid().log()
        loss = -total - prior * imaginary.sum()
        loss.backward()
        return loss

    optimizer.step(surprise)
    found = fit_strengths(wins, ties, prior=prior)
    slow = place.detach()
    torch.testing.assert_close(
        found.values, slow[:4] - slow[:4].mean(), atol=1e-6, rtol=0
    )
    assert found.tie == pytest.approx(slow[4].exp().item(), abs=1e-6)
    # And its covariance is the inverse of the slow one's second derivatives.
    second = torch.autograd.functional.hessian(
        lambda p: _loss(p, wins, ties, prior), slow
    )
    centred = torch.eye(4, dtype=torch.float64) - 1 / 4
    slow_spread = centred @ torch.linalg.inv(second)[:4, :4] @ centred
    torch.testing.assert_close(found.covariance, slow_spread, atol=1e-6, rtol=0)


def _loss(place, wins, ties, prior):
    strengths = place[:4]
    win, _, tie = probabilities(strengths, place[4].exp())
    off = 1 - torch.eye(4, dtype=torch.float64)
    imaginary = strengths.sigmoid().log() + (-strengths).sigmoid().log()
    told = (off * (wins * win.log() + ties * tie.log() / 2)).sum()
    return -told - prior * imaginary.sum()


def test_intervals_of_drawn_labels_are_as_wide_as_their_errors():
    true = torch.tensor([0.8, 0.1, -0.2, -0.7], dtype=torch.float64)
    win, _, tie = probabilities(true, 0.5)
    outcome = torch.stack([win, win.T, tie])
    dice, off = generator(5), []
    for _ in range(120):
        wins, ties = torch.zeros(2, 4, 4, dtype=torch.float64)
        for i, j in itertools.combinations(range(4), 2):
            drawn = torch.multinomial(outcome[:, i, j], 60, True, generator=dice)
            counts = torch.bincount(drawn, minlength=3)
            wins[i, j], wins[j, i], ties[i, j] = counts
            ties[j, i] = ties[i, j]
        found = fit_strengths(wins, ties)
        off.append((found.values - true) / found.covariance.diag().sqrt())
    assert 0.85 < torch.stack(off).std() < 1.15


def test_half_a_win_for_either_pulls_strengths_together():
    wins, ties = table_of(6, 2), table_of(8, 8)
    halves = bradley_terry(wins + ties / 2)
    assert float(halves[0] - halves[1]) == pytest.approx(math.log(10 / 6))
    kept = bradley_terry(wins, ties)
    assert float(kept[0] - kept[1]) == pytest.approx(math.log(3))


def test_ties_that_no_finite_strengths_explain_are_refused():
    with pytest.raises(ValueError, match="give a prior"):
        fit_strengths(table_of(1, 0), table_of(1, 1))  # never lost
    with pytest.raises(ValueError, match="all were called equal"):
        fit_strengths(table_of(0, 0), table_of(3, 3), prior=0.5)
    with pytest.raises(ValueError, match="turned over"):
        fit_strengths(table_of(1, 1), table_of(1, 2))
    with pytest.raises(ValueError, match="ties must be a square"):
        fit_strengths(table_of(1, 1), torch.ones(3, 3))


def test_a_table_of_wins_and_ties_counts_labels():
    labels = [
        told("a", "b", 0),
        told("b", "a", 1),
        told("b", "c", 0),
        told("c", "a", EQUAL),
        told("a", "c", EQUAL),
    ]
    wins, ties = win_table(labels, ["a", "b", "c"])
    assert wins.tolist() == [[0, 2, 0], [0, 0, 1], [0, 0, 0]]
    assert ties.tolist() == [[0, 0, 2], [0, 0, 0], [2, 0, 0]]


def test_a_rank_error_counts_the_pairs_in_the_wrong_order():
    dice = generator(6)
    for _ in range(20):
        guess, truth = torch.randint(6, (2, 7), generator=dice).tolist()
        wrong = total = 0.0
        for i, j in itertools.combinations(range(7), 2):
            if truth[i] != truth[j]:
                total += 1
                same_way = (guess[i] - guess[j]) * (truth[i] - truth[j])
                wrong += 0.5 if same_way == 0 else float(same_way < 0)
        assert rank_error(guess, truth) == pytest.approx(wrong / total)
    assert rank_error([1, 2, 3], [1, 2, 3]) == 0
    assert rank_error([3, 2, 1], [1, 2, 3]) == 1
