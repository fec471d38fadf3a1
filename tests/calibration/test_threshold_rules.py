"""What every threshold rule must do, and the quantile and label-based rules against plain counting."""

import json
from dataclasses import FrozenInstanceError
from math import isfinite

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from urushi import catalogue
from urushi.calibration import HeldOut, Normals, Threshold, ThresholdRule, compare_rules, p_values
from urushi.calibration._cuts import BestCut, Cuts
from urushi.calibration.accuracy import Accuracy
from urushi.calibration.conformal import Conformal
from urushi.calibration.f1 import F1
from urushi.calibration.fixed import Fixed
from urushi.calibration.g_mean import GMean
from urushi.calibration.quantile import Quantile
from urushi.calibration.recall import Recall
from urushi.calibration.specificity import Specificity
from urushi.calibration.youden import Youden
from urushi.catalogue import options
from urushi.errors import CalibrationError, RecipeError

ROOM = "urushi.calibration"
RNG = np.random.default_rng(0)
NORMALS, DEFECTS = RNG.normal(size=150), RNG.normal(2.0, size=40)
OF_RANKS = {"conformal", "quantile"}  # the order of scores counts alone
OF_MOMENTS = {"mean_deviation", "part_average", "pareto"}  # distances between scores count, too
WITH_DEFECTS = {"g_mean", "f1", "accuracy", "youden", "recall", "specificity", "least_cost"}
# The rules that come along. Another one is tested by being there, as far as it promises the same.
BY_HAND = {"fixed"}  # scores move it nowhere
RULES = OF_RANKS | OF_MOMENTS | WITH_DEFECTS | BY_HAND
NEEDED = {  # which have no default
    "fixed": {"value": 1.9},
    "least_cost": {"prevalence": 0.1, "escape_cost": 9.0, "false_alarm_cost": 1.0},
}
KINDS = {name: {"observed"} for name in RULES} | {"conformal": {"guaranteed"}, "pareto": {"extrapolated"}}
scores = st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=40)


def every_rule(**changes):
    names = catalogue.names(ROOM)
    kinds = {name: catalogue.load(ROOM, name, ThresholdRule) for name in names}
    return [options.build(kind, NEEDED.get(name, {}) | changes, "threshold") for name, kind in kinds.items()]


def attempt(rule, normals, defects):
    try:
        return rule.fit(normals, defects), ""
    except CalibrationError as error:
        return None, str(error)


def test_catalogue_holds_all_rules_of_the_methods_page():
    assert set(catalogue.names(ROOM)) >= RULES
    assert {rule.name for rule in every_rule() if rule.needs_defects} & RULES == WITH_DEFECTS


