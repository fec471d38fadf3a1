"""What is kept of the ways to run a detector when one is added, and when its threshold changes."""

from dataclasses import replace

import numpy as np
import pytest

from urushi.calibration import Calibration, HeldOut
from urushi.runtime.backend import FakeBackend
from urushi.runtime.choice import Wish
from urushi.runtime.ways import FLOAT, WEIGHTS, Ways

HELD_OUT = HeldOut(tuple(np.linspace(0, 1, 20).tolist()), (1.0,) * 20, (0.5,) * 20, "split")
FITTED = Ways.of_fit(b"weights", HELD_OUT)
OWN = Calibration(HELD_OUT, replace(FITTED.calibrations[FLOAT].threshold, value=7.0))


class Int8(FakeBackend):
    runtime, precision, n_threads = "onnx", "int8", 3  # type: ignore[assignment]


def entry(runtime: str, precision: str, milliseconds: float = 1.0) -> dict[str, object]:
    return {"runtime": runtime, "precision": precision, "milliseconds": milliseconds}


FLOATING = FITTED.exported({"graph.onnx": b"graph"}, entry("onnx", "fp32"), None)
BOTH = FLOATING.exported({"graph-int8.onnx": b"int8"}, entry("onnx", "int8"), OWN)


def test_each_way_decides_by_its_own_calibration():
    assert BOTH.calibration(FakeBackend()) == FITTED.calibrations[FLOAT]
    assert BOTH.calibration(Int8()) == OWN
    with pytest.raises(KeyError):
        FLOATING.calibration(Int8())


def test_a_new_export_takes_the_place_of_one_of_its_kind():
    again = BOTH.exported({"graph.onnx": b"new"}, entry("onnx", "fp32", 2.0), None)
    assert again.exports == (entry("onnx", "int8"), entry("onnx", "fp32", 2.0))
    assert again.graphs == {WEIGHTS: b"weights", "graph.onnx": b"new", "graph-int8.onnx": b"int8"}
    assert again.calibrations == BOTH.calibrations


def test_another_threshold_of_float_leaves_int8_out():
    found = BOTH.calibrated(OWN)
    assert found.calibration(FakeBackend()).threshold.value == 7.0
    assert (found.calibrations.keys(), found.exports) == ({FLOAT}, (entry("onnx", "fp32"),))
    assert found.graphs == FLOATING.graphs


def test_a_threshold_of_one_batch_changes_that_of_the_backend_alone():
    found = BOTH.with_threshold(Int8(), replace(OWN.threshold, value=8.0))
    assert found.calibration(Int8()).threshold.value == 8.0
    assert found.calibration(FakeBackend()) == BOTH.calibration(FakeBackend())


def test_int8_without_a_calibration_goes_with_the_next_export():
    older = replace(BOTH, calibrations=FITTED.calibrations)
    found = older.exported({"graph.onnx": b"graph"}, entry("openvino", "fp32"), None)
    assert found.graphs == FLOATING.graphs
    assert found.exports == (entry("onnx", "fp32"), entry("openvino", "fp32"))


def test_another_process_runs_it_as_this_one_but_for_threads_of_pytorch():
    assert Wish.of(Int8()) == Wish("onnx", "int8", "cpu", 3)
    assert Wish.of(FakeBackend()) == Wish("torch", None, "cpu", None)
