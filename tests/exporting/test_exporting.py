"""A graph for a runtime without PyTorch, or the reason why there is none."""

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from urushi import Detector, catalogue
from urushi.errors import CalibrationError, DatasetError, DetectorFileError, ExportError, InputError
from urushi.exporting import _export
from urushi.exporting._int8 import quantised
from urushi.exporting._onnx import to_onnx
from urushi.recipe import Part
from urushi.scoring import ScoringGraph, build_graph

GRAPHS = {"fp32": "graph.onnx", "int8": "graph-int8.onnx"}


@pytest.fixture(scope="module")
def detector(autoencoder) -> Detector:
    return Detector.load(autoencoder)


@pytest.fixture(scope="module")
def exported(exported_autoencoder) -> Detector:
    return Detector.load(exported_autoencoder, runtime="torch")


def test_the_card_says_what_was_compared_and_with_what(exported):
    (facts,) = exported.card["exports"]
    assert (facts["runtime"], facts["precision"]) == ("onnx", "fp32")
    assert facts["parity"]["n_normal"] == 12
    assert facts["parity"]["n_defects"] >= 12
    assert facts["parity"]["score_difference"] < 1e-4
    assert facts["milliseconds"] > 0
    assert {"torch", "onnx", "onnxruntime"} <= facts["versions"].keys()


@pytest.mark.parametrize("batch_size", [1, 5])
def test_on_new_images_it_gives_what_pytorch_gives(exported, exported_autoencoder, textures, batch_size):
    loaded, new = Detector.load(exported_autoencoder), [255 - image for image in textures[:5]]
    assert "ONNX Runtime" in loaded.backend.description
    assert "PyTorch" in exported.backend.description
    for one, other in zip(exported.inspect_many(new), loaded.inspect_many(new, batch_size=batch_size), strict=True):
        assert other.score == pytest.approx(one.score, rel=1e-3)
        assert other.decision == one.decision
        assert np.allclose(one.anomaly_map, other.anomaly_map, rtol=1e-3, atol=1e-3 * one.map_scale.high)
        assert np.allclose(one.reconstruction, other.reconstruction, atol=1e-3)


def test_the_detector_itself_is_left_as_it_was(detector, exported):
    assert "exports" not in detector.card
    assert GRAPHS["fp32"] not in detector.ways.graphs
    assert exported.ways.graphs[GRAPHS["fp32"]]


def test_the_graph_says_what_it_takes(exported):
    model = onnx.load_from_string(exported.ways.graphs[GRAPHS["fp32"]])
    onnx.checker.check_model(model)
    assert model.producer_name == "urushi"
    assert "[0, 1]" in {entry.key: entry.value for entry in model.metadata_props}["images"]
    assert all(one.data_location == onnx.TensorProto.DEFAULT for one in model.graph.initializer)


@pytest.mark.thorough
def test_a_second_runtime_gets_the_very_same_graph_and_an_entry_of_its_own(exported, textures):
    both = exported.export(textures, to="openvino")
    assert both.ways.graphs == exported.ways.graphs
    assert [entry["runtime"] for entry in both.card["exports"]] == ["onnx", "openvino"]
    again = both.export(textures, to="onnx")
    assert [entry["runtime"] for entry in again.card["exports"]] == ["openvino", "onnx"]


def test_a_graph_that_computes_something_else_does_not_pass(detector, exported, textures):
    model = onnx.load_from_string(exported.ways.graphs[GRAPHS["fp32"]])
    for weights in model.graph.initializer:
        if len(weights.dims) == 4:
            weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * 1.5, weights.name))
    changed = replace(
        detector,
        ways=replace(detector.ways, graphs={**detector.ways.graphs, GRAPHS["fp32"]: model.SerializeToString()}),
    )
    with pytest.raises(ExportError, match="does not give what PyTorch gives: scores differ"):
        changed.export(textures)


def test_no_readable_image_is_an_error(detector):
    with pytest.raises(DatasetError, match="--images DIR"):
        detector.export([np.zeros((5, 5, 7), np.uint8)])


def test_a_method_that_cannot_be_exported_says_why(detector):
    graph = build_graph(detector.recipe, (1, 32, 32))
    graph.model.exportable = "it asks an oracle"
    with pytest.raises(ExportError, match="cannot be exported: it asks an oracle"):
        to_onnx(graph)


