"""python -m benchmarks.inspection [--recipes default,autoencoder,autoencoder-256] [--runtimes torch,onnx,openvino]

Inspecting a folder against the bare network, in images per second, in each runtime.

Folder: list the files, then `Detector.inspect_many`: decode, preprocess, network, score, regions, p-value, decision.
Bare: the same graph (network and score) on the same images, prepared and in memory beforehand, with as many threads.
For PyTorch it is `ScoringGraph` in inference mode and batches of 16; for the others the faster of two: the backend as
the folder uses it, and a plain session as the runtime's own examples make it, one image at a time.
Backbone: of methods on features, the pretrained network alone in ONNX Runtime, to its last map, in the same two ways.
Beside it, for the reader: decoding and preprocessing alone, on the same decoding threads. On few cores, folder cannot
be faster than 1 / (bare + decode) where the network keeps all cores busy.
autoencoder-256 is the recipe autoencoder at 256 px a side. A choice of recipes has a record of its own, named by them.
"""

import argparse
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import openvino
import torch

from benchmarks import command_line, record
from benchmarks.tiles import described, tiles, write_tiles
from urushi import Detector, Inspection, Recipe
from urushi.backbones import base
from urushi.data.dataset import find_dataset
from urushi.data.images import read_image
from urushi.data.stream import batches, side_by_side, stream
from urushi.runtime.backend import Backend
from urushi.runtime.names import Runtime
from urushi.runtime.onnx_backend import OnnxBackend, open_session
from urushi.runtime.torch_backend import TorchBackend

# Others are measured without a target.
RECIPES, RUNTIMES = ("default", "autoencoder", "autoencoder-256"), ("torch", "onnx", "openvino")
AT_LEAST = {("autoencoder", "torch"): 0.7} | {
    (recipe, runtime): 0.8 for recipe in ("default", "autoencoder-256") for runtime in ("onnx", "openvino")
}
OF_BACKBONE = 0.85  # of the graph's images per second, ONNX Runtime
SIZE_256 = {"preprocessing.resize.height": 256, "preprocessing.resize.width": 256}


@dataclass(frozen=True)
class Sides:
    """What is compared, each a function of no arguments that gives its images per second."""

    detector: Detector
    folder: Path
    backbone: bytes | None  # as ONNX

    def measures(self) -> dict[str, Callable[[], float]]:
        images = list(stream(self._prepare, self._paths()))
        works = {
            "folder": lambda: deque(self.detector.inspect_many(self._paths()), maxlen=0),
            **bare(self.detector, images),
            "decode and preprocess": lambda: deque(stream(self._prepare, self._paths()), maxlen=0),
        }
        if self.backbone:
            works |= backbone_alone(self.backbone, images, self.detector.backend.n_threads)
        return {name: _rate(work, len(images)) for name, work in works.items()}

    def found(self) -> dict[str, Any]:
        """What is in the folder by the detector's word; regions cost time."""
        found = [one for one in self.detector.inspect_many(self._paths()) if isinstance(one, Inspection)]
        n_anomalous = sum(one.decision == "anomalous" for one in found)
        return {"n_inspected": len(found), "n_anomalous": n_anomalous, "n_regions": sum(len(f.regions) for f in found)}

    def _paths(self) -> list[Path]:
        return [sample.path for sample in find_dataset(self.folder, layout="flat").samples]

    def _prepare(self, path: Path) -> np.ndarray:
        return self.detector.pipeline.prepare(read_image(path)).pixels


def bare(detector: Detector, images: list[np.ndarray]) -> dict[str, Callable[[], object]]:
    """The network alone, by ways of running it."""
    backend = detector.backend
    batched = [np.stack(batch) for batch in batches(images, backend.batch_size)]
    if isinstance(backend, TorchBackend):
        tensors = [torch.from_numpy(batch).contiguous(memory_format=torch.channels_last) for batch in batched]
        return {"bare graph": lambda: forward(backend.graph, tensors)}
    runs = {"backend": lambda: deque(side_by_side(backend.run_beside, batched, backend.n_parallel), maxlen=0)}
    session = plain_session(backend, detector.ways.graphs["graph.onnx"])
    return {f"bare {name}": run for name, run in runs.items()} | {
        "bare plain": lambda: deque((session(image[None]) for image in images), maxlen=0)
    }


def backbone_alone(graph: bytes, images: list[np.ndarray], n_threads: int) -> dict[str, Callable[[], object]]:
    """By a plain session, and by as many images side by side as there are threads."""
    plain = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    beside = open_session(graph, 1)
    return {
        "backbone plain": lambda: deque((plain.run(None, {"images": image[None]}) for image in images), maxlen=0),
        "backbone side by side": lambda: deque(
            side_by_side(lambda image: beside.run(None, {"images": image[None]}), images, n_threads), maxlen=0
        ),
    }


def plain_session(backend: Backend, graph: bytes) -> Callable[[np.ndarray], object]:
    if isinstance(backend, OnnxBackend):
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        return lambda batch: session.run(None, {"images": batch})
    model = openvino.Core().compile_model(openvino.Core().read_model(graph), "CPU")
    return lambda batch: model({"images": batch})