@pytest.mark.parametrize("rule", every_rule(), ids=lambda r: r.name)
class TestEveryRule:
    def test_threshold_survives_json(self, rule):
        threshold = rule.fit(NORMALS, DEFECTS)
        assert Threshold.from_json(json.loads(json.dumps(threshold.to_json()))) == threshold

    def test_threshold_says_what_it_was_fitted_on_and_what_its_rate_is_worth(self, rule):
        threshold = rule.fit(NORMALS, DEFECTS)
        assert threshold.rule in catalogue.names(ROOM)
        assert threshold.n_normals == 150
        assert threshold.n_defects == (40 if rule.needs_defects else 0)
        assert "150" in threshold.explanation
        assert threshold.rate_kind in KINDS.get(rule.name, {"guaranteed", "extrapolated", "observed"})
        if threshold.rate_kind == "observed":
            assert threshold.false_alarm_rate == np.mean(threshold.value < NORMALS)

    def test_order_of_scores_does_not_matter(self, rule):
        assert rule.fit(NORMALS[::-1], RNG.permutation(DEFECTS)) == rule.fit(NORMALS, DEFECTS)

    def test_shifted_and_stretched_scores_shift_and_stretch_the_threshold(self, rule):
        before = rule.fit(NORMALS, DEFECTS).value
        if rule.name in BY_HAND:
            assert rule.fit(4 * NORMALS - 3.0, DEFECTS).value == before
            return
        for shift in (-3.0, 100.0):
            assert rule.fit(NORMALS + shift, DEFECTS + shift).value == pytest.approx(before + shift)
        assert rule.fit(4 * NORMALS, 4 * DEFECTS).value == pytest.approx(4 * before)

    def test_decisions_of_rules_of_ranks_do_not_depend_on_the_scale_of_scores(self, rule):
        both = np.concatenate([NORMALS, DEFECTS])
        before = both > rule.fit(NORMALS, DEFECTS).value
        for transform in (np.exp, np.cbrt):
            after = transform(both) > rule.fit(transform(NORMALS), transform(DEFECTS)).value
            if rule.name in OF_RANKS | WITH_DEFECTS:
                assert (before == after).all(), transform

    def test_no_normals_is_an_error_before_training(self, rule):
        with pytest.raises(CalibrationError, match="0 held-out normal images"):
            rule.check(0)

    def test_scores_without_order_are_an_error(self, rule):
        bad = [np.array(scores) for scores in ([], [1.0, float("nan")], [float("inf")], [[1.0, 2.0]])]
        problems = [attempt(rule, scores, DEFECTS)[1] for scores in bad]
        assert ["held-out normal" in problem for problem in problems] == [True] * 4
        if rule.needs_defects:
            problems = [attempt(rule, NORMALS, scores)[1] for scores in bad[1:]]
            assert ["labelled defective" in problem for problem in problems] == [True] * 3

    def test_missing_defects_are_an_error_where_they_are_needed(self, rule):
        if rule.needs_defects:
            for missing in (None, np.array([])):
                with pytest.raises(CalibrationError, match="needs labelled defects"):
                    rule.fit(NORMALS, missing)
        else:
            assert rule.fit(NORMALS) == rule.fit(NORMALS, DEFECTS)

    def test_ties_give_a_threshold_that_keeps_its_word_or_an_error_that_names_a_way_out(self, rule):
        ties = RNG.integers(0, 3, 150).astype(float)
        half = np.repeat([0.0, 1.0], [120, 30])
        for normals, defects in [
            ([1.0], [2.0]),
            (np.ones(150), np.ones(9)),
            (half, half),
            (ties, ties),
            ([5.0], [1.0]),
        ]:
            threshold, problem = attempt(rule, normals, defects)
            if threshold is None:
                assert "conformal" in problem
            else:
                assert isfinite(threshold.value)
                assert 0 <= np.mean(np.array(normals) > threshold.value) <= threshold.false_alarm_rate < 1

    def test_p_values_have_the_order_of_the_decisions(self, rule):
        threshold = rule.fit(NORMALS, DEFECTS)
        both = np.concatenate([NORMALS, DEFECTS, [threshold.value]])
        p, is_anomalous = p_values(both, NORMALS), both > threshold.value
        cut = (1 + np.sum(threshold.value < NORMALS)) / 151
        assert p[is_anomalous].max(initial=0) <= cut <= p[~is_anomalous].min()


@pytest.mark.parametrize("rule", every_rule(warn_rate=0.4), ids=lambda r: r.name)
def test_with_every_rule_a_band_is_unsure_up_to_the_p_value_asked_for(rule):
    defects = DEFECTS + 1  # far enough for thresholds above the band
    threshold = rule.fit(NORMALS, defects)
    (bare,) = (r for r in every_rule() if r.name == rule.name)
    assert threshold.value == bare.fit(NORMALS, defects).value
    assert threshold.warn_rate == 60 / 151
    assert "39.7 % of good parts will be unsure or anomalous" in threshold.explanation
    assert Threshold.from_json(json.loads(json.dumps(threshold.to_json()))) == threshold
    tested = np.concatenate([NORMALS, defects, [threshold.value, threshold.warn_value]])
    for score, p in zip(tested, p_values(tested, NORMALS), strict=True):
        expected = "anomalous" if score > threshold.value else "unsure" if p <= 0.4 else "normal"
        assert threshold.decide(score) == expected


def test_a_band_that_would_be_empty_or_needs_more_normals_is_an_error():
    with pytest.raises(CalibrationError, match=r"warn rate of 0\.001 needs at least 999"):
        GMean(warn_rate=0.001).check(150)
    with pytest.raises(CalibrationError, match="no more than the false-alarm rate"):
        Conformal(false_alarm_rate=0.1, warn_rate=0.1).check(150)
    with pytest.raises(CalibrationError, match="not below the threshold"):
        Recall(recall=1.0, warn_rate=0.01).fit(NORMALS, DEFECTS)


