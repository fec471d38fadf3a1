"""The gate: every figure by hand, every limit, and nothing that is not a number gets through."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from urushi.calibration.conformal import Conformal
from urushi.errors import ExportError
from urushi.exporting import Judge, Parity
from urushi.inspection import MapScale
from urushi.runtime.backend import Output

HELD_OUT = tuple(range(100, 200))
JUDGE = Judge(Conformal(false_alarm_rate=0.05).fit(np.array(HELD_OUT, float)), MapScale(0.0, 10.0, 5.0), HELD_OUT)
GOOD = Parity(10, 10, 10, 1e-6, 1e-6, 1e-6, 0, 0, 1.0, 1.0)
SPREAD = 49.5 / 1.349  # quartiles of 100 … 199


def outputs(scores: Sequence[float], peak: float = 1.0) -> list[Output]:
    return [Output(None, np.full((1, 2, 2), peak, np.float32), np.array([score])) for score in scores]


def compare(torch: Sequence[float], exported: Sequence[float], n_normal: int = 2, peak: float = 1.0) -> Parity:
    return JUDGE.compare(outputs(torch), outputs(exported, peak), n_normal)


def test_each_figure_is_what_it_says():
    found = compare([150, 160, 300, 449.5], [151, 160, 300, 479.5], peak=1.5)
    assert (found.n_normal, found.n_defects, found.n_near) == (2, 2, 2)  # 160 and 150 lie within 73 of 195
    assert found.score_difference == pytest.approx((30 - 449.5e-5) / 300)  # 449.5 lies 300 above the median 149.5
    assert found.near_difference == pytest.approx(0.95 / SPREAD)
    assert found.map_difference == pytest.approx(0.05)
    assert found.n_flips == 0
    assert found.roc_auc_torch == found.roc_auc_exported == 1


def test_a_score_among_normal_ones_is_measured_against_their_spread():
    assert compare([150, 160], [150, 170], n_normal=1).score_difference == pytest.approx(10 / SPREAD, rel=1e-3)


@pytest.mark.parametrize("offset", [0, -10_000, 1e6])
def test_where_the_scale_of_scores_begins_changes_nothing(offset):
    held_out = np.array(HELD_OUT) + offset
    judge = Judge(Conformal(false_alarm_rate=0.05).fit(held_out), MapScale(0.0, 10.0, 5.0), held_out)
    torch, exported = (outputs(np.array(scores, float) + offset) for scores in ([150, 190], [170, 180]))
    found = judge.compare(torch, exported, 1)
    assert found.near_difference == pytest.approx(19.5 / SPREAD)
    with pytest.raises(ExportError, match=r"scores differ by up to 0\.[2-5]"):
        found.require("fp32")


def test_a_graph_is_judged_by_its_own_threshold():
    own = replace(JUDGE.threshold, value=JUDGE.threshold.value + 1000)
    torch, exported = outputs([150, 190, 200, 300]), outputs([1150, 1190, 1200, 1300])
    assert JUDGE.compare(torch, exported, 2).n_flips == 2
    found = JUDGE.compare(torch, exported, 2, own)
    assert (found.n_flips, found.near_difference) == (0, 0)


def test_held_out_scores_that_are_all_the_same_allow_no_difference():
    judge = Judge(JUDGE.threshold, JUDGE.map_scale, (5.0,) * 30)
    assert judge.compare(outputs([5, 5]), outputs([5, 5]), 1).score_difference == 0
    with pytest.raises(ExportError, match="scores differ"):
        judge.compare(outputs([5, 5]), outputs([5.1, 5]), 1).require("fp32")


def test_a_decision_that_changes_is_a_flip_but_not_where_rounding_decides():
    limit = JUDGE.threshold.value
    assert compare([100, limit - 1, 300, 400], [100, limit + 1, 300, 400]).n_flips == 1
    assert compare([100, limit, 300, 400], [100, limit * (1 + 1e-7), 300, 400]).n_flips == 0
    assert compare([100, limit * (1 + 1e-7), 300, 400], [100, limit, 300, 400]).n_flips == 0


def test_flips_far_from_where_decisions_change_are_told_from_near_ones():
    limit = JUDGE.threshold.value
    near, far = limit - 0.4 * SPREAD, limit - 0.6 * SPREAD
    found = compare([100, near, far, 400], [100, limit + 1, limit + 1, 400])
    assert (found.n_flips, found.n_far_flips) == (2, 1)
    band = replace(JUDGE, threshold=replace(JUDGE.threshold, warn_value=far))
    found = band.compare(outputs([100, far - 1, far - SPREAD, 400]), outputs([100, far + 1, far + 1, 400]), 2)
    assert (found.n_flips, found.n_far_flips) == (2, 1)


def test_ranking_is_compared():
    found = compare([100, 110, 300, 400], [350, 110, 300, 400])
    assert (found.roc_auc_torch, found.roc_auc_exported) == (1, 0.75)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score_difference": 2e-2}, "scores differ by up to 0.02, allowed is 0.01"),
        ({"map_difference": 0.02}, "maps differ by up to 0.02 of their scale, allowed is 0.01"),
        ({"n_flips": 1}, "1 decisions differ, allowed is none"),
        ({"score_difference": float("nan")}, "scores differ"),
        ({"map_difference": float("nan")}, "maps differ"),
    ],
)
def test_in_fp32_nothing_may_differ(change, message):
    GOOD.require("fp32")
    with pytest.raises(ExportError, match=message):
        replace(GOOD, **change).require("fp32")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_far_flips": 1}, r"5\.0% of decisions differ far from the threshold, allowed are 2%"),
        ({"n_near": 9}, "only 9 images came near the threshold, 10 are needed"),
        (
            {"near_difference": 0.6},
            r"near the threshold scores differ by 0\.6 deviations of normal ones, allowed is 0\.5",
        ),
        ({"near_difference": float("nan")}, "near the threshold"),
        ({"roc_auc_exported": 0.98}, r"ROC-AUC falls by 0\.020, allowed is 0\.01"),
        ({"roc_auc_exported": float("nan")}, "ROC-AUC falls"),
    ],
)
def test_in_int8_decisions_and_ranking_must_hold(change, message):
    replace(GOOD, score_difference=0.5, map_difference=0.5, n_flips=5).require("int8")
    with pytest.raises(ExportError, match=message):
        replace(GOOD, **change).require("int8")


def test_an_exported_score_that_is_not_a_number_closes_both_gates():
    found = compare([100, 110, 300, 400], [100, 110, 300, np.nan])
    for precision in ("fp32", "int8"):
        with pytest.raises(ExportError):
            found.require(precision)
