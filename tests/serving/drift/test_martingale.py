"""The test of one statistic: its false alarms while nothing changes, and what it finds when something does."""

import json

import numpy as np
import pytest

from urushi.serving.drift.martingale import Martingale, Spread, _bets


def fed(values: np.ndarray, reference: np.ndarray, seed: int = 0) -> tuple[Martingale, np.ndarray]:
    """The test after all values, and its evidence after each."""
    test, chances = Martingale(reference.tolist()), np.random.default_rng([seed, 1]).random(len(values))
    evidence = []
    for value, chance in zip(values.tolist(), chances.tolist(), strict=True):
        test.add(value, chance)
        evidence.append(test.evidence)
    return test, np.array(evidence)


def first_above(evidence: np.ndarray, limit: float = 7e5) -> int | None:
    """After how many values."""
    above = np.flatnonzero(evidence >= limit)
    return int(above[0]) + 1 if len(above) else None


def test_each_bet_is_fair():
    halves = np.geomspace(1e-15, 0.5, 4000)  # close together where bets are steep
    low, high = (np.trapezoid([_bets(p) for p in side], halves, axis=0) for side in (halves, 1 - halves))
    assert (low + high <= 1.001).all()
    assert (low + high >= 0.99).all()


@pytest.mark.parametrize("round_to", [6, 1])  # ties by the dozen, too
def test_p_values_of_what_does_not_change_are_uniform(round_to):
    rng = np.random.default_rng(0)
    values = rng.normal(size=4000).round(round_to)
    test, found = Martingale(values[:20].tolist()), []
    for value in values[20:].tolist():
        found.append(test._p_value(value, rng.random()))
        test.add(value, 0.5)
    counts, _ = np.histogram(found, 10, (0, 1))
    assert np.square(counts - 398).sum() / 398 < 25  # χ² with 9 degrees of freedom: p = 0.003


def test_within_n_values_that_do_not_change_the_limit_is_reached_in_a_share_of_runs_of_n_through_it_at_most():
    rng = np.random.default_rng(1)
    reached = [fed(rng.normal(size=100), rng.normal(size=30), run)[1].max() >= 1000 for run in range(150)]
    assert np.mean(reached) <= 0.1


@pytest.mark.parametrize(
    ("change", "way", "most"),
    [
        (lambda x: x + 3, "up", 12),
        (lambda x: x - 1, "down", 90),
        (lambda x: x * 4, "apart", 60),
        (lambda x: x + np.linspace(0, 5, len(x)), "up", 250),
    ],
)
def test_a_change_is_found_soon_with_its_way_its_start_and_what_it_is_from_and_to(change, way, most):
    rng = np.random.default_rng(2)
    before, after = rng.normal(10, 1, 300), 10 + change(rng.normal(size=600))
    _, evidence = fed(np.concatenate([before, after]), rng.normal(10, 1, 100))
    n_values = first_above(evidence)
    assert n_values is not None
    assert 300 < n_values <= 300 + most
    test, _ = fed(np.concatenate([before, after])[:n_values], rng.normal(10, 1, 100))
    assert test.way == way
    assert len(test.changed) <= n_values - 280
    assert Spread.of(test.reference).middle == pytest.approx(10, abs=0.5)


def test_a_value_that_never_varies_says_nothing():
    _, evidence = fed(np.ones(1000), np.ones(50))
    assert first_above(evidence) is None


def test_a_test_goes_on_as_it_was_from_json():
    rng = np.random.default_rng(3)
    first, _ = fed(rng.normal(size=40), rng.normal(size=20))
    second = Martingale.from_json(json.loads(json.dumps(first.to_json())))
    for value in rng.normal(2, 1, 20).tolist():
        first.add(value, 0.5)
        second.add(value, 0.5)
    assert (second.evidence, second.way, second.changed) == (first.evidence, first.way, first.changed)
