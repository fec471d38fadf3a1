"""Both engines on a graph written by hand: x̂ = x / 2, map = mean over channels of (x − x̂)², score = its sum."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from urushi.errors import DetectorFileError
from urushi.runtime import onnx_backend
from urushi.runtime.backend import Backend
from urushi.runtime.onnx_backend import OnnxBackend, open_session
from urushi.runtime.openvino_backend import OpenvinoBackend

SHAPE = (3, 8, 6)
IMAGES = np.random.default_rng(0).random((5, *SHAPE), np.float32)
ENGINES = {"onnx": OnnxBackend, "openvino": OpenvinoBackend}


def graph(*, rebuilds: bool = True, image: tuple[int, ...] = SHAPE, score: str = "score") -> onnx.ModelProto:
    nodes = [
        helper.make_node("Mul", ["images", "half"], ["reconstruction"]),
        helper.make_node("Sub", ["images", "reconstruction"], ["difference"]),
        helper.make_node("Mul", ["difference", "difference"], ["square"]),
        helper.make_node("ReduceMean", ["square", "channels"], ["anomaly_map"], keepdims=1),
        helper.make_node("ReduceSum", ["anomaly_map", "places"], [score], keepdims=0),
    ]
    constants = [
        numpy_helper.from_array(np.array([0.5], np.float32), "half"),
        numpy_helper.from_array(np.array([1]), "channels"),
        numpy_helper.from_array(np.array([1, 2, 3]), "places"),
    ]
    values = {"anomaly_map": ["n", 1, *image[1:]], score: ["n"]}
    values |= {"reconstruction": ["n", *image]} if rebuilds else {}
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in values.items()]
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", *image])]
    made = helper.make_graph(nodes, "graph", inputs, outputs, constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


FIRST_CALLS = """
import sys, threading, faulthandler
import numpy as np
from urushi.runtime.openvino_backend import OpenvinoBackend
faulthandler.dump_traceback_later(30, exit=True)
backend = OpenvinoBackend(sys.stdin.buffer.read(), (3, 8, 6), precision="fp32", n_threads=2)
sys.setswitchinterval(1e-6)
together, images = threading.Barrier(4), np.zeros((1, 3, 8, 6), np.float32)
threads = [threading.Thread(target=lambda: (together.wait(), backend.run(images))) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


@pytest.mark.thorough
def test_threads_that_are_first_at_once_do_not_wait_for_each_other_forever():
    """Without care, one process in eight or so hung here in OpenVINO's own first use of NumPy; a few are tried."""
    content = graph().SerializeToString()
    for _ in range(3):
        subprocess.run([sys.executable, "-c", FIRST_CALLS], input=content, check=True, timeout=60)


def test_nothing_is_told_to_the_makers_of_the_engine():
    code = "import urushi.runtime.onnx_backend as b, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    found = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "1"


@pytest.fixture(params=ENGINES)
def engine(request) -> Callable[[bytes], Backend]:
    def engine(content: bytes, n_threads: int = 2) -> Backend:
        return ENGINES[request.param](content, SHAPE, precision="fp32", n_threads=n_threads)

    return engine


@pytest.fixture
def backend(engine) -> Backend:
    return engine(graph().SerializeToString())


def test_it_computes_what_the_graph_says(backend):
    output = backend.run(IMAGES)
    residual = (IMAGES / 2).astype(np.float64) ** 2
    assert np.allclose(output.reconstructions, IMAGES / 2)
    assert np.allclose(output.anomaly_maps, residual.mean(axis=1))
    assert np.allclose(output.scores, residual.mean(axis=1).sum(axis=(1, 2)))
    assert output.anomaly_maps.shape == (5, 8, 6)
    assert output.scores.shape == (5,)
    assert {array.dtype for array in output} == {np.dtype(np.float32)}


def test_a_graph_that_rebuilds_no_pixels_gives_none(engine):
    assert engine(graph(rebuilds=False).SerializeToString()).run(IMAGES).reconstructions is None


def test_an_output_does_not_depend_on_its_batch_and_stays_as_it_was(backend):
    together = backend.run(IMAGES)
    kept = together.anomaly_maps.copy()
    for row, image in enumerate(IMAGES):
        assert backend.run(image[None]).scores[0] == pytest.approx(together.scores[row], rel=1e-6)
    assert (together.anomaly_maps == kept).all()


def test_any_layout_of_memory_is_taken(backend):
    strided = np.ascontiguousarray(IMAGES.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    assert (backend.run(strided).scores == backend.run(IMAGES).scores).all()


@pytest.mark.parametrize("way", ["run", "run_beside"])
def test_several_callers_at_once_get_their_own(backend, way):
    run = getattr(backend, way)
    expected = [run(image[None]).scores[0] for image in IMAGES]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: run(IMAGES[n % 5][None]).scores[0], range(200)))
    assert found == [expected[n % 5] for n in range(200)]


def test_beside_others_it_computes_the_same(backend):
    for alone, beside in zip(backend.run(IMAGES), backend.run_beside(IMAGES), strict=True):
        assert np.allclose(alone, beside, rtol=1e-6)


def test_of_many_images_onnx_runtime_gives_each_one_thread_and_one_image_alone_all(monkeypatch):
    opened = []
    monkeypatch.setattr(onnx_backend, "open_session", lambda g, n, make=open_session: opened.append(n) or make(g, n))
    backend = OnnxBackend(graph().SerializeToString(), SHAPE, precision="fp32", n_threads=2)
    backend.run_beside(IMAGES)
    assert opened == [1]
    backend.run(IMAGES)
    backend.run(IMAGES)
    assert opened == [1, 2]


def test_it_says_what_it_is_and_has_the_threads_it_was_given(engine):
    one = engine(graph().SerializeToString(), n_threads=1)
    assert one.n_threads == 1
    assert "(fp32, 1 thread)" in one.description
    assert "(fp32, 3 threads)" in engine(graph().SerializeToString(), n_threads=3).description


@pytest.mark.parametrize(
    "strange",
    [
        graph(image=(3, 8, 7)),
        graph(image=(1, 8, 6)),
        graph(score="points"),
    ],
    ids=["size", "channels", "name"],
)
def test_a_graph_for_something_else_is_refused(strange, engine):
    with pytest.raises(DetectorFileError, match="does not fit images"):
        engine(strange.SerializeToString())


def test_bytes_that_are_no_graph_are_an_error_in_one_line(engine):
    whole = graph().SerializeToString()
    for content in (b"", b"garbage", whole[: len(whole) // 2], b"\x00" * 100):
        with pytest.raises(DetectorFileError) as caught:
            engine(content)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("place", ["secret", "../secret", "absolute"])
@pytest.mark.parametrize("kind", ["initializer", "constant"])
def test_weights_outside_of_the_graph_are_never_read(kind, place, engine, tmp_path, monkeypatch):
    """An ONNX file may point to others; whatever lies on the disk would be taken for weights."""
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    for folder in (tmp_path, inside):
        (folder / "secret").write_bytes(np.array([0.25], np.float32).tobytes())
    model = graph()
    tensor = next(one for one in model.graph.initializer if one.name == "half")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=str(inside / "secret") if place == "absolute" else place)
    tensor.external_data.add(key="length", value="4")
    if kind == "constant":
        model.graph.node.insert(0, helper.make_node("Constant", [], ["half"], value=tensor))
        model.graph.initializer.remove(tensor)
    with pytest.raises(DetectorFileError):
        engine(model.SerializeToString())
