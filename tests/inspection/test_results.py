from typing import Any

import numpy as np
import pytest

from urushi.inspection import Inspection, MapScale, Region

SCALE = MapScale(low=1.0, high=3.0, region_threshold=2.0)
EMPTY = np.empty((0, 0), np.float32)


def inspection(score: float, peak: float, **changes: Any) -> Inspection:
    values: dict[str, Any] = {"source": "a.png", "score": score, "threshold": 10.0, "p_value": 0.05}
    values |= {"decision": "anomalous" if score > 10 else "normal", "places": (Region(1, 2, 3, 4, 12, peak),)}
    values |= {"original_size": (9, 9), "to_original": np.eye(3), "image": EMPTY, "anomaly_map": EMPTY}
    return Inspection(**(values | {"map_scale": SCALE, "reconstruction": None} | changes))


def test_a_normal_image_shows_no_region_whatever_its_map():
    found = inspection(9, peak=5)
    assert (found.regions, found.decided_by, found.explanation) == ((), None, None)
    assert found.to_json()["regions"] == []


@pytest.mark.parametrize("decision", ["anomalous", "unsure"])
def test_without_a_place_above_the_limit_the_highest_is_shown_and_said_to_be_no_more(decision):
    found = inspection(11, peak=1.5, decision=decision)
    assert len(found.regions) == 1
    assert found.decided_by == "whole"
    assert found.explanation == "No place of the map is above the limit of regions; the box marks the highest."


def test_a_method_that_weighs_the_whole_image_says_that_it_decided():
    found = inspection(15, peak=1.5, beside_map="image")
    assert found.explanation.startswith("The image as a whole decided: its statistics are unlike")
    assert found.explanation.endswith("the box marks the highest.")
    assert inspection(15, peak=1.5, beside_map="windows").explanation.startswith("Windows of the image decided")
    left = inspection(15, peak=1.5, beside_map="residual").explanation
    assert left.startswith("The image as a whole decided: its reconstruction leaves more, or less, than")


def test_a_region_explains_the_score_unless_the_whole_image_lies_further_beyond_its_limit():
    assert inspection(15, peak=4, beside_map="image").decided_by == "regions"
    assert inspection(15, peak=4, beside_map="image").explanation is None
    whole = inspection(15, peak=2.5, beside_map="image")
    assert whole.decided_by == "whole"
    assert "highest" not in whole.explanation
    assert inspection(15, peak=2.5).decided_by == "regions"  # of a method whose score comes from the map alone


def test_score_and_peaks_are_given_in_units_of_their_limits():
    found = inspection(15, peak=3).to_json()
    assert (found["score_in_thresholds"], found["regions"][0]["peak_in_limits"]) == (1.5, 1.5)


def test_without_a_positive_limit_there_are_no_such_units():
    below = MapScale(low=-3.0, high=-1.0, region_threshold=-2.0)
    found = inspection(15, peak=3, threshold=-1.0, map_scale=below, beside_map="image")
    assert found.decided_by == "regions"
    assert (found.to_json()["score_in_thresholds"], found.to_json()["regions"][0]["peak_in_limits"]) == (None, None)
