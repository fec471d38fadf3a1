import numpy as np
import pytest
from scipy.stats import false_discovery_control, kstest, norm

from urushi.calibration import suspicion, suspicious


def normals(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).lognormal(1, 0.3, n)


def test_p_values_of_what_is_lognormal_are_even():
    assert kstest(suspicion(normals(5000, 0)), "uniform").pvalue > 0.01


@pytest.mark.parametrize("n_odd", [1, 5, 20])
def test_what_is_far_above_is_found_and_little_else(n_odd):
    scores = np.concatenate([normals(180, 1), 6 * normals(n_odd, 2)])
    found = suspicious(scores)
    assert found[180:].mean() > 0.9
    assert found[:180].sum() <= 2


def test_among_good_ones_alone_one_is_seldom_suspected():
    assert np.mean([suspicious(normals(100, seed)).any() for seed in range(200)]) < 0.15


def test_their_order_does_not_matter():
    scores = np.concatenate([normals(50, 3), [40.0]])
    turned = scores[::-1]
    assert (suspicious(turned)[::-1] == suspicious(scores)).all()
    assert np.allclose(suspicion(turned)[::-1], suspicion(scores))


def test_scores_below_zero_are_taken_as_they_are():
    scores = np.concatenate([np.random.default_rng(4).normal(-5, 1, 100), [20.0]])
    assert suspicious(scores).nonzero()[0].tolist() == [100]


def test_scores_that_are_all_alike_but_one():
    found = suspicious(np.array([1.0] * 30 + [2.0]))
    assert found.nonzero()[0].tolist() == [30]
    assert not suspicious(np.ones(30)).any()


def by_formula(values: np.ndarray) -> np.ndarray:
    middle = np.median(values)
    return norm.sf((values - middle) / (1.4826 * np.median(np.abs(values - middle))))


def test_suspicion_is_the_upper_tail_of_a_normal_distribution_round_the_median():
    positive = np.array([1.0, 2.0, 3.0, 5.0, 40.0])
    assert suspicion(positive) == pytest.approx(by_formula(np.log(positive)))
    with_zero = np.array([0.0, 2.0, 3.0, 5.0, 40.0])
    assert suspicion(with_zero) == pytest.approx(by_formula(with_zero))  # 0 has no logarithm


def test_the_suspected_are_the_discoveries_of_scipy_at_five_percent():
    for seed in range(30):
        scores = np.concatenate([normals(20, seed), 2.5 * normals(6, 100 + seed)])
        assert (suspicious(scores) == (false_discovery_control(suspicion(scores)) <= 0.05)).all(), seed


def test_without_a_spread_what_lies_above_the_middle_is_certain_and_the_rest_is_not():
    assert suspicion(np.array([0.5, 1.0, 1.0, 1.0, 2.0])).tolist() == [0.5, 0.5, 0.5, 0.5, 0.0]
