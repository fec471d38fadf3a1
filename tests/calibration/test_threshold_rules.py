"""What every threshold rule must do, and the quantile and label-based rules against plain counting."""

import json
from math import isfinite

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from urushi import catalogue, options
from urushi.calibration import Threshold, ThresholdRule
from urushi.calibration.f1 import F1
from urushi.calibration.g_mean import GMean
from urushi.calibration.quantile import Quantile
from urushi.errors import CalibrationError

ROOM = "urushi.calibration"
RNG = np.random.default_rng(0)
NORMALS, DEFECTS = RNG.normal(size=150), RNG.normal(2.0, size=40)
scores = st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=40)


def every_rule():
    return [options.build(catalogue.load(ROOM, name, ThresholdRule), {}, "threshold") for name in catalogue.names(ROOM)]


def test_catalogue_holds_the_four_rules():
    assert catalogue.names(ROOM) == ("conformal", "f1", "g_mean", "quantile")


@pytest.mark.parametrize("rule", every_rule(), ids=lambda r: r.name)
class TestEveryRule:
    def test_threshold_survives_json(self, rule):
        threshold = rule.fit(NORMALS, DEFECTS)
        assert Threshold.from_json(json.loads(json.dumps(threshold.to_json()))) == threshold

    def test_threshold_says_what_it_was_fitted_on(self, rule):
        threshold = rule.fit(NORMALS, DEFECTS)
        assert threshold.rule in catalogue.names(ROOM)
        assert threshold.n_normals == 150
        assert threshold.n_defects == (40 if rule.needs_defects else 0)
        assert "150" in threshold.explanation
        if rule.needs_defects:
            assert threshold.false_alarm_rate == np.mean(threshold.value < NORMALS)

    def test_order_of_scores_does_not_matter(self, rule):
        assert rule.fit(NORMALS[::-1], RNG.permutation(DEFECTS)) == rule.fit(NORMALS, DEFECTS)

    @pytest.mark.parametrize("transform", [np.exp, np.cbrt, lambda s: 3 * s - 7], ids=["exp", "cbrt", "affine"])
    def test_decisions_do_not_depend_on_the_scale_of_scores(self, rule, transform):
        both = np.concatenate([NORMALS, DEFECTS])
        before = both > rule.fit(NORMALS, DEFECTS).value
        after = transform(both) > rule.fit(transform(NORMALS), transform(DEFECTS)).value
        assert (before == after).all()

    def test_no_normals_is_an_error_before_training(self, rule):
        with pytest.raises(CalibrationError, match="0 held-out normal images"):
            rule.check(0)

    @pytest.mark.parametrize("bad", [[], [1.0, float("nan")], [float("inf")], [[1.0, 2.0]]])
    def test_scores_without_order_are_an_error(self, rule, bad):
        with pytest.raises(CalibrationError, match="held-out normal"):
            rule.fit(np.array(bad), DEFECTS)

    def test_missing_defects_are_an_error_where_they_are_needed(self, rule):
        if rule.needs_defects:
            for missing in (None, np.array([])):
                with pytest.raises(CalibrationError, match="needs labelled defects"):
                    rule.fit(NORMALS, missing)
        else:
            assert rule.fit(NORMALS) == rule.fit(NORMALS, DEFECTS)


def quality(rule, normals, defects, threshold):
    """F1 or G-mean by counting."""
    tp, fp = sum(s > threshold for s in defects), sum(s > threshold for s in normals)
    if isinstance(rule, F1):
        return 2 * tp / (2 * tp + fp + len(defects) - tp)
    return (tp / len(defects) * (1 - fp / len(normals))) ** 0.5


@pytest.mark.parametrize("rule", [GMean(), F1()], ids=["g_mean", "f1"])
@given(normals=scores, defects=scores)
def test_label_based_rule_finds_the_best_of_all_cuts(rule, normals, defects):
    distinct = sorted({*normals, *defects})
    best = max(quality(rule, normals, defects, cut) for cut in distinct)
    everything = quality(rule, normals, defects, -np.inf)
    if best <= everything:
        if best < everything or best == 0:
            with pytest.raises(CalibrationError, match="No threshold separates"):
                rule.fit(np.array(normals), np.array(defects))
        return
    threshold = rule.fit(np.array(normals), np.array(defects)).value
    assert quality(rule, normals, defects, threshold) == pytest.approx(best)
    above = [s for s in distinct if s > threshold]
    below = [s for s in distinct if s <= threshold]
    assert threshold == (below[-1] + above[0]) / 2
    assert all(quality(rule, normals, defects, cut) < best - 1e-12 for cut in above)  # the highest of equals