def test_what_cannot_be_exported_is_told_before_any_image_is_looked_at(detector, monkeypatch):
    monkeypatch.setattr(type(detector.backend.graph.model), "exportable", "it asks an oracle")
    with pytest.raises(ExportError, match="it asks an oracle"):
        detector.export([])


@pytest.mark.thorough
def test_what_pytorch_cannot_export_is_an_error_in_one_line(detector):
    class Branching(ScoringGraph):
        def forward(self, images: torch.Tensor) -> Any:
            return super().forward(images if images.sum() > 0 else -images)

    graph = build_graph(detector.recipe, (1, 32, 32))
    with pytest.raises(ExportError, match="PyTorch cannot export this graph") as caught:
        to_onnx(Branching(graph.model, graph.score))
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def both(exported, textures) -> Detector:
    """In float and in int8."""
    return exported.export(textures, precision="int8")


def in_float_alone(detector: Detector, **changes: Any) -> Detector:
    """Without the calibrations of int8, though its graph and entry are there."""
    ways = replace(detector.ways, calibrations={"float": detector.ways.calibrations["float"]}, **changes)
    return replace(detector, ways=ways)


def test_int8_has_a_threshold_of_its_own_and_runs_only_where_it_is_asked_for(both, textures, tmp_path):
    both.save(tmp_path / "both.urushi")
    plain, int8 = (Detector.load(tmp_path / "both.urushi", precision=one) for one in (None, "int8"))
    assert (plain.backend.precision, int8.backend.precision) == ("fp32", "int8")
    assert plain.threshold == both.threshold
    own = both.ways.calibrations["onnx"]
    assert (int8.threshold, int8.held_out) == (own.threshold, own.held_out)
    assert own.threshold.value != both.threshold.value
    assert own.threshold.rate_kind == "approximate"
    assert int8.inspect(textures[0]).threshold == own.threshold.value


def test_what_runs_in_int8_is_saved_and_pickled_with_both_thresholds_and_calibrated_in_float_only(both, tmp_path):
    both.save(tmp_path / "both.urushi")
    int8 = Detector.load(tmp_path / "both.urushi", precision="int8")
    again = pickle.loads(pickle.dumps(int8))  # noqa: S301
    assert (again.backend.precision, again.threshold) == ("int8", int8.threshold)
    int8.save(tmp_path / "again.urushi")
    assert Detector.load(tmp_path / "again.urushi", runtime="torch").threshold == both.threshold
    assert Detector.load(tmp_path / "again.urushi", precision="int8").threshold == int8.threshold
    with pytest.raises(CalibrationError, match="chosen in float"):
        int8.calibrate(int8.recipe.threshold)


@pytest.mark.thorough
def test_an_int8_graph_without_a_threshold_of_its_own_is_refused_and_made_anew(both, textures, tmp_path):
    """As files have it that an older Urushi wrote."""
    old_entry = {**both.card["exports"][1], "runtime": "openvino"}
    del old_entry["has_own_threshold"]
    old = in_float_alone(both, exports=(both.card["exports"][0], old_entry))
    old.save(tmp_path / "old.urushi")
    assert Detector.load(tmp_path / "old.urushi").backend.precision == "fp32"
    with pytest.raises(InputError, match="no threshold of its own"):
        Detector.load(tmp_path / "old.urushi", precision="int8")
    assert GRAPHS["int8"] not in old.export(textures).ways.graphs
    new = old.export(textures, precision="int8")
    assert [(e["runtime"], e["precision"]) for e in new.card["exports"]] == [("onnx", "fp32"), ("onnx", "int8")]


def test_a_file_whose_card_promises_a_threshold_that_it_lacks_is_an_error(both, tmp_path):
    in_float_alone(both).save(tmp_path / "forged.urushi")
    with pytest.raises(DetectorFileError, match="do not fit together"):
        Detector.load(tmp_path / "forged.urushi", precision="int8")


