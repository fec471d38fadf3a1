"""Which graph is run: the fastest that has passed its gate and whose runtime is here, unless one is named."""

from typing import Any

import pytest

from urushi.errors import DetectorFileError, InputError
from urushi.runtime import choice
from urushi.runtime.choice import Exported, Wish, choose, exports, open_export

SLOW, FAST, INT8 = (
    {"runtime": "onnx", "precision": "fp32", "milliseconds": 5.0, "parity": {}},
    {"runtime": "openvino", "precision": "fp32", "milliseconds": 3.0},
    {"runtime": "onnx", "precision": "int8", "milliseconds": 1.0, "has_own_threshold": True},
)
CARD = {"exports": [SLOW, FAST, INT8]}
OLD = {name: value for name, value in INT8.items() if name != "has_own_threshold"}


@pytest.fixture(autouse=True)
def installed(monkeypatch) -> set[str]:
    here = {"onnxruntime", "openvino", "torch"}
    monkeypatch.setattr(choice, "is_installed", here.__contains__)
    return here


def test_the_fastest_in_float_is_taken_and_int8_never_unless_asked_for():
    assert choose(CARD, Wish()) == Exported("openvino", "fp32", 3.0)


def test_what_is_not_installed_is_passed_over(installed):
    installed.remove("openvino")
    assert choose(CARD, Wish()) == Exported("onnx", "fp32", 5.0)


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (Wish("onnx"), ("onnx", "fp32")),
        (Wish("onnx", "fp32"), ("onnx", "fp32")),
        (Wish(precision="int8"), ("onnx", "int8")),
        (Wish("openvino"), ("openvino", "fp32")),
    ],
)
def test_a_wish_is_granted(wish, expected):
    found = choose(CARD, wish)
    assert (found.runtime, found.precision) == expected


@pytest.mark.parametrize("wish", [Wish("torch"), Wish(device="cuda"), Wish("torch", device="cuda")])
def test_torch_is_taken_where_it_or_its_device_is_named(wish):
    assert choose(CARD, wish) is None


@pytest.mark.parametrize("wish", [Wish(), Wish(precision="fp32")])
def test_torch_is_what_remains(wish):
    assert choose({}, wish) is None


@pytest.mark.parametrize(
    ("card", "wish", "gone", "message"),
    [
        ({}, Wish(), "torch", r"urushi export DETECTOR --to onnx.*\[train\]"),
        ({}, Wish("onnx"), "", r"no onnx graph; make one: `urushi export DETECTOR --to onnx`"),
        ({"exports": [SLOW]}, Wish("onnx", "int8"), "", r"no onnx int8 graph.*--int8"),
        ({"exports": [FAST]}, Wish("openvino"), "openvino", r"openvino, which is not installed: .*\[openvino\]"),
        ({"exports": [SLOW, OLD]}, Wish(precision="int8"), "", r"no threshold of its own.*--to onnx --int8"),
        ({"exports": [INT8]}, Wish(), "torch", "int8 graph alone, which runs only if asked for: --precision int8"),
        (CARD, Wish("onnx", device="cuda"), "", "PyTorch with the device 'cuda'"),
        (CARD, Wish("torch", "int8"), "", "int8 was asked for"),
    ],
)
def test_a_wish_that_cannot_be_granted_says_what_to_do(card, wish, gone, message, installed):
    installed.discard(gone)
    with pytest.raises(InputError, match=message):
        choose(card, wish)


@pytest.mark.parametrize(
    "damage",
    [
        7,
        [7],
        [{}],
        [SLOW | {"runtime": "tensorrt"}],
        [SLOW | {"runtime": []}],
        [SLOW | {"precision": "int4"}],
        [SLOW | {"milliseconds": "fast"}],
        [SLOW | {"milliseconds": -1}],
        [INT8 | {"has_own_threshold": "yes, truly"}],
        [SLOW | {"milliseconds": float("nan")}],
    ],
)
def test_a_damaged_card_is_an_error(damage: Any):
    with pytest.raises(DetectorFileError, match="what was exported"):
        exports({"exports": damage})


def test_a_graph_that_is_not_there_is_named():
    with pytest.raises(DetectorFileError, match=r"graph-int8\.onnx, which it does not hold"):
        open_export({}, Exported("onnx", "int8", 1.0), (1, 8, 8), 1)


def test_an_int8_graph_of_an_older_gate_is_left_alone(installed):
    card = {"exports": [SLOW, OLD]}
    assert choose(card, Wish()) == Exported("onnx", "fp32", 5.0)
    assert [entry.is_distrusted for entry in exports(card)] == [True, False]
    assert not exports(card)[0].is_usable
