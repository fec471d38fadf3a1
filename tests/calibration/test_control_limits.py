"""Rules that put the threshold beyond the held-out normals: by their spread, or by the shape of their tail."""

import numpy as np
import pytest
from scipy import stats

from urushi.calibration.mean_deviation import MeanDeviation
from urushi.calibration.pareto import Pareto, fit_tail, tail_quantile
from urushi.calibration.part_average import PartAverage
from urushi.errors import CalibrationError

SCORES = np.random.default_rng(0).lognormal(size=200)


def test_mean_deviation_is_the_control_limit_of_scipy():
    limit = stats.tmean(SCORES) + 2.5 * stats.tstd(SCORES)
    assert MeanDeviation(k=2.5).fit(SCORES).value == pytest.approx(limit)
    assert "exceeded by 0.621 % of good parts if scores were Gaussian" in MeanDeviation(k=2.5).fit(SCORES).explanation


def test_scores_of_which_the_lowest_are_equal_have_a_deviation():
    assert MeanDeviation(k=1).fit([1.0, 1.0, 4.0]).value == pytest.approx(2 + 3**0.5)


def test_part_average_is_the_robust_limit_and_odd_parts_do_not_move_it():
    limit = np.median(SCORES) + 6 * stats.iqr(SCORES) / 1.35
    assert PartAverage().fit(SCORES).value == pytest.approx(limit)
    spoilt = np.where(SCORES.max() == SCORES, 1e6, SCORES)
    assert PartAverage().fit(spoilt).value == pytest.approx(limit)
    assert MeanDeviation().fit(spoilt).value > 1e5


@pytest.mark.parametrize(
    ("rule", "n", "message"), [(MeanDeviation(), 1, "at least 2"), (PartAverage(), 3, "at least 4")]
)
def test_spread_of_too_few_or_equal_scores_is_an_error(rule, n, message):
    with pytest.raises(CalibrationError, match=message):
        rule.check(n)
    rule.check(n + 1)
    with pytest.raises(CalibrationError, match=r"are 0\.1, so"):  # ten times 0.1 has a standard deviation by rounding
        rule.fit(np.full(10, 0.1))


def test_tail_of_many_excesses_is_that_of_scipy():
    for shape in [-0.5, -1e-3, 0.0, 0.3, 0.6]:
        draws = stats.genpareto(shape, scale=2.0).rvs(50_000, random_state=0)
        found, scale = fit_tail(np.sort(draws))
        ml_shape, _, ml_scale = stats.genpareto.fit(draws[:5000], shape, floc=0, scale=2.0)
        assert found == pytest.approx(shape, abs=0.04), shape
        assert scale == pytest.approx(2.0, rel=0.04), shape
        assert found == pytest.approx(ml_shape, abs=0.1), shape  # maximum likelihood, another method
        assert scale == pytest.approx(ml_scale, rel=0.1), shape


def test_quantiles_of_the_tail_are_those_of_scipy():
    for shape in [-0.5, -1e-12, 0.0, 1e-12, 0.4]:
        for probability in (0.9, 0.1, 1e-6):
            expected = stats.genpareto(shape if abs(shape) > 1e-9 else 0, scale=3.0).isf(probability)
            assert tail_quantile(probability, shape, 3.0) == pytest.approx(expected, rel=1e-6), shape


def test_pareto_threshold_is_the_quantile_of_the_tail_at_its_share_of_all_normals():
    ordered = np.sort(SCORES)  # 200, so the tail of a fifth begins above the 160th
    shape, scale = fit_tail(ordered[160:] - ordered[159])
    tail = stats.genpareto(shape, loc=ordered[159], scale=scale)
    threshold = Pareto(false_alarm_rate=0.001).fit(SCORES)
    assert threshold.value == pytest.approx(tail.isf(0.001 / 0.2))


