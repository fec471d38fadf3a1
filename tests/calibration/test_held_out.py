import json
import math
from dataclasses import replace

import numpy as np
import pytest

from urushi.calibration import HeldOut
from urushi.calibration.conformal import Conformal
from urushi.calibration.mean_deviation import MeanDeviation
from urushi.errors import CalibrationError

HELD_OUT = HeldOut(scores=(1.0, 2.0, 3.0), map_peaks=(0.5, 0.9, 0.7), map_medians=(0.1, 0.2, 0.3), method="cross")


def test_survives_json():
    assert HeldOut.from_json(json.loads(json.dumps(HELD_OUT.to_json()))) == HELD_OUT


def test_colours_start_at_the_median_and_regions_lie_halfway():
    scale = HELD_OUT.map_scale()
    assert scale.low == 0.2
    assert scale.region_threshold == 0.9
    assert scale.high == pytest.approx(1.6)
    assert scale.region_threshold - scale.low == pytest.approx(scale.high - scale.region_threshold)


def test_one_normal_image_in_twenty_may_show_a_region():
    for n, n_above in [(1, 0), (18, 0), (19, 0), (39, 1), (99, 4), (999, 49)]:
        peaks = np.random.default_rng(0).permutation(n) / n
        held_out = HeldOut(scores=(0.0,) * n, map_peaks=tuple(peaks), map_medians=(0.0,) * n, method="split")
        assert (peaks > held_out.map_scale().region_threshold).sum() == n_above, (n, n_above)


def test_scale_does_not_depend_on_the_order_of_the_images():
    backwards = HeldOut(HELD_OUT.scores[::-1], HELD_OUT.map_peaks[::-1], HELD_OUT.map_medians[::-1], "cross")
    assert backwards.map_scale() == HELD_OUT.map_scale()


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, "a", None, [1.0]])
def test_values_that_are_no_numbers_are_refused(wrong):
    for field in ("scores", "map_peaks", "map_medians"):
        with pytest.raises(CalibrationError, match="held-out scores are damaged"):
            HeldOut.from_json({**HELD_OUT.to_json(), field: [1.0, wrong, 3.0]})


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        "abc",
        {**HELD_OUT.to_json(), "scores": [1.0, 2.0]},
        {**HELD_OUT.to_json(), "map_medians": []},
        {**HELD_OUT.to_json(), "scores": [], "map_peaks": [], "map_medians": []},
        {**HELD_OUT.to_json(), "method": "training"},
        {key: value for key, value in HELD_OUT.to_json().items() if key != "map_peaks"},
    ],
)
def test_what_is_missing_or_does_not_fit_together_is_refused(data):
    with pytest.raises(CalibrationError, match="held-out scores are damaged"):
        HeldOut.from_json(data)


@pytest.mark.parametrize(("method", "says"), [("cross", True), ("split", False)])
def test_threshold_from_cross_fits_says_that_its_rate_is_approximate(method, says):
    threshold = Conformal().fit(np.array(HELD_OUT.scores))
    qualified = replace(HELD_OUT, method=method).qualified(threshold)
    assert ("approximate" in qualified.explanation) == says
    assert qualified.rate_kind == ("approximate" if says else "guaranteed")
    assert qualified.value == threshold.value


def test_few_images_of_a_split_are_told_of_folds():
    def advice(n, method):
        return HeldOut((0.0,) * n, (0.0,) * n, (0.0,) * n, method).advice

    assert "Only 24 good images set the threshold" in advice(24, "split")
    assert [advice(24, "cross"), advice(99, "split")] == [None, None]
    threshold = replace(HELD_OUT, method="split").qualified(Conformal().fit(HELD_OUT.scores))
    assert "split.n_folds=5" in threshold.explanation
    assert replace(HELD_OUT, method="split").qualified(threshold) == threshold


def test_a_band_is_approximate_too_where_folds_scored_the_images():
    threshold = MeanDeviation(warn_rate=0.5).fit(HELD_OUT.scores)
    qualified = HELD_OUT.qualified(threshold)
    assert "approximate" in qualified.explanation
    assert qualified.rate_kind == "observed"
    assert "approximate" not in HELD_OUT.qualified(MeanDeviation().fit(HELD_OUT.scores)).explanation