def test_the_comparison_shows_what_each_rule_would_do_or_why_it_cannot():
    held_out = HeldOut(tuple(NORMALS[:24]), (1.0,) * 24, (0.5,) * 24, "split")
    without = {outcome.rule: outcome for outcome in compare_rules(held_out)}
    assert tuple(without) == catalogue.names(ROOM)
    with_threshold = {name for name, outcome in without.items() if outcome.threshold}
    assert with_threshold & RULES == {"conformal", "mean_deviation", "part_average"}
    assert "needs labelled defects" in without["g_mean"].reason
    assert "needs at least 20 of these; of 24 there are 4" in without["pareto"].reason
    outcomes = {outcome.rule: outcome for outcome in compare_rules(held_out, DEFECTS)}
    for rule in every_rule():
        outcome = outcomes[rule.name]
        if outcome.threshold is not None:
            assert outcome.threshold.value == rule.fit(NORMALS[:24], DEFECTS).value
            assert outcome.n_normals_above == sum(s > outcome.threshold.value for s in NORMALS[:24])
            assert outcome.n_defects_found == sum(s > outcome.threshold.value for s in DEFECTS)
    assert (without["conformal"].n_defects_found, outcomes["quantile"].threshold) == (None, None)


LABEL_RULES = [GMean(), F1(), Accuracy(), Youden(), Recall(recall=0.8), Specificity(specificity=0.7)]


def quality(rule, normals, defects, threshold):
    """By counting; 0 for a cut that the rule must not choose."""
    tp, fp = sum(s > threshold for s in defects), sum(s > threshold for s in normals)
    n, m = len(normals), len(defects)
    return {
        "f1": 2 * tp / (2 * tp + fp + m - tp),
        "g_mean": (tp / m * (1 - fp / n)) ** 0.5,
        "accuracy": (tp + n - fp) / (n + m) if tp + n - fp > n else 0,  # n: calling every image normal
        "youden": (tp * n - fp * m) / (n * m),
        "recall": 1 - fp / n if 10 * tp >= 8 * m else 0,
        "specificity": tp / m if 10 * (n - fp) >= 7 * n else 0,
    }[rule.name]


@pytest.mark.parametrize("rule", LABEL_RULES, ids=lambda r: r.name)
@given(normals=scores, defects=scores)
def test_label_based_rule_finds_the_best_of_all_cuts(rule, normals, defects):
    distinct = sorted({*normals, *defects})
    best = max(quality(rule, normals, defects, cut) for cut in distinct)
    everything = quality(rule, normals, defects, -np.inf)
    if best <= everything or best <= 0:
        if best < everything or best <= 0:
            with pytest.raises(CalibrationError, match="No threshold separates"):
                rule.fit(np.array(normals), np.array(defects))
        return
    threshold = rule.fit(np.array(normals), np.array(defects)).value
    assert quality(rule, normals, defects, threshold) == pytest.approx(best)
    above = [s for s in distinct if s > threshold]
    below = [s for s in distinct if s <= threshold]
    assert threshold == (below[-1] + above[0]) / 2
    assert all(quality(rule, normals, defects, cut) < best - 1e-12 for cut in above)  # the highest of equals


def test_recall_and_specificity_are_kept_where_they_are_round():
    normals, defects = np.arange(10.0), np.arange(5.0, 15.0)
    assert Recall(recall=0.7).fit(normals, defects).value == 7.5  # 7 of 10 defects above, 3 of 10 normals
    assert Specificity(specificity=0.7).fit(normals, defects).value == 6.5


def test_accuracy_says_where_no_threshold_beats_calling_every_image_normal():
    normals, defects = np.arange(100.0), np.array([50.0, 80.0])
    with pytest.raises(CalibrationError, match="beats calling every image normal"):
        Accuracy().fit(normals, defects)
    assert GMean().fit(normals, defects).value == 49.5


