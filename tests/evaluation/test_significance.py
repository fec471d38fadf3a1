"""Tests over data sets and over images, against textbook figures and against themselves."""

import numpy as np
import pytest

from urushi.evaluation import significance

# Demšar (2006), table 6: C4.5, with m, with cf, with both, on 14 data sets.
DEMSAR = np.array([
    [0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1.000, 0.940, 0.619, 0.972, 0.957],
    [0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1.000, 0.962, 0.666, 0.981, 0.978],
    [0.771, 0.590, 0.968, 0.654, 0.886, 0.916, 0.609, 0.563, 0.866, 1.000, 0.965, 0.614, 0.9751, 0.946],
    [0.798, 0.569, 0.967, 0.657, 0.898, 0.931, 0.685, 0.625, 0.875, 1.000, 0.962, 0.669, 0.975, 0.970],
]).T  # fmt: skip


def test_ranks_and_critical_difference_are_those_of_the_paper() -> None:
    mean_ranks = significance.ranks(DEMSAR).mean(axis=0)
    np.testing.assert_allclose(mean_ranks, [3.143, 2.000, 2.893, 1.964], atol=0.001)
    found = significance.friedman(DEMSAR)
    assert found is not None
    assert found.critical_difference == pytest.approx(1.25, abs=0.005)
    uncorrected = 12 * 14 / (4 * 5) * ((mean_ranks**2).sum() - 4 * 5**2 / 4)
    assert uncorrected == pytest.approx(9.28, abs=0.01)
    assert found.statistic > uncorrected  # many data sets have ties, which the paper does not correct for
    assert 0.01 < found.p_value < 0.0258  # that of 9.28


def test_ranks_tell_nothing_of_two_methods_or_one_data_set() -> None:
    assert significance.friedman(DEMSAR[:, :2]) is None
    assert significance.friedman(DEMSAR[:1]) is None


def test_methods_that_are_the_same_everywhere_do_not_differ() -> None:
    found = significance.friedman(np.ones((4, 3)))
    assert found is not None
    assert (found.statistic, found.p_value) == (0.0, 1.0)


def test_groups_are_the_longest_within_the_critical_difference() -> None:
    assert significance.cliques([1.0, 1.5, 2.0, 4.0, 4.2], 1.0) == [(0, 2), (3, 4)]
    assert significance.cliques([3.0, 1.0, 2.0], 1.0) == [(0, 1), (1, 2)]
    assert significance.cliques([1.0, 3.0], 1.0) == []


def test_holm_corrects_as_in_its_paper() -> None:
    assert significance.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert significance.holm([]) == []
    assert significance.holm([0.9, 0.8]) == [1.0, 1.0]


def scores(seed: int, shift: float, n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng, labels = np.random.default_rng(seed), np.repeat([0, 1], n)
    return (rng.normal(size=2 * n) + shift * labels)[None], labels


def test_the_value_is_the_roc_auc_and_the_draws_lie_round_it() -> None:
    from sklearn.metrics import roc_auc_score

    found, labels = scores(0, 1.0)
    value, draws = significance.roc_auc_draws(found, labels)
    assert value == pytest.approx(roc_auc_score(labels, found[0]))
    assert draws.mean() == pytest.approx(value, abs=0.01)
    low, high = value * (1 - value) / 80, value * (1 - value) / 40  # the variance of a share of so many images, at most
    assert low / 4 < draws.var() < high


def test_methods_are_compared_on_the_same_images() -> None:
    """The same scores in other units: no difference in any resample, though each has a wide interval."""
    found, labels = scores(0, 1.0)
    one, other = (significance.roc_auc_draws(each, labels) for each in (found, 3 * found + 2))
    np.testing.assert_array_equal(one[1], other[1])
    told = significance.difference(one[0] - other[0], one[1] - other[1])
    assert (told.value, told.low, told.high, told.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_a_real_difference_is_told_and_chance_is_not() -> None:
    good, labels = scores(0, 3.0)
    guess, _ = scores(1, 0.0)
    drawn = [significance.roc_auc_draws(one, labels) for one in (good, guess, scores(2, 0.0)[0])]
    real = significance.difference(drawn[0][0] - drawn[1][0], drawn[0][1] - drawn[1][1])
    luck = significance.difference(drawn[1][0] - drawn[2][0], drawn[1][1] - drawn[2][1])
    assert real.low > 0
    assert real.p_value < 0.001
    assert luck.low < 0 < luck.high
    assert luck.p_value > 0.05


def test_images_of_one_product_are_drawn_together() -> None:
    """Each image four times is no more evidence than once, if its copies are known to be copies."""
    found, labels = scores(0, 1.0)
    copies = np.tile(found, 4), np.tile(labels, 4)
    names = [str(n) for n in range(80)] * 4
    alone = significance.roc_auc_draws(found, labels)[1].std()
    assert significance.roc_auc_draws(*copies, names)[1].std() == pytest.approx(alone, rel=0.1)
    assert significance.roc_auc_draws(*copies)[1].std() < 0.6 * alone