def test_moments_are_those_of_the_written_formula():
    excesses = np.sort(SCORES[:30])
    k = len(excesses)
    a0 = sum(excesses) / k
    a1 = sum((k - j) / (k - 1) * y for j, y in enumerate(excesses, start=1)) / k
    assert fit_tail(excesses) == pytest.approx((2 - a0 / (a0 - 2 * a1), 2 * a0 * a1 / (a0 - 2 * a1)))


def test_a_tail_never_ends_before_the_highest_score():
    excesses = np.sort(np.concatenate([np.full(39, 1.0) + np.arange(39) / 1e3, [1.5]]))  # moments alone end it at 1.1
    shape, scale = fit_tail(excesses)
    assert -scale / shape == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("draw", "tail"), [("norm", {}), ("expon", {}), ("lognorm", {"s": 0.5})], ids=["gaussian", "exponential", "skewed"]
)
def test_extrapolated_rate_is_of_the_right_order(draw, tail):
    """No guarantee, so no exact test: over 120 calibrations the rate is on average within a factor of 3."""
    law, rng = getattr(stats, draw)(**tail), np.random.default_rng(3)
    thresholds = [Pareto(false_alarm_rate=0.002).fit(law.rvs(200, random_state=rng)).value for _ in range(120)]
    assert 0.002 / 3 < law.sf(thresholds).mean() < 0.002 * 3


def test_pareto_refuses_few_normals_and_rates_that_need_no_extrapolation():
    with pytest.raises(CalibrationError, match="at least 20 of these; of 99 there are 19"):
        Pareto().check(99)
    Pareto().check(100)
    Pareto(tail_fraction=0.4).check(50)
    with pytest.raises(CalibrationError, match="needs no extrapolation"):
        Pareto(false_alarm_rate=0.2).check(100)
    with pytest.raises(CalibrationError, match="all equal"):
        Pareto().fit(np.repeat([0.0, 1.0], [120, 30]))


def test_pareto_says_that_it_extrapolates_and_what_a_guarantee_needs():
    threshold = Pareto(false_alarm_rate=0.001).fit(SCORES)
    assert (threshold.rate_kind, threshold.false_alarm_rate) == ("extrapolated", 0.001)
    assert threshold.value > np.sort(SCORES)[-40]
    assert "EXTRAPOLATION 0.1 %" in threshold.explanation
    assert "A guarantee needs 999" in threshold.explanation


def test_pareto_needs_twenty_in_the_tail_and_a_rate_within_it():
    rule = Pareto(false_alarm_rate=0.19, tail_fraction=0.2)
    rule.check(100)
    with pytest.raises(CalibrationError, match="at least 20"):
        rule.check(99)
    with pytest.raises(CalibrationError, match="highest 20 of 100"):
        Pareto(false_alarm_rate=0.2, tail_fraction=0.2).check(100)  # exactly the tail: nothing to extrapolate
    with pytest.raises(CalibrationError, match="highest 20 of 104"):
        Pareto(false_alarm_rate=20 / 104, tail_fraction=0.2).check(104)


def test_pareto_counts_the_normals_above_its_threshold_and_tells_the_shape():
    threshold = Pareto(false_alarm_rate=0.05).fit(SCORES)
    ordered = np.sort(SCORES)
    shape, _ = fit_tail(ordered[160:] - ordered[159])
    n_above = sum(score > threshold.value for score in SCORES)
    assert f"a Pareto tail (shape {shape:.2f})" in threshold.explanation
    assert f"highest 40 of 200 held-out normal images, {n_above} of which" in threshold.explanation
    assert n_above > 0
    assert (threshold.n_normals, threshold.n_defects) == (200, 0)


def test_a_tail_of_which_only_the_highest_differs_has_a_shape():
    excesses = [1.0, 1.0, 1.0, 5.0]  # means of the excesses and of those times (3, 2, 1, 0) / 3: 2 and 1/2
    assert fit_tail(np.array(excesses)) == pytest.approx((0.0, 2.0))
