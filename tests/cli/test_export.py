"""`urushi export` proves what it writes; `urushi benchmark` measures it; `urushi inspect` runs it without PyTorch."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from urushi import Detector
from urushi.catalogue.extras import how_to_install
from urushi.models.feature_reconstruction import FeatureReconstruction

# Refuses what the base install lacks, and runs the command line.
WITHOUT_TORCH = """
import sys
absent = {"torch", "lightning", "kornia", "torchmetrics", "sklearn", "scipy", "skimage", "matplotlib"}
absent |= {"onnx", "onnxscript", "openvino"}
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in absent:
            raise ModuleNotFoundError(f"{name} is refused here", name=name)
sys.meta_path.insert(0, Refuse())
from importlib import util
find = util.find_spec
util.find_spec = lambda name, package=None: None if name.split(".")[0] in absent else find(name, package)
from urushi.cli import main
main()
"""


def without_torch(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.thorough
def test_export_says_what_was_compared_and_writes_elsewhere_where_asked_to(urushi, exported, dataset, tmp_path):
    """With a graph that is there already, only the gate is passed again."""
    before = exported.read_bytes()
    images = dataset / "train" / "good"
    result = urushi("export", exported, "--to", "onnx", "--images", images, "-o", tmp_path / "new.urushi")
    assert result.status == 0
    assert re.search(r"24 good images, \d+ synthetic defects, \d+ of them all near the threshold: scores", result.out)
    assert "0 decisions differ" in result.out
    assert result.out.splitlines()[-1] == f"{tmp_path / 'new.urushi'}: runs in onnx fp32"
    assert exported.read_bytes() == before
    assert "graph.onnx" in Detector.load(tmp_path / "new.urushi").ways.graphs


@pytest.mark.slow
def test_export_finds_the_images_that_the_fit_held_out(urushi, dataset, tmp_path, quick):
    urushi(
        "fit",
        dataset,
        "-o",
        "part.urushi",
        *quick,
        "--set",
        "split.n_folds=0",
        "--set",
        "split.calibration_fraction=0.25",
    )
    result = urushi("export", "part.urushi", "--to", "onnx")
    assert result.status == 0
    assert "6 good images" in result.out


@pytest.mark.parametrize(("images", "message"), [(None, "not here any more"), ("empty", "is empty")])
def test_export_without_images_says_what_to_give(images, message, urushi, detector, tmp_path):
    (tmp_path / "empty").mkdir()
    before = detector.read_bytes()
    result = urushi("export", detector, "--to", "onnx", *(["--images", tmp_path / images] if images else []))
    assert result.status == 2
    assert message in result.err
    assert detector.read_bytes() == before


def test_a_method_that_cannot_be_exported_leaves_the_file_alone(urushi, detector, good, monkeypatch):
    monkeypatch.setattr(FeatureReconstruction, "exportable", "it draws by hand")
    before = detector.read_bytes()
    result = urushi("export", detector, "--to", "onnx", "--images", good)
    assert result.status == 2
    assert "cannot be exported: it draws by hand" in result.err
    assert detector.read_bytes() == before


@pytest.mark.slow
def test_int8_that_does_not_serve_leaves_the_fp32_graph(urushi, detector, good, monkeypatch):
    from urushi.errors import ExportError
    from urushi.exporting import _export

    def refuse(*_: object, **__: object) -> bytes:
        raise ExportError("no such numbers")

    monkeypatch.setattr(_export, "quantised", refuse)
    result = urushi("export", detector, "--to", "onnx", "--int8", "--images", good)
    assert result.status == 0
    assert "fp32 only: int8 does not serve this detector" in result.err
    assert result.out.splitlines()[-1].endswith("runs in onnx fp32")


def runs_in(errors):
    return next(line for line in errors.splitlines() if line.startswith("runs in "))


def test_inspect_takes_the_graph_and_says_so_unless_told_otherwise(urushi, exported, defects):
    tables = {}
    for options in ([], ["--runtime", "torch"], ["--threads", "1"]):
        result = urushi("inspect", exported, defects, *options)
        assert result.status == 0
        tables[" ".join(options)] = runs_in(result.err)
    assert "ONNX Runtime" in tables[""]
    assert "PyTorch" in tables["--runtime torch"]
    assert "(fp32, 1 thread)" in tables["--threads 1"]
    assert urushi("inspect", exported, defects, "--runtime", "openvino").status == 2


def test_an_int8_graph_of_an_older_urushi_is_left_alone_and_it_is_said(urushi, exported, defects, tmp_path):
    old = Detector.load(exported, runtime="torch")
    entry = {**old.card["exports"][0], "precision": "int8", "milliseconds": 0.001}
    graphs = {**old.ways.graphs, "graph-int8.onnx": old.ways.graphs["graph.onnx"]}
    ways = replace(old.ways, graphs=graphs, exports=(*old.ways.exports, entry))
    replace(old, ways=ways).save(tmp_path / "old.urushi")
    result = urushi("inspect", tmp_path / "old.urushi", defects)
    assert "(fp32" in runs_in(result.err)
    assert "no threshold of its own" in result.err
    assert urushi("inspect", tmp_path / "old.urushi", defects, "--precision", "int8").status == 2
    assert "no threshold of its own" not in urushi("inspect", exported, defects).err


def test_both_runtimes_decide_alike(urushi, exported, dataset):
    found = [
        json.loads(urushi("inspect", exported, dataset / "test", "--format", "json", "--runtime", runtime).out)[
            "results"
        ]
        for runtime in ("onnx", "torch")
    ]
    for one, other in zip(*found, strict=True):
        assert (one["source"], one["decision"]) == (other["source"], other["decision"])
        assert one["score"] == pytest.approx(other["score"], rel=1e-3)


@pytest.mark.thorough
def test_an_exported_detector_needs_the_base_install_alone(exported, dataset, defects, tmp_path):
    done = without_torch("inspect", exported, defects, "--maps", "--report", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "5 anomalous" in done.stderr
    assert (tmp_path / "out" / "report.html").is_file()
    new = tmp_path / "new.urushi"
    done = without_torch("calibrate", exported, "--false-alarm-rate", "0.1", "-o", new)
    assert done.returncode == 0, done.stderr
    assert Detector.load(new, runtime="torch").threshold.false_alarm_rate <= 0.1


@pytest.mark.thorough
def test_a_detector_that_was_not_exported_says_how_to_run_it(fitted, defects):
    done = without_torch("inspect", fitted, defects)
    assert done.returncode == 2
    assert "urushi export" in done.stderr


@pytest.mark.parametrize("command", ["models", "scores"])
def test_what_there_is_of_pytorch_is_said_to_be_missing_without_it(command):
    done = without_torch(command)
    assert done.returncode == 2
    assert how_to_install("train") in done.stderr


@pytest.mark.thorough
def test_benchmark_measures_every_way(urushi, exported, good):
    result = urushi("benchmark", exported, good, "--seconds", "0.1", "--threads", "1", "--json")
    assert result.status == 0
    found = json.loads(result.out)["results"]
    assert [speed["description"].split()[0] for speed in found] == ["ONNX", "PyTorch"]
    for speed in found:
        assert speed["images_per_second"] > 0
        assert speed["network_images_per_second"] > 0
        assert 0 < speed["latency_ms"]["p50"] <= speed["latency_ms"]["p95"] <= speed["latency_ms"]["p99"]


def test_benchmark_measures_no_masks(urushi, exported, good, tmp_path):
    (tmp_path / "in" / "masks").mkdir(parents=True)
    (tmp_path / "in" / "masks" / "a.png").write_bytes((good / "100.png").read_bytes())
    result = urushi("benchmark", exported, tmp_path / "in")
    assert result.status == 2
    assert "masks: its 1 image is left out: its name says masks" in result.err


@pytest.mark.thorough
def test_benchmark_without_readable_images_is_an_error(urushi, exported, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    assert urushi("benchmark", exported, tmp_path / "a.png", "--seconds", "0.1").status == 2
    (tmp_path / "empty").mkdir()
    assert urushi("benchmark", exported, tmp_path / "empty").status == 2
