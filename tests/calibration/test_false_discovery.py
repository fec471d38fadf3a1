"""Benjamini–Hochberg on a batch: against scipy, by simulation, and as a threshold."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from urushi.calibration import benjamini_hochberg, false_discovery_threshold, p_values
from urushi.calibration._false_discovery import n_at_least
from urushi.calibration._p_values import n_needed
from urushi.errors import CalibrationError

batches = st.lists(st.integers(0, 30).map(float), min_size=1, max_size=60)
normals = st.lists(st.integers(0, 20).map(float), min_size=19, max_size=80)


@given(st.lists(st.floats(1e-6, 1) | st.sampled_from([0.01, 0.02, 0.5]), min_size=1, max_size=40), st.floats(0.01, 0.5))
def test_discoveries_are_those_of_scipy(p, rate):
    adjusted = stats.false_discovery_control(p, method="bh")
    is_clear = np.abs(adjusted - rate) > 1e-12
    assert (benjamini_hochberg(p, rate) == (adjusted <= rate))[is_clear].all()


@given(batches, normals, st.sampled_from([0.05, 0.1, 0.3]))
def test_the_threshold_of_a_batch_decides_as_benjamini_hochberg(batch, held_out, rate):
    threshold = false_discovery_threshold(batch, held_out, rate)
    found = benjamini_hochberg(p_values(batch, held_out), rate)
    assert [threshold.decide(score) == "anomalous" for score in batch] == found.tolist()
    assert threshold.explanation.startswith(f"{found.sum()} of {len(batch)} images are called anomalous")
    assert not found.any() or found.sum() >= n_at_least(rate, len(held_out), len(batch))


@given(st.integers(19, 400), st.integers(1, 200), st.sampled_from([0.05, 0.1, 0.25]))
@example(n=19, m=3, rate=0.05)  # p·m/k rounds to the wrong side of Q
@example(n=19, m=86, rate=0.1)  # and Q·k/m to that of p
def test_fewer_clear_anomalies_than_stated_are_not_found_and_as_many_are(n, m, rate):
    k, held_out = n_at_least(rate, n, m), np.zeros(n)
    assert 1 <= k <= m
    for n_clear in {k - 1, k} - {0}:
        batch = np.repeat([1.0, 0.0], [n_clear, m - n_clear])
        threshold = false_discovery_threshold(batch, held_out, rate)
        assert (batch > threshold.value).sum() == (n_clear if n_clear == k else 0)
        assert ("ATTENTION" in threshold.explanation) == (k > 1)
    if k > 1:
        assert f"to find a single one, {n_needed(rate / m)} held-out normal images" in threshold.explanation
        assert f"either at least {k} images are called anomalous or none" in threshold.explanation


def test_the_rate_of_false_discoveries_is_kept_on_average():
    rng, rate, shares = np.random.default_rng(0), 0.2, []
    for _ in range(1500):
        batch = np.concatenate([rng.normal(size=40), rng.normal(3.0, size=10)])
        found = benjamini_hochberg(p_values(batch, rng.normal(size=199)), rate)
        shares.append(found[:40].sum() / max(found.sum(), 1))
    error = np.std(shares) / np.sqrt(len(shares))
    assert np.mean(shares) == pytest.approx(rate * 40 / 50, abs=4 * error)  # exactly Q times the share of good parts


def test_a_rate_that_so_few_normals_cannot_meet_is_an_error():
    with pytest.raises(
        CalibrationError, match=r"false-discovery rate of 0\.01 needs at least 99 held-out normal images"
    ):
        false_discovery_threshold([1.0], np.arange(98.0), 0.01)
    for rate in (0, 1, -0.1, float("nan")):
        with pytest.raises(CalibrationError, match="above 0 and below 1"):
            false_discovery_threshold([1.0], np.arange(98.0), rate)
    with pytest.raises(CalibrationError, match="1 of 3 scores of inspected images are NaN"):
        false_discovery_threshold([float("nan"), 1.0, 2.0], np.arange(98.0), 0.1)
