"""Intervals against outside references, and how often they have the true value."""

import numpy as np
import pytest
import scipy.stats

from urushi.evaluation.confusion import confusion, decision_figures
from urushi.evaluation.curves import average_precision
from urushi.evaluation.image_metrics import image_figures
from urushi.evaluation.intervals import from_variance, roc_auc_interval, student, wilson
from urushi.evaluation.resampling import bootstrap

N_RUNS = 300
# Of 300 runs, 95 % are 285; that 93 % hold and chance gives fewer than 269 of them has a probability of about 1 %.
COVERED = 269


def gaussian(true_auc, n, rng):
    """Scores of n normal and n anomalous images whose ROC-AUC is known."""
    shift = np.sqrt(2) * scipy.stats.norm.ppf(true_auc)
    return rng.normal(size=n), rng.normal(shift, size=n)


def decided(share, n, rng):
    """Labels of 2n images and decisions of which a share is right."""
    labels = np.repeat([0, 1], n)
    return labels, np.where(rng.random(2 * n) < share, labels, 1 - labels) == 1


def test_a_share_has_the_interval_of_wilson():
    for hits, n in [(0, 19), (19, 19), (3, 50), (25, 50), (1, 1)]:
        reference = scipy.stats.binomtest(hits, n).proportion_ci(0.95, "wilson")
        assert wilson(hits, n) == pytest.approx((reference.low, reference.high), abs=1e-6), (hits, n)


@pytest.mark.parametrize("n", [2, 3, 4, 15, 200])
def test_a_mean_has_the_interval_of_student(n):
    values = np.random.default_rng(n).exponential(size=n)
    reference = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert student(values) == pytest.approx((reference.low, reference.high), rel=1e-4)


def test_where_all_images_are_right_little_is_certain():
    labels = np.repeat([0, 1], 15)
    figures = image_figures(labels + 0.0, labels, labels == 1)
    assert (figures["roc_auc"].value, figures["roc_auc"].high) == (1, 1)
    assert figures["roc_auc"].low == pytest.approx(wilson(15, 15)[0])
    for name in ("average_precision", "f1", "macro_f1", "g_mean", "mcc", "macro_precision", "macro_recall"):
        assert (figures[name].value, figures[name].high) == (1, 1), name
        assert 0.5 < figures[name].low < 0.9, name


def test_with_many_images_the_interval_of_roc_auc_is_that_of_delong():
    rng = np.random.default_rng(0)
    normal, defect = rng.normal(size=4000), rng.normal(1, size=3000)
    below = scipy.stats.rankdata(np.concatenate([normal, defect]))[4000:] - scipy.stats.rankdata(defect)
    found, passed = below / 4000, (normal[:, None] < defect).mean(axis=1)
    reach = 1.96 * np.sqrt(found.var(ddof=1) / 3000 + passed.var(ddof=1) / 4000)
    low, high = roc_auc_interval(normal, defect)
    assert (high - low) / 2 == pytest.approx(reach, rel=0.01)
    assert (high + low) / 2 == pytest.approx(found.mean(), abs=1e-3)


# A second each, but for the one that is hardest for so few images.
CASES = [(0.97, 15), *(pytest.param(*case, marks=pytest.mark.thorough) for case in ((0.7, 15), (0.999, 100)))]


@pytest.mark.parametrize("n", [15, 100])
@pytest.mark.parametrize("true", [0.7, 0.97, 0.999])
def test_the_interval_of_roc_auc_has_the_true_value(true, n):
    rng, covered = np.random.default_rng(0), 0
    for _ in range(N_RUNS):
        low, high = roc_auc_interval(*gaussian(true, n, rng))
        covered += low <= true <= high
    assert covered >= COVERED


@pytest.mark.parametrize(("true", "n"), CASES)
def test_intervals_at_a_threshold_have_the_true_value(true, n):
    rng, names = np.random.default_rng(1), ("f1", "macro_f1", "g_mean", "macro_precision", "macro_recall", "mcc")
    covered = dict.fromkeys(names, 0)
    for seed in range(N_RUNS):
        found = decision_figures(confusion(*decided(true, n, rng)), seed=seed, n_resamples=100)
        for name in names:  # with recall and specificity alike, all but Matthews' are equal to them
            expected = 2 * true - 1 if name == "mcc" else true
            covered[name] += found[name].value is not None and found[name].low <= expected <= found[name].high
    assert min(covered.values()) >= COVERED, covered


@pytest.mark.parametrize(("true_auc", "n"), CASES)
def test_the_interval_of_average_precision_has_the_true_value(true_auc, n):
    def statistics(weights):
        return {"ap": average_precision(weights[:, order] * (order < n), weights[:, order] * (order >= n))}

    rng, covered = np.random.default_rng(2), 0
    many = np.concatenate(gaussian(true_auc, 200_000, rng)).argsort()
    true = average_precision((many < 200_000) + 0.0, (many >= 200_000) + 0.0)
    for seed in range(N_RUNS):
        order = np.concatenate(gaussian(true_auc, n, rng)).argsort()
        figure = bootstrap(statistics, np.repeat([0, 1], n), seed=seed, n_resamples=60, undefined={"ap": ""})["ap"]
        covered += figure.low <= true <= figure.high
    assert covered >= COVERED