def test_threshold_lies_halfway_in_the_gap():
    assert GMean().fit(np.array([0.0, 1.0]), np.array([3.0, 4.0])).value == 2.0
    assert F1().fit(np.array([0.0, 1.0]), np.array([3.0, 4.0])).value == 2.0


def test_neighbouring_floats_and_huge_scores_are_separated():
    for rule in LABEL_RULES:
        for low in (1.0, np.nextafter(1.0, 2.0), 1e308, 5e-324, -1.0):
            high = np.nextafter(low, np.inf)
            value = rule.fit(np.array([low]), np.array([high])).value
            assert low <= value < high, rule


@pytest.mark.parametrize("rule", LABEL_RULES, ids=lambda r: r.name)
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


def test_round_quantiles_of_a_hundred_normals_are_meant_as_typed():
    normals, percents = np.arange(1.0, 101.0), list(range(1, 100))
    assert [Quantile(quantile=percent / 100).fit(normals).value for percent in percents] == percents


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
        GOOD | {"rate_kind": "certain"},
        GOOD | {"rate_kind": None},
        GOOD | {"warn_value": "0.5"},
        GOOD | {"warn_value": float("nan")},
        GOOD | {"warn_rate": 2.0},
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


def test_older_thresholds_are_read_and_only_conformal_ones_promised_something():
    assert Threshold.from_json(GOOD).rate_kind == "observed"
    old = Threshold.from_json(GOOD | {"rule": "conformal"})
    assert (old.rate_kind, old.warn_value, old.warn_rate) == ("guaranteed", None, None)
    cross = HeldOut((1.0,), (1.0,), (0.5,), "cross")
    assert cross.qualified(old).rate_kind == "approximate"
    assert cross.qualified(cross.qualified(old)) == cross.qualified(old)


def test_stored_bands_that_are_none_are_refused():
    for warn_value in (1.0, 2.0):
        with pytest.raises(CalibrationError, match="not below the threshold"):
            Threshold.from_json(GOOD | {"warn_value": warn_value})
    assert Threshold.from_json(GOOD | {"warn_value": 0.5}).decide(0.6) == "unsure"


json_values = (
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5) | st.just([1.0]) | st.just({})
)


@given(st.dictionaries(st.sampled_from([*sorted(GOOD), "rate_kind", "warn_value", "warn_rate"]), json_values))
def test_whatever_json_is_accepted_is_a_usable_threshold(changes):
    assume(changes)
    try:
        threshold = Threshold.from_json(GOOD | changes)
    except CalibrationError:
        return
    assert isfinite(threshold.value)
    assert threshold.n_normals >= 1


def test_the_quality_of_a_cut_is_that_calculated_by_hand():
    of = Cuts(
        values=np.array([-np.inf, 1.0, 2.0, 3.0]),
        true_positives=np.array([4.0, 3.0, 1.0]),
        false_positives=np.array([5.0, 1.0, 0.0]),
        n_normals=5,
        n_defects=4,
    )
    by_hand = {
        F1(): [8 / 13, 6 / 8, 2 / 5],
        GMean(): [0, 0.6**0.5, 0.5],
        Accuracy(): [0, 7 / 9, 6 / 9],  # 0: more normals than defects lie above
        Youden(): [0, 0.55, 0.25],
        Recall(recall=0.75): [0, 0.8, 0],
        Specificity(specificity=0.8): [0, 0.75, 0.25],
    }
    for rule, expected in by_hand.items():
        assert rule.quality(of) == pytest.approx(expected), rule


def test_a_threshold_set_by_hand_is_refused_where_it_is_missing_or_lets_no_good_part_pass():
    assert Fixed(value=2).fit([1.0, 3.0]).false_alarm_rate == 0.5
    with pytest.raises(RecipeError, match="give its option value"):
        Fixed().fit([1.0, 3.0])
    with pytest.raises(CalibrationError, match=r"every part would be anomalous\. Give more than 1"):
        Fixed(value=0.5).fit([1.0, 3.0])


