import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urushi.reporting.histogram import Axis, bin_edges, lane, score_axis

scores = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)


@given(scores, scores, st.floats(-1e6, 1e6))
def test_every_score_is_counted_on_its_side_of_the_threshold(
    normal: list[float], inspected: list[float], threshold: float
) -> None:
    axis = score_axis(normal, inspected, threshold)
    assert axis is not None
    drawn = lane("inspected", inspected, axis, bin_edges(axis, threshold))
    assert sum(bar.count for bar in drawn.bars) == len(inspected)
    beyond = sum(bar.count for bar in drawn.bars if bar.left >= axis.place(threshold) - 1e-6)
    hairline = sum(abs(axis.place(s) - axis.place(threshold)) < 1e-6 and s > threshold for s in inspected)
    assert abs(beyond - sum(s > threshold for s in inspected)) <= hairline


def test_score_equal_to_the_threshold_is_drawn_on_the_normal_side() -> None:
    axis = score_axis([0.1, 0.37], [0.37, 0.9], 0.37)
    assert axis is not None
    first, second = lane("inspected", [0.37, 0.9], axis, bin_edges(axis, 0.37)).bars
    assert first.left + first.width == pytest.approx(axis.place(0.37))
    assert second.left > axis.place(0.37)


def test_axis_covers_scores_and_threshold() -> None:
    axis = score_axis([1.0], [2.0], 3.0)
    assert axis is not None
    assert axis.low < 1.0
    assert axis.high > 3.0


def test_single_score_has_an_axis_of_some_width() -> None:
    axis = score_axis([2.0], [], 2.0)
    assert axis is not None
    assert 0 < axis.place(2.0) < 100


def test_nothing_to_show_has_no_axis() -> None:
    assert score_axis([], [], math.inf) is None


def test_far_anomalies_make_the_axis_logarithmic_so_that_normals_keep_room() -> None:
    axis = score_axis([1.0, 2.0], [500.0], 2.0)
    assert axis is not None
    assert axis.is_log
    assert axis.place(2.0) > 10


def test_infinite_threshold_moves_no_axis() -> None:
    axis = score_axis([1.0, 2.0], [1.5], math.inf)
    assert axis is not None
    assert axis.high < 3


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.booleans())
def test_ticks_are_few_and_within_the_axis(low: float, width: float, is_log: bool) -> None:
    axis = Axis(abs(low) + 1e-3, abs(low) + 1e-3 + width, True) if is_log else Axis(low, low + width, False)
    ticks = axis.ticks()
    assert len(ticks) <= 7
    assert all(0 <= place <= 100 for place, _ in ticks)