def test_a_mean_over_images_of_which_some_fail_has_the_true_value():
    """Of fifteen defective images one in ten is missed: the bootstrap has the true mean in 80 of 100 runs."""
    rng, covered = np.random.default_rng(3), 0
    for seed in range(N_RUNS):
        found = np.where(rng.random(15) < 0.1, 0.1, 0.98)
        figure = bootstrap(
            lambda weights, found=found: {"mean": weights @ found / 15},
            np.zeros(15),
            seed=seed,
            n_resamples=60,
            undefined={"mean": ""},
        )["mean"]
        covered += figure.low <= 0.892 <= figure.high
    assert covered >= COVERED


def test_images_are_never_fewer_than_the_smaller_group():
    assert from_variance(0.99, 0.2, (10, 500)) == pytest.approx(wilson(9.9, 10))
    assert from_variance(0.9, 0.0, (10, 500), caution=2)[0] < from_variance(0.9, 0.0, (10, 500))[0]


def test_half_of_all_without_any_variance_is_that_of_the_smaller_group():
    assert from_variance(0.5, 0.0, (10, 20)) == pytest.approx(wilson(5, 10))


@pytest.mark.parametrize("value", [0.3, 0.6, 1.0])
def test_the_interval_of_draws_is_that_of_the_written_formula(value):
    """Groups of 5 and 9 images; the formula of Wilson's interval is that of his paper, in shares."""
    draws = np.linspace(0.4, 0.8, 100)
    variance = draws.var() * 5 / 4 + (value - 0.5) ** 2 * (1 / (5 * 6) + 1 / (9 * 10))
    n, z = max(5, value * (1 - value) / variance) / 1.75, 1.959964
    centre, reach = value + z**2 / (2 * n), z * np.sqrt(value * (1 - value) / n + z**2 / (4 * n**2))
    figure = drawn_as(draws, [0] * 5 + [1] * 9, value)
    assert (figure.low, figure.high) == pytest.approx(
        ((centre - reach) / (1 + z**2 / n), (centre + reach) / (1 + z**2 / n))
    )


@pytest.mark.parametrize(("n_undefined", "is_given"), [(0, True), (5, True), (6, False)])
def test_an_interval_is_given_where_95_of_100_resamples_are_defined(n_undefined, is_given):
    draws = np.where(np.arange(100) < n_undefined, np.nan, np.linspace(0.4, 0.8, 100))
    figure = drawn_as(draws, [0] * 5 + [1] * 9)
    assert (figure.low is not None) == is_given
    assert figure.reason == (None if is_given else "no interval: undefined in 6 of 100 resamples")


@pytest.mark.parametrize(("n", "is_given"), [(1, False), (2, True)])
def test_an_interval_needs_two_images_of_each_label(n, is_given):
    for strata in ([0] * n + [1] * 9, [0] * 9 + [1] * n):
        assert (drawn_as(np.linspace(0.4, 0.8, 100), strata).low is not None) == is_given


def drawn_as(draws, strata, value=0.6):
    """The figure of this value with those of 100 resamples."""
    values = {1: np.array([value]), 100: draws}
    return bootstrap(
        lambda weights: {"it": values[len(weights)]}, strata, seed=0, n_resamples=100, undefined={"it": ""}
    )["it"]


def test_resamples_come_in_chunks_and_are_a_thousand_by_default():
    sizes = []

    def statistics(weights):
        sizes.append(len(weights))
        return {"it": weights.mean(axis=1) / 2}

    bootstrap(statistics, [0, 0, 1, 1], seed=0, undefined={"it": ""})
    assert sizes == [1] + [100] * 10
    sizes.clear()
    bootstrap(statistics, [0, 0, 1, 1], seed=0, n_resamples=101, undefined={"it": ""})
    assert sizes == [1, 100, 1]


def test_figures_of_decisions_lie_between_those_of_the_least_and_the_most_of_both_shares():
    """3 of 5 defects and 6 of 7 good images are right: Beta(h, n − h + 1) at least, Beta(h + 1, n − h) at most."""
    labels, decided = np.repeat([1, 0], [5, 7]), np.repeat([True, False, True], [3, 8, 1])
    found = decision_figures(confusion(labels, decided), n_resamples=20_000)
    rng = np.random.default_rng(9)
    least = rng.beta(3, 3, 100_000), rng.beta(6, 2, 100_000)
    most = rng.beta(4, 2, 100_000), rng.beta(7, 1, 100_000)
    balanced = [np.mean(shares, axis=0) for shares in (least, most)]
    f1 = [2 * 5 * tpr / (5 * tpr + 7 * (1 - tnr) + 5) for tpr, tnr in (least, most)]
    for name, (low, high) in {"macro_recall": balanced, "f1": f1}.items():
        expected = np.quantile(low, 0.025), np.quantile(high, 0.975)
        assert (found[name].low, found[name].high) == pytest.approx(expected, abs=0.01), name


@pytest.mark.parametrize(
    ("name", "hits", "n"),
    [("accuracy", 25, 35), ("error_rate", 10, 35), ("precision", 7, 13), ("recall", 7, 11), ("specificity", 18, 24)],
)
def test_shares_of_images_have_the_interval_of_their_hits(name, hits, n):
    labels, decided = np.repeat([1, 0], [11, 24]), np.repeat([True, False, True, False], [7, 4, 6, 18])
    found = decision_figures(confusion(labels, decided), n_resamples=0)[name]
    assert (found.value, found.low, found.high) == (hits / n, *wilson(hits, n))