DEFAULTS = {
    "accuracy": {},
    "conformal": {"false_alarm_rate": None},
    "f1": {},
    "fixed": {"value": None},
    "g_mean": {},
    "least_cost": {"prevalence": None, "escape_cost": None, "false_alarm_cost": None},
    "mean_deviation": {"k": 3.0},
    "pareto": {"false_alarm_rate": 0.001, "tail_fraction": 0.2},
    "part_average": {"k": 6.0},
    "quantile": {"quantile": 0.99},
    "recall": {"recall": 0.95},
    "specificity": {"specificity": 0.95},
    "youden": {},
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_recipe_that_names_no_option_means_these(name):
    cls = catalogue.load(ROOM, name, ThresholdRule)
    assert {one.name: one.default for one in options.describe(cls)} == DEFAULTS[name] | {"warn_rate": None}


@pytest.mark.parametrize(
    ("name", "option", "allowed", "refused"),
    [
        ("conformal", "false_alarm_rate", (1e-9, 0.999), (0.9e-9, 1.0)),
        ("conformal", "warn_rate", (1e-9, 0.999), (0.9e-9, 1.0)),
        ("mean_deviation", "k", (1e-3, 100.0), (0.0, 100.001)),
        ("pareto", "false_alarm_rate", (1e-9, 0.999), (0.9e-9, 1.0)),
        ("pareto", "tail_fraction", (1e-3, 0.5), (0.0, 0.501)),
        ("part_average", "k", (1e-3, 100.0), (0.0, 100.001)),
        ("quantile", "quantile", (1e-3, 0.999), (0.0, 1.0)),
        ("recall", "recall", (1e-3, 1.0), (0.0, 1.001)),
        ("specificity", "specificity", (1e-3, 1.0), (0.0, 1.001)),
    ],
)
def test_an_option_is_allowed_up_to_its_limits_and_not_beyond(name, option, allowed, refused):
    cls = catalogue.load(ROOM, name, ThresholdRule)
    for value in allowed:
        assert getattr(cls(**{option: value}), option) == value
    for value in refused:
        with pytest.raises(RecipeError, match=rf"threshold\.{name}\.{option} = "):
            cls(**{option: value})


@pytest.mark.parametrize(
    ("field", "allowed", "refused"),
    [
        ("false_alarm_rate", (0.0, 1.0), (-0.001, 1.001)),
        ("warn_rate", (0.0, 1.0), (-0.001, 1.001)),
        ("n_normals", (1,), (0,)),
        ("n_defects", (0,), (-1,)),
        ("rule", ("x", 100 * "x"), ("", 101 * "x")),
        ("explanation", ("", 2000 * "x"), (2001 * "x",)),
    ],
)
def test_a_stored_threshold_is_read_up_to_its_limits_and_not_beyond(field, allowed, refused):
    assert [getattr(Threshold.from_json(GOOD | {field: value}), field) for value in allowed] == list(allowed)
    for value in refused:
        with pytest.raises(CalibrationError, match=field):
            Threshold.from_json(GOOD | {field: value})


def test_of_a_damaged_threshold_five_faults_are_named_and_no_more_than_500_characters():
    with pytest.raises(CalibrationError) as few:
        Threshold.from_json(dict.fromkeys("abcdefg", 1) | GOOD)
    assert str(few.value).count("Unexpected keyword argument") == 5
    with pytest.raises(CalibrationError) as long:
        Threshold.from_json(GOOD | {900 * "x": 1})
    assert str(long.value).count("x") == 500


def test_thresholds_and_rules_cannot_be_changed_and_name_their_values():
    for one in (Threshold(**GOOD), HeldOut((1.0,), (1.0,), (0.5,), "split"), *every_rule(warn_rate=0.4)):
        with pytest.raises(FrozenInstanceError):
            one.warn_rate = 0.1
    with pytest.raises(TypeError):
        Threshold(*GOOD.values())
    assert (ThresholdRule.__abstractmethods__, BestCut.__abstractmethods__) == ({"choose"}, {"aim", "quality"})


@pytest.mark.parametrize(("n", "value", "rate"), [(3, 2.0, 2 / 4), (4, 3.0, 2 / 5)])
def test_the_rate_of_a_band_is_one_of_the_normals_and_a_new_image(n, value, rate):
    threshold = Threshold(**GOOD | {"value": 9.0}).with_band(Normals.of(np.arange(1.0, n + 1)), 0.5)
    assert (threshold.warn_value, threshold.warn_rate) == (value, rate)
