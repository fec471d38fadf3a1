"""The conformal threshold keeps its promise: by simulation, and exactly in its relation to p-values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from urushi.calibration import p_values
from urushi.calibration.conformal import Conformal, n_allowed, n_needed
from urushi.errors import CalibrationError, RecipeError

CONTINUOUS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "heavy-tailed": lambda rng, shape: rng.standard_cauchy(size=shape),
    "skewed": lambda rng, shape: rng.lognormal(sigma=2.0, size=shape),
}
DISCRETE = {
    "ties": lambda rng, shape: rng.poisson(3.0, size=shape).astype(float),
    "coin": lambda rng, shape: rng.integers(0, 2, size=shape).astype(float),
}


def false_alarms(draw, rate, n, n_draws, seed):
    """One new normal part per independent calibration, so that the false alarms are binomial."""
    rng = np.random.default_rng(seed)
    calibration, new = draw(rng, (n_draws, n)), draw(rng, n_draws)
    rule = Conformal(false_alarm_rate=rate)
    return sum(score > rule.fit(scores).value for score, scores in zip(new, calibration, strict=True))


@pytest.mark.parametrize(("rate", "n"), [(0.01, 150), (0.05, 99), (0.10, 37)])
def test_false_alarm_rate_of_continuous_scores_is_the_stated_one(rate, n):
    for name in CONTINUOUS:
        n_draws = 2000
        stated = Conformal(false_alarm_rate=rate).fit(np.arange(n)).false_alarm_rate
        low, high = stats.binom.interval(0.9999, n_draws, stated)
        assert stated <= rate, name
        assert low <= false_alarms(CONTINUOUS[name], rate, n, n_draws, seed=n) <= high, name


@pytest.mark.parametrize(("rate", "n"), [(0.01, 99), (0.05, 99), (0.10, 37)])
def test_false_alarm_rate_with_ties_is_at_most_the_stated_one(rate, n):
    for name in DISCRETE:
        n_draws = 2000
        assert false_alarms(DISCRETE[name], rate, n, n_draws, seed=n) <= stats.binom.ppf(0.9999, n_draws, rate), name


@pytest.mark.parametrize(("rate", "n"), [(0.01, 199), (0.05, 99), (0.10, 39)])
def test_false_alarm_rate_given_one_calibration_follows_its_beta_law(rate, n):
    rng = np.random.default_rng(1)
    rule = Conformal(false_alarm_rate=rate)
    rates = [1 - rule.fit(rng.uniform(size=n)).value for _ in range(1000)]  # of uniform scores, exactly 1 − threshold
    n_above = round(rate * (n + 1))
    assert stats.kstest(rates, stats.beta(n_above, n + 1 - n_above).cdf).pvalue > 1e-3


finite = st.floats(-1e6, 1e6) | st.integers(-3, 3).map(float)
rates = st.floats(0.001, 0.999) | st.sampled_from([k / 100 for k in range(1, 100)])


@given(st.lists(finite, min_size=1, max_size=200), st.lists(finite, min_size=1), rates)
def test_decision_is_the_same_as_p_value_at_most_alpha(normals, scores, rate):
    try:
        threshold = Conformal(false_alarm_rate=rate).fit(np.array(normals))
    except CalibrationError:
        assert len(normals) < n_needed(rate)
        return
    tested = np.array(scores + normals)  # the calibration scores themselves are the ties
    assert ((tested > threshold.value) == (p_values(tested, normals) <= rate)).all()


@given(st.integers(1, 3000), rates)
def test_n_needed_is_the_smallest_number_that_is_accepted(n, rate):
    if n >= n_needed(rate):
        Conformal(false_alarm_rate=rate).check(n)
    else:
        with pytest.raises(CalibrationError, match=f"at least {n_needed(rate)} held-out") as caught:
            Conformal(false_alarm_rate=rate).check(n)
        offered = float(str(caught.value).rpartition("a rate of ")[2].split()[0])
        Conformal(false_alarm_rate=offered).check(n)  # what the message offers works, typed as printed


def test_number_of_normals_that_a_rate_needs():
    for rate, n in [(0.001, 999), (0.01, 99), (0.05, 19), (0.07, 14), (0.1, 9), (0.5, 1)]:
        assert n_needed(rate) == n, (rate, n)


def test_round_rates_are_used_in_full():
    rates = [percent / 100 for percent in range(1, 100)]
    assert [Conformal(false_alarm_rate=rate).fit(np.arange(99)).false_alarm_rate for rate in rates] == rates


@pytest.mark.parametrize(("n_normals", "n_above"), [(19, 1), (39, 2), (150, 7), (498, 24), (499, 5), (999, 10)])
def test_default_is_five_percent_until_five_images_lie_beyond_one_percent(n_normals, n_above):
    threshold = Conformal().fit(np.arange(float(n_normals)))
    assert threshold.value == n_normals - n_above
    assert threshold.false_alarm_rate == n_above / (n_normals + 1)
    assert "ATTENTION" not in threshold.explanation
    assert ("no single one decides" in threshold.explanation) == (n_normals < 499)


@pytest.mark.parametrize("n_normals", [1, 18])
def test_default_says_loudly_that_few_normals_allow_only_a_higher_rate(n_normals):
    threshold = Conformal().fit(np.arange(float(n_normals)))
    assert threshold.value == n_normals - 1
    assert threshold.false_alarm_rate == 1 / (n_normals + 1)
    assert threshold.explanation.startswith(f"ATTENTION: {n_normals} held-out normal images are too few")
    assert "needs 19" in threshold.explanation


@pytest.mark.parametrize("rate", [0, 1, -0.1, float("nan"), "a"])
def test_impossible_rates_are_refused(rate):
    with pytest.raises(RecipeError, match=r"threshold\.conformal\.false_alarm_rate"):
        Conformal(false_alarm_rate=rate)


@given(st.lists(finite, min_size=1, max_size=50), st.lists(finite, min_size=1), st.randoms())
def test_p_values_are_counts_whatever_the_order(normals, scores, random):
    values = p_values(scores, normals)
    n = len(normals)
    assert ((values >= 1 / (n + 1)) & (values <= 1)).all()
    assert values.tolist() == [(1 + sum(c >= s for c in normals)) / (n + 1) for s in scores]
    shuffled = random.sample(normals, n)
    assert (p_values(scores, shuffled) == values).all()


def test_p_values_keep_the_shape():
    assert p_values(np.zeros((2, 3)), [1.0]).shape == (2, 3)
    assert p_values(5.0, [1.0]) == 0.5


@pytest.mark.parametrize(
    ("scores", "normals"),
    [([1.0], []), ([float("nan")], [1.0]), ([1.0], [float("nan")]), ([1.0], [[1.0]]), ([1.0], 1.0)],
)
def test_p_values_refuse_what_has_no_order(scores, normals):
    with pytest.raises(CalibrationError):
        p_values(scores, normals)


@pytest.mark.parametrize("n_normals", [1, 2, 19, 39, 99, 299])
def test_a_rate_allows_as_many_as_divided_by_all_are_no_more_than_it(n_normals):
    total = n_normals + 1
    for rate in (1e-9, 0.005, 0.01, 0.025, 0.05, 0.07, 0.1, 1 / 3, 0.5, 0.999):
        assert n_allowed(rate, n_normals) == sum(j / total <= rate for j in range(1, total + 1)), rate