def test_colours_go_from_the_median_of_normal_maps_to_twice_as_far_as_the_region_threshold():
    peaks, medians = tuple(np.arange(39.0) + 10), tuple(np.arange(39.0) / 10)
    scale = HeldOut(scores=(0.0,) * 39, map_peaks=peaks, map_medians=medians, method="split").map_scale()
    assert scale.region_threshold == 47.0  # one of the 39 lies above it: 2 of 40 is the rate of 0.05
    assert (scale.low, scale.high) == (1.9, 1.9 + 2 * (47.0 - 1.9))


def test_advice_is_given_up_to_the_number_that_the_default_rule_needs():
    def held_out(n, method):
        return HeldOut(scores=(0.0,) * n, map_peaks=(0.0,) * n, map_medians=(0.0,) * n, method=method)

    assert "Only 98 good images" in held_out(98, "split").advice
    assert held_out(99, "split").advice is None
    assert held_out(5, "cross").advice is None


def test_an_image_of_more_tiles_than_any_held_out_one_is_cautioned_of():
    values = {"scores": (0.0, 0.0), "map_peaks": (0.0, 0.0), "map_medians": (0.0, 0.0), "method": "split"}
    tiled, whole = HeldOut(**values, n_tiles=(4, 6)), HeldOut(**values)
    assert tiled.caution(6) is None
    assert "It has 7 tiles, the images behind the threshold 6 at most" in tiled.caution(7)
    assert whole.caution(7) is None


@pytest.mark.parametrize(("last", "is_said"), [(2.0, True), (2.0 + 1e-9, True), (2.1, False)])
def test_held_out_scores_that_are_all_equal_are_said_with_the_threshold(last, is_said):
    scores = (*[2.0] * 29, last)
    held_out = HeldOut(scores, scores, scores, "split")
    threshold = held_out.qualified(Conformal().fit(np.array(scores)))
    assert ("all held-out images have the same score" in threshold.explanation) is is_said
    assert held_out.qualified(threshold) == threshold


def test_one_image_alone_is_not_equal_to_others():
    alone = HeldOut((2.0,), (2.0,), (1.0,), "split")
    assert "the same score" not in alone.qualified(Conformal().fit(np.array([2.0]))).explanation


def test_only_promises_are_qualified():
    tail = replace(MeanDeviation().fit(HELD_OUT.scores), rate_kind="extrapolated")
    assert HELD_OUT.qualified(tail) == replace(HELD_OUT, method="split").qualified(tail) == tail
    observed = MeanDeviation().fit(HELD_OUT.scores)
    assert HELD_OUT.qualified(observed) == replace(HELD_OUT, method="split").qualified(observed) == observed
    band = HELD_OUT.qualified(replace(tail, warn_value=0.5, warn_rate=0.5))
    assert band.rate_kind == "extrapolated"
    assert "approximate" in band.explanation


def test_the_first_fault_of_damaged_scores_is_named():
    with pytest.raises(CalibrationError, match="damaged: Input should be a valid tuple"):
        HeldOut.from_json({"scores": "x", "map_medians": [0.1], "method": "split"})


@pytest.mark.parametrize(("tiles", "is_read"), [(1, True), (0, False), (1.0, False), (True, False)])
def test_numbers_of_tiles_are_whole_and_at_least_one(tiles, is_read):
    data = HELD_OUT.to_json() | {"n_tiles": [tiles] * 3}
    if is_read:
        assert HeldOut.from_json(data).n_tiles == (1, 1, 1)
    else:
        with pytest.raises(CalibrationError, match="damaged"):
            HeldOut.from_json(data)


@pytest.mark.parametrize(
    ("medians", "far"),
    [
        ((1.0, 2.0, 3.0), 3.6),  # a fifth of the highest
        ((1.0, 1.0, 3.0), 4.0),  # half of how far the highest lies above the middle
        ((1.0, 2.0, 8.5), 9.0),  # nowhere above the limit of regions
        ((0.0, 0.0, 0.0), 9.0),
    ],
)
def test_a_map_is_far_beyond_the_medians_of_normal_ones(medians, far):
    assert HeldOut((1.0, 2.0, 3.0), (9.0, 8.0, 7.0), medians, "split").far == pytest.approx(far)