def test_threshold_lies_halfway_in_the_gap():
    assert GMean().fit(np.array([0.0, 1.0]), np.array([3.0, 4.0])).value == 2.0
    assert F1().fit(np.array([0.0, 1.0]), np.array([3.0, 4.0])).value == 2.0


@pytest.mark.parametrize("rule", [GMean(), F1()], ids=["g_mean", "f1"])
def test_neighbouring_floats_and_huge_scores_are_separated(rule):
    for low in (1.0, np.nextafter(1.0, 2.0), 1e308, 5e-324, -1.0):
        high = np.nextafter(low, np.inf)
        value = rule.fit(np.array([low]), np.array([high])).value
        assert low <= value < high


@pytest.mark.parametrize("rule", [GMean(), F1()], ids=["g_mean", "f1"])
def test_constant_scores_give_no_threshold(rule):
    with pytest.raises(CalibrationError, match="No threshold separates"):
        rule.fit(np.ones(5), np.ones(5))


@given(st.lists(st.integers(-9, 9).map(float), min_size=1, max_size=300), st.integers(1, 99))
def test_quantile_is_the_lowest_score_with_enough_at_or_below(normals, percent):
    n, rule = len(normals), Quantile(quantile=percent / 100)
    if n * (100 - percent) < 100:
        with pytest.raises(CalibrationError, match="needs at least"):
            rule.check(n)
        return
    threshold = rule.fit(np.array(normals))
    enough = [s for s in normals if 100 * sum(c <= s for c in normals) >= percent * n]
    assert threshold.value == min(enough)
    assert threshold.false_alarm_rate == sum(s > threshold.value for s in normals) / n
    assert 100 * threshold.false_alarm_rate <= 100 - percent + 1e-9


@pytest.mark.parametrize("percent", range(1, 100))
def test_round_quantiles_of_a_hundred_normals_are_meant_as_typed(percent):
    assert Quantile(quantile=percent / 100).fit(np.arange(1.0, 101.0)).value == percent


def test_equally_good_cuts_are_equal_whatever_the_rounding():
    normals, defects = [0.0, 0.0, 0.0, 0.0, -1.0], [0.0, 0.0, 0.0, 0.0, 1.0, -1.0, -1.0]
    assert GMean().fit(np.array(normals), np.array(defects)).value == 0.5  # not -0.5, at √(1/7) as well


def test_decision_is_anomalous_only_strictly_above():
    threshold = Threshold(value=1.0, rule="f1", false_alarm_rate=None, n_normals=1, n_defects=0, explanation="")
    assert [threshold.decide(s) for s in (0.9, 1.0, np.nextafter(1.0, 2.0))] == ["normal", "normal", "anomalous"]
    with pytest.raises(CalibrationError, match="NaN"):
        threshold.decide(float("nan"))


GOOD = {"value": 1.0, "rule": "f1", "false_alarm_rate": 0.1, "n_normals": 9, "n_defects": 0, "explanation": ""}


@pytest.mark.parametrize(
    "hostile",
    [
        None,
        [],
        "threshold",
        {},
        {k: v for k, v in GOOD.items() if k != "value"},
        GOOD | {"extra": 1},
        GOOD | {"value": "1.0"},
        GOOD | {"value": None},
        GOOD | {"value": 10**400},
        GOOD | {"value": True},
        GOOD | {"value": float("nan")},
        GOOD | {"value": float("inf")},
        GOOD | {"false_alarm_rate": 1.5},
        GOOD | {"n_normals": -1},
        GOOD | {"n_normals": 2.5},
        GOOD | {"rule": "x" * 10_000},
        GOOD | {"explanation": ["<script>"]},
    ],
)
def test_hostile_json_is_a_clear_error(hostile):
    with pytest.raises(CalibrationError, match="damaged or of another format") as caught:
        Threshold.from_json(hostile)
    assert len(str(caught.value)) < 700


json_values = (
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5) | st.just([1.0]) | st.just({})
)


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), json_values))
def test_whatever_json_is_accepted_is_a_usable_threshold(changes):
    assume(changes)
    try:
        threshold = Threshold.from_json(GOOD | changes)
    except CalibrationError:
        return
    assert isfinite(threshold.value)
    assert threshold.n_normals >= 1
