"""What is found at a fixed rate of errors, against naive loops and torchmetrics; and whether intervals hold."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm
from torchmetrics.functional.classification import binary_sensitivity_at_specificity

from urushi.evaluation.image_metrics import image_figures
from urushi.evaluation.operating_points import POINTS, operating_points, tnr_at_fnr, tpr_at_fpr


def naive(scores, labels):
    """Cut by cut, counting in whole numbers: `per_hundred` errors are allowed in a hundred."""
    positive, negative = [[s for s, kind in zip(scores, labels, strict=True) if kind == k] for k in (1, 0)]
    found = dict.fromkeys(POINTS, 0.0)
    for cut in [*sorted(set(scores)), float("inf")]:
        tp, fp = sum(s >= cut for s in positive), sum(s >= cut for s in negative)
        fn, tn = len(positive) - tp, len(negative) - fp
        for per_hundred in (1, 5):
            for name, n_right, n_all, n_wrong, of in (
                ("tpr_at_fpr", tp, len(positive), fp, len(negative)),
                ("tnr_at_fnr", tn, len(negative), fn, len(positive)),
            ):
                if 100 * n_wrong <= per_hundred * of:
                    key = f"{name}_0.0{per_hundred}"
                    found[key] = max(found[key], n_right / n_all)
    return found


rows = st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 1)), min_size=2, max_size=120)


@given(rows.filter(lambda rows: len({label for _, label in rows}) == 2))
def test_the_best_cut_that_keeps_the_rate_is_found_also_among_ties(rows):
    scores, labels = (np.array(column) for column in zip(*rows, strict=True))
    got = operating_points(scores.astype(float), labels == 1, n_resamples=20)
    assert {name: figure.value for name, figure in got.items()} == pytest.approx(naive(scores, labels))
    assert all(0 <= figure.low <= figure.value <= figure.high <= 1 for figure in got.values())


def test_sensitivity_at_a_specificity_is_that_of_torchmetrics():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [230, 90])
    scores = np.round(rng.normal(labels * 1.5), 2)
    shares = torch.tensor((scores + 5) / 12)
    for rate in (0.01, 0.05):
        reference, _ = binary_sensitivity_at_specificity(shares, torch.tensor(labels), 1 - rate)
        assert tpr_at_fpr(scores, labels == 1, rate).value == pytest.approx(float(reference))


def test_exactly_the_rate_is_allowed_and_one_error_more_is_not():
    normal = np.arange(100.0)  # five of a hundred are above 94
    for defect, found in ((94.5, 1.0), (93.5, 0.0)):
        assert tpr_at_fpr(np.append(normal, defect), np.arange(101) == 100, 0.05).value == found
    assert tnr_at_fnr(np.append(normal, 5.5), np.arange(101) < 100, 0.05).value == 0.0  # ten defects would escape
    assert tnr_at_fnr(np.append(normal, 4.5), np.arange(101) < 100, 0.05).value == 1.0


@pytest.mark.parametrize(("n_normal", "n_defects", "rate"), [(60, 40, 0.01), (100, 50, 0.05), (400, 100, 0.01)])
def test_intervals_cover_the_true_rate_where_the_bootstrap_does_not(n_normal, n_defects, rate):
    truth = norm.sf(norm.isf(rate) - 2)
    covered = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        scores = np.concatenate([rng.normal(size=n_normal), rng.normal(2, size=n_defects)])
        figure = tpr_at_fpr(scores, np.arange(len(scores)) >= n_normal, rate, seed=seed, n_resamples=300)
        covered += figure.low <= truth <= figure.high
    assert covered >= 93  # the bootstrap of images covers 71 of 100 in the first case


def test_an_interval_is_narrow_where_there_are_many_images():
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.normal(size=4000), rng.normal(2, size=2000)])
    figure = tpr_at_fpr(scores, np.arange(6000) >= 4000, 0.05)
    assert 0.03 < figure.high - figure.low < 0.09
    assert figure.reason is None


@pytest.mark.parametrize(("rate", "needed"), [(0.01, 368), (0.05, 72)])
def test_too_few_images_to_bound_a_rate_open_the_interval_to_0_and_say_so(rate, needed):
    few, enough, many = (perfect(n, rate) for n in (needed - 1, needed, needed * 6 // 5))
    assert f"it takes {needed} normal images to bound a rate of {rate:.0%}; there are {needed - 1}" in few.reason
    assert enough.reason is many.reason is None
    assert (few.value, few.low, few.high) == (1.0, 0.0, 1.0)
    assert many.low > 0.9
    assert (1 - rate) ** needed <= 0.025 < (1 - rate) ** (needed - 1)


def perfect(n, rate):
    is_anomalous = np.arange(2 * n) >= n
    return tpr_at_fpr(np.arange(2.0 * n), is_anomalous, rate, n_resamples=5000)


def test_equal_scores_find_nothing_at_a_low_rate():
    figure = tpr_at_fpr(np.ones(200), np.arange(200) < 100, 0.05)
    assert (figure.value, figure.low) == (0.0, 0.0)
    assert figure.high < 0.05  # of none in a hundred


def test_a_missing_kind_leaves_them_undefined_with_a_reason():
    figures = image_figures([1.0, 2.0], [0, 0], [False, True])
    assert all(figures[name].value is None and "at least one" in figures[name].reason for name in POINTS)
    assert operating_points(np.arange(4.0), np.arange(4) > 1, n_resamples=0)["tpr_at_fpr_0.05"].low is None


def test_where_every_cut_finds_the_same_the_interval_is_that_of_clopper_and_pearson():
    scores, is_anomalous = np.repeat([0.0, 1.0, -1.0], [1000, 2, 3]), np.arange(1005) >= 1000
    figure = tpr_at_fpr(scores, is_anomalous, 0.05, n_resamples=20_000)
    exact = binomtest(2, 5).proportion_ci(0.95, "exact")
    assert (figure.value, figure.low, figure.high) == pytest.approx((0.4, exact.low, exact.high), abs=0.01)