class LastMap(torch.nn.Module):
    """What a backbone computes last."""

    def __init__(self, backbone: base.Backbone) -> None:
        super().__init__()
        self.backbone, self.place = backbone, len(backbone.taken) - 1

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        last: torch.Tensor = self.backbone(images)[self.place]
        return last


def backbone_of(path: Path) -> bytes | None:
    """That of a detector as ONNX, where it has one."""
    backend = Detector.load(path, runtime="torch").backend
    assert isinstance(backend, TorchBackend)
    if not hasattr(backend.graph.model, "backbone"):
        return None
    example = torch.rand(1, *backend.graph.model.image_shape)
    program = torch.onnx.export(
        LastMap(backend.graph.model.backbone).eval(), (example,), dynamo=True, input_names=["images"], verbose=False
    )
    assert program is not None
    return program.model_proto.SerializeToString()


def forward(graph: torch.nn.Module, tensors: list[torch.Tensor]) -> None:
    with torch.inference_mode():
        for batch in tensors:
            graph(batch)


def _rate(work: Callable[[], object], n_images: int) -> Callable[[], float]:
    def measure() -> float:
        start = time.perf_counter()
        work()
        return n_images / (time.perf_counter() - start)

    return measure


def fit(name: str, options: argparse.Namespace, path: Path) -> Path:
    """A detector on other tiles of the same photographs; how well it detects doesn't matter here."""
    recipe = Recipe.find(name.removesuffix("-256"))
    settings = {"training.max_epochs": options.epochs} if not recipe.model.name.startswith("feature_") else {}
    recipe = recipe.with_settings(settings | (SIZE_256 if name.endswith("-256") else {}))
    good = list(tiles(options.fit_images, options.tile_px, options.seed + 1))
    detector = Detector.fit(good, recipe, seed=options.seed)
    for runtime in options.runtimes:
        detector = detector if runtime == "torch" else detector.export(good[:20], to=runtime)
    detector.save(path)
    return path


def compare(name: str, runtime: Runtime, path: Path, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    detector = Detector.load(path, runtime=runtime, n_threads=options.threads)
    sides = Sides(detector, folder, backbone_of(path) if runtime == "onnx" else None)
    rates = record.interleave(sides.measures(), options.repeats, n_warm_up=options.warm_up)
    ratio = record.ratio(rates["folder"], faster(rates, "bare"))
    least = AT_LEAST.get((name, runtime))
    alone = {}
    if backbone := faster(rates, "backbone"):
        graph = record.ratio(faster(rates, "bare"), backbone)
        alone = {"graph_of_backbone": record.judged(graph, at_least=OF_BACKBONE)}
        alone["folder_of_backbone"] = record.ratio(rates["folder"], backbone)
    return {
        "recipe": name,
        "runtime": detector.backend.description,
        "image_shape": list(detector.card["fit"]["image_shape"]),
        "ratio": ratio if least is None else record.judged(ratio, at_least=least),
        **alone,
        "images_per_second": {side: record.spread(values) for side, values in rates.items()},
        "in_the_folder": sides.found(),
    }


def faster(rates: dict[str, list[float]], kind: str) -> list[float]:
    """Of the ways of one kind, the faster in each repeat."""
    return [max(values) for values in zip(*(v for side, v in rates.items() if side.startswith(kind)), strict=True)]


def main() -> None:
    options = _options()
    header = record.environment() | {"seed": options.seed, "n_threads": options.threads, "n_repeats": options.repeats}
    about = {"n_warm_up": options.warm_up, "reference": "bare", "compares": __doc__}
    about |= {"images": described(options.images, options.tile_px)}
    results = []
    with tempfile.TemporaryDirectory(prefix="urushi-") as scratch:
        folder = write_tiles(Path(scratch) / "tiles", options.images, options.tile_px, options.seed)
        for name in options.recipes:
            path = fit(name, options, Path(scratch) / f"{name}.urushi")
            results += [compare(name, runtime, path, folder, options) for runtime in options.runtimes]
    after = {"load_average_1_min_after": record.load_average()}
    name = "-".join(["inspection", *(options.recipes if tuple(options.recipes) != RECIPES else ())])
    record.write(options.results, name, header | after | about | {"results": results})
    columns = ("recipe", "runtime", "folder img/s", "bare img/s", "decode img/s", "folder / bare")
    record.show(columns, [_row(result) for result in results])


def _row(result: dict[str, Any]) -> tuple[Any, ...]:
    medians = {side: found["median"] for side, found in result["images_per_second"].items()}
    bare_rate = max(rate for side, rate in medians.items() if side.startswith("bare"))
    rates = [f"{rate:.1f}" for rate in (medians["folder"], bare_rate, medians["decode and preprocess"])]
    return result["recipe"], result["runtime"], *rates, record.ratio_cell(result["ratio"])


def _options() -> argparse.Namespace:
    n = torch.get_num_threads()
    parser = command_line.parser(
        __doc__, recipes=RECIPES, runtimes=RUNTIMES, images=500, fit_images=120, repeats=5, warm_up=1, threads=n, seed=0
    )
    parser.add_argument("--tile-px", type=int, default=256, help="side of the image files, at most 300")
    parser.add_argument("--epochs", type=int, default=5, help="for recipes that are trained")
    return parser.parse_args()


if __name__ == "__main__":
    main()
