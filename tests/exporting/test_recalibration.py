"""An int8 graph's held-out scores are its own where the images are there, and moved ones where they are not."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from urushi.calibration import HeldOut
from urushi.calibration.conformal import Conformal
from urushi.calibration.f1 import F1
from urushi.errors import ExportError
from urushi.exporting import Recalibration
from urushi.runtime.backend import Output

N = 40
FLOAT = np.linspace(1, 2, N)
SPLIT = HeldOut(tuple(FLOAT), tuple(FLOAT * 2), tuple(FLOAT / 2), "split")


class Fixed:
    """Scores that are given, each with a map of the values score / 2, score / 2 and 2 · score."""

    def __init__(self, scores: Sequence[float]) -> None:
        self.scores = scores

    def outputs(self) -> list[Output]:
        maps = [np.array([[[s / 2, s / 2, 2 * s]]], np.float32) for s in self.scores]
        return [Output(None, one, np.array([s])) for one, s in zip(maps, self.scores, strict=True)]


def recalibrated(held_out: HeldOut, before: Sequence[float], after: Sequence[float], **how: Any) -> Any:
    rule = how.get("rule", lambda: Conformal(false_alarm_rate=0.1))
    outputs = lambda backend: backend.outputs()  # noqa: E731
    is_apart = how.get("is_apart", True)
    return Recalibration(held_out, rule, Fixed(before), outputs, is_apart=is_apart).of(Fixed(after))


def test_scores_of_the_very_images_held_out_are_taken_and_the_promise_stays():
    shuffled = np.random.default_rng(0).permutation(FLOAT)
    found = recalibrated(SPLIT, shuffled, shuffled**2)
    assert sorted(found.held_out.scores) == pytest.approx(sorted(FLOAT**2))
    assert sorted(found.held_out.map_peaks) == pytest.approx(sorted(2 * FLOAT**2))
    assert sorted(found.held_out.map_medians) == pytest.approx(sorted(FLOAT**2 / 2))
    assert found.threshold.value == pytest.approx(Conformal(false_alarm_rate=0.1).fit(FLOAT**2).value)
    assert found.threshold.rate_kind == "guaranteed"


@pytest.mark.parametrize("case", ["other images", "folds", "ranges of these images"])
def test_else_the_held_out_scores_are_moved_by_the_median_change_and_the_rate_is_called_approximate(case):
    held_out = HeldOut(SPLIT.scores, SPLIT.map_peaks, SPLIT.map_medians, "cross") if case == "folds" else SPLIT
    before = FLOAT[:30] / 10 if case == "other images" else FLOAT
    after = before + 0.25
    after[0] += 100  # one odd image moves nothing
    found = recalibrated(held_out, before, after, is_apart=case != "ranges of these images")
    assert found.held_out.scores == pytest.approx(FLOAT + 0.25)
    assert found.held_out.map_peaks == pytest.approx(FLOAT * 2 + 0.5)
    assert found.held_out.map_medians == pytest.approx(FLOAT / 2 + 0.125, abs=1e-6)
    assert found.threshold.rate_kind == "approximate"
    assert "moved by as much as 8-bit integers change" in found.threshold.explanation
    assert ("by a fit without it" in found.threshold.explanation) == (case == "folds")
    assert HeldOut.from_json(found.held_out.to_json()) == found.held_out


def test_a_rule_that_needs_defects_finds_no_threshold_and_says_so():
    with pytest.raises(ExportError, match=r"it needs a threshold of its own: .*labelled defects"):
        recalibrated(SPLIT, FLOAT, FLOAT, rule=F1)


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(ExportError, match="no numbers"):
        recalibrated(SPLIT, FLOAT, FLOAT * np.nan)


def test_the_threshold_of_moved_scores_keeps_to_its_rate():
    """Simulated: folds score N(0, 1); int8 adds a shift and a little noise, which learnt images show as new ones do."""
    rng, alarms = np.random.default_rng(0), []
    for _ in range(60):
        scores = rng.normal(0, 1, 99)
        held_out = HeldOut(tuple(scores), tuple(scores), tuple(scores - 1), "cross")
        learnt = rng.normal(-2, 0.3, 99)
        found = recalibrated(held_out, learnt, learnt + 0.8 + rng.normal(0, 0.2, 99))
        new = rng.normal(0, 1, 500) + 0.8 + rng.normal(0, 0.2, 500)
        alarms.append((new > found.threshold.value).mean())
    assert 0.085 < np.mean(alarms) < 0.12
