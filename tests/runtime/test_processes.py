"""A detector in other processes: forked, spawned, in workers of PyTorch and joblib. Each ends in time, or fails."""

import pickle
import pickletools
import subprocess
import sys
from pathlib import Path

import pytest

from urushi import Detector
from urushi.errors import DetectorFileError, UnreadableImageError

SECONDS = 120
LOAD = """
import sys
import numpy as np
from urushi import Detector
def texture(seed):
    return np.random.default_rng(seed).integers(0, 255, (600, 600), dtype=np.uint8)
def inspected(detector, seeds):
    scores = [detector.inspect(texture(seed)).score for seed in seeds]
    many = [found.score for found in detector.inspect_many(map(texture, seeds))]
    assert np.allclose(many, scores, rtol=1e-5)
    return scores
def score(source):
    return detector.inspect(source).score
"""
FORK = """
import os
detector = Detector.load(sys.argv[1], runtime=sys.argv[2], n_threads=2)
expected = inspected(detector, range(8))
for leave in (sys.exit, os._exit):
    if os.fork() == 0:
        assert np.allclose(inspected(detector, range(8)), expected, rtol=1e-5)
        anew = Detector.load(sys.argv[1], runtime=sys.argv[2], n_threads=2)
        assert np.allclose(inspected(anew, [0]), expected[0], rtol=1e-5)
        leave(0)
    assert os.wait()[1] == 0
if os.fork() == 0:
    sys.exit(0)
assert os.wait()[1] == 0
assert np.allclose(inspected(detector, range(8)), expected, rtol=1e-5)
"""
POOLS = """
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
if __name__ == "__main__":
    detector = Detector.load(sys.argv[1], runtime=sys.argv[2], n_threads=2)
    images = [texture(seed) for seed in range(4)]
    expected = inspected(detector, range(4))
    for method in sys.argv[3].split(","):
        context = get_context(method)
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            assert np.allclose([found.score for found in pool.map(detector.inspect, images)], expected, rtol=1e-5)
        with context.Pool(2) as pool:
            assert np.allclose([found.score for found in pool.map(detector.inspect, images)], expected, rtol=1e-5)
"""
WORKERS = """
import torch
from joblib import Parallel, delayed
class Scores(torch.utils.data.Dataset):
    def __init__(self, detector): self.detector = detector
    def __len__(self): return 4
    def __getitem__(self, seed): return self.detector.inspect(texture(seed)).score
if __name__ == "__main__":
    detector = Detector.load(sys.argv[1], runtime=sys.argv[2], n_threads=2)
    expected = inspected(detector, range(4))
    for method in ("fork", "spawn"):
        loader = torch.utils.data.DataLoader(Scores(detector), num_workers=2, multiprocessing_context=method)
        assert np.allclose([float(found) for found in loader], expected, rtol=1e-5)
    images = [texture(seed) for seed in range(4)]
    found = Parallel(n_jobs=2)(delayed(detector.inspect)(image) for image in images)
    assert np.allclose([one.score for one in found], expected, rtol=1e-5)
"""


@pytest.fixture(scope="module")
def both(shared, exported_autoencoder, textures) -> Path:
    """A file for every runtime."""

    def make(place: Path) -> None:
        Detector.load(exported_autoencoder, runtime="torch").export(textures, to="openvino").save(place)

    return shared("both.urushi", make)


def run(code: str, folder: Path, *arguments: object) -> None:
    program = folder / "program.py"
    program.write_text(LOAD + code)
    command = [sys.executable, str(program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr


@pytest.mark.thorough
@pytest.mark.parametrize("runtime", ["onnx", "openvino", "torch"])
def test_a_forked_child_inspects_as_its_parent_does_and_ends_in_peace(runtime, both, tmp_path):
    run(FORK, tmp_path, both, runtime)


@pytest.mark.thorough
def test_pools_of_processes_take_a_detector(both, tmp_path):
    run(POOLS, tmp_path, both, "onnx", "fork")


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["onnx", "openvino", "torch"])
def test_pools_of_every_kind_take_a_detector_of_every_runtime(runtime, both, tmp_path):
    run(POOLS, tmp_path, both, runtime, "fork,spawn,forkserver")


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_workers_of_pytorch_and_joblib_take_a_detector(runtime, both, tmp_path):
    run(WORKERS, tmp_path, both, runtime)


@pytest.mark.parametrize("runtime", ["onnx", "openvino", "torch"])
def test_a_detector_is_pickled_as_its_file_with_what_runs_it(runtime, both, textures):
    detector = Detector.load(both, runtime=runtime, n_threads=1)
    again = pickle.loads(pickle.dumps(detector))  # noqa: S301
    assert again.backend.description == detector.backend.description
    assert (again.recipe, again.held_out, again.threshold) == (detector.recipe, detector.held_out, detector.threshold)
    assert again.inspect(textures[0]).score == pytest.approx(detector.inspect(textures[0]).score, rel=1e-6)


def test_a_pickled_detector_calls_one_function_on_bytes_that_are_checked(both):
    pickled = pickle.dumps(Detector.load(both, runtime="onnx"), protocol=5)
    names = [argument for _, argument, _ in pickletools.genops(pickled) if isinstance(argument, str)]
    assert set(names) <= {"urushi.detector", "_from_bytes", "onnx", "fp32", "cpu"}
    assert len(both.read_bytes()) < len(pickled) < len(both.read_bytes()) + 1000
    at = pickled.index(b"held_out")
    with pytest.raises(DetectorFileError, match=r"damaged|changed"):
        pickle.loads(pickled[:at] + b"held_OUT" + pickled[at + 8 :])  # noqa: S301


def test_what_a_worker_raises_comes_back_whole():
    error = pickle.loads(pickle.dumps(UnreadableImageError("a.png", "it is empty")))  # noqa: S301
    assert (str(error), error.source, error.reason) == ("a.png: it is empty", "a.png", "it is empty")
