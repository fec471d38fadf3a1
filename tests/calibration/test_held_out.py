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


@pytest.mark.parametrize("field", ["scores", "map_peaks", "map_medians"])
@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, "a", None, [1.0]])
def test_values_that_are_no_numbers_are_refused(field, wrong):
    values = HELD_OUT.to_json()
    values[field] = [1.0, wrong, 3.0]
    with pytest.raises(CalibrationError, match="held-out scores are damaged"):
        HeldOut.from_json(values)


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