@pytest.mark.thorough
def test_held_out_images_and_ranges_from_others_keep_the_promise(exported, textures):
    """A detector of one split: its own held-out images, scored by the int8 graph, set the threshold."""
    places = exported.card["fit"]["held_out"]
    learnt = [image for place, image in enumerate(textures) if place not in places]
    made = exported.export([textures[place] for place in places], learnt=learnt, precision="int8")
    own = made.ways.calibrations["onnx"]
    assert own.threshold.rate_kind == "guaranteed"
    assert not own.held_out.is_moved
    assert own.held_out.scores != exported.held_out.scores


def test_int8_goes_with_the_threshold_it_was_proved_for(both):
    assert set(GRAPHS.values()) <= both.ways.graphs.keys()
    operations = {node.op_type for node in onnx.load_from_string(both.ways.graphs[GRAPHS["int8"]]).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= operations
    calibrated = both.calibrate(both.recipe.threshold)
    assert GRAPHS["int8"] not in calibrated.ways.graphs
    assert GRAPHS["fp32"] in calibrated.ways.graphs
    assert [entry["precision"] for entry in calibrated.card["exports"]] == ["fp32"]


@pytest.mark.slow
def test_the_score_and_the_first_layers_stay_in_float_where_asked_for(exported, textures):
    graph, images = exported.ways.graphs[GRAPHS["fp32"]], [image[None].astype(np.float32) / 255 for image in textures]

    def n_quantised(n_float: int) -> int:
        nodes = onnx.load_from_string(quantised(graph, images, n_float=n_float)).graph.node
        return sum(node.op_type == "QuantizeLinear" for node in nodes)

    assert n_quantised(0) > n_quantised(4) > 0
    with pytest.raises(ExportError, match="no layer"):
        quantised(graph, images, n_float=100)


def test_int8_keeps_more_layers_in_float_until_the_gate_opens_and_else_gives_every_reason(
    exported, textures, monkeypatch
):
    tried: list[int] = []

    def half_broken(graph: bytes, images: Any, *, n_float: int) -> bytes:
        tried.append(n_float)
        return graph if n_float == 8 else b"broken"

    monkeypatch.setattr(_export, "quantised", half_broken)
    monkeypatch.setattr(_export, "open_export", _open)
    found = exported.export(textures, precision="int8")
    assert tried == [0, 8]
    assert found.card["exports"][-1]["n_float"] == 8


def _open(files: Any, *rest: Any) -> Any:
    from urushi.runtime.choice import open_export

    (content,) = files.values()
    if content == b"broken":
        raise ExportError("it is broken")
    return open_export(files, *rest)


def test_without_any_int8_graph_that_serves_every_reason_is_given(exported, textures, monkeypatch):
    def broken(graph: bytes, images: Any, *, n_float: int) -> bytes:
        raise ExportError(f"broken {n_float}")

    monkeypatch.setattr(_export, "quantised", broken)
    with pytest.raises(ExportError, match=r"with 0 layers in float: broken 0 .*16 layers in float: broken 16"):
        exported.export(textures, precision="int8")


def test_images_larger_than_the_graph_are_cut(detector):
    image = np.arange(2 * 40 * 50, dtype=np.float32).reshape(2, 40, 50)
    assert (_export._middle(image, (2, 32, 32)) == image[:, 4:36, 9:41]).all()


# The adversarial score needs a discriminator. SSIM of a network that has hardly learnt varies less than it is rounded;
# a fusion would count that in deviations.
PARTS = {"name": "fusion", "scores": [{"name": "squared_error"}, {"name": "gmsd"}]}
SCORES = [
    {"name": name} for name in catalogue.names("urushi.scoring") if name not in ("adversarial", "feature", "fusion")
]
SCORES += [PARTS, PARTS | {"normalisation": "p_value", "combination": "fisher"}]
SCORES += [{"name": "latent_density", "estimator": e} for e in ("kernel", "nearest", "one_class_svm")]
SCORES += [{"name": "squared_error", "pooling": pooling} for pooling in ("top", "quantile", "average_then_max")]


@pytest.mark.slow
@pytest.mark.parametrize(
    "score", SCORES, ids=lambda score: "-".join(filter(str.isidentifier, map(str, score.values())))
)
def test_every_score_is_exported(score, detector, textures):
    recipe = detector.recipe.model_copy(update={"score": Part.model_validate(score)})
    assert Detector.fit(textures, recipe).export(textures).card["exports"]
