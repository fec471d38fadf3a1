"""python -m benchmarks.inspection [--recipes autoencoder,default] [--images 500] [--tile-px 256] [--repeats 5]

Inspecting a folder against the bare forward pass of the same graph, in images per second.

Folder: list the files, then `Detector.inspect_many`: decode, preprocess, network, score, regions, p-value, decision.
Bare: `ScoringGraph` (network and score) in inference mode on the same images, prepared, in memory and in batches
beforehand; same weights, batch size, memory format and threads.
Beside it, for the reader: decoding and preprocessing alone, on the same decoding threads. On few cores, folder cannot
be faster than 1 / (bare + decode) where the network keeps all cores busy.
"""

import argparse
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import record
from benchmarks.tiles import described, tiles, write_tiles
from urushi import Detector, Inspection, Recipe
from urushi.data.dataset import find_dataset
from urushi.data.images import read_image
from urushi.data.stream import batches, stream

AT_LEAST = {"autoencoder": 0.7}  # the other recipes are measured without a target


@dataclass(frozen=True)
class Sides:
    """What is compared, each a function of no arguments that gives its images per second."""

    detector: Detector
    folder: Path
    batch_size: int

    def measures(self) -> dict[str, Callable[[], float]]:
        batched = list(self._batched())
        n_images = sum(map(len, batched))
        works = {
            "folder": lambda: deque(self.detector.inspect_many(self._paths(), batch_size=self.batch_size), maxlen=0),
            "bare": lambda: self._forward(batched),
            "decode and preprocess": lambda: deque(stream(self._prepare, self._paths()), maxlen=0),
        }
        return {name: _rate(work, n_images) for name, work in works.items()}

    def found(self) -> dict[str, Any]:
        """What is in the folder by the detector's word; regions cost time."""
        found = [one for one in self.detector.inspect_many(self._paths()) if isinstance(one, Inspection)]
        n_anomalous = sum(one.decision == "anomalous" for one in found)
        return {"n_inspected": len(found), "n_anomalous": n_anomalous, "n_regions": sum(len(f.regions) for f in found)}

    def _paths(self) -> list[Path]:
        return [sample.path for sample in find_dataset(self.folder, layout="flat").samples]

    def _prepare(self, path: Path) -> np.ndarray:
        return self.detector.pipeline.prepare(read_image(path)).pixels

    def _batched(self) -> Iterator[torch.Tensor]:
        for batch in batches(stream(self._prepare, self._paths()), self.batch_size):
            yield torch.from_numpy(np.stack(batch)).contiguous(memory_format=torch.channels_last)

    def _forward(self, batched: list[torch.Tensor]) -> None:
        with torch.inference_mode():
            for batch in batched:
                self.detector.backend.graph(batch)


def _rate(work: Callable[[], object], n_images: int) -> Callable[[], float]:
    def measure() -> float:
        start = time.perf_counter()
        work()
        return n_images / (time.perf_counter() - start)

    return measure


def fit(name: str, options: argparse.Namespace) -> Detector:
    """A detector on other tiles of the same photographs; how well it detects doesn't matter here."""
    is_trained = Recipe.find(name).model.name != "feature_reconstruction"
    recipe = Recipe.find(name).with_settings({"training.max_epochs": options.epochs} if is_trained else {})
    return Detector.fit(list(tiles(options.fit_images, options.tile_px, options.seed + 1)), recipe, seed=options.seed)


def compare(name: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    sides = Sides(fit(name, options), folder, options.batch_size)
    rates = record.interleave(sides.measures(), options.repeats, n_warm_up=options.warm_up)
    ratio = record.ratio(rates["folder"], rates["bare"])
    return {
        "recipe": name,
        "image_shape": list(sides.detector.card["fit"]["image_shape"]),
        "ratio": record.judged(ratio, at_least=AT_LEAST[name]) if name in AT_LEAST else ratio,
        "images_per_second": {side: record.spread(values) for side, values in rates.items()},
        "in_the_folder": sides.found(),
    }


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    header = record.environment() | {"seed": options.seed, "n_threads": options.threads, "n_repeats": options.repeats}
    sizes = {"batch_size": options.batch_size, "images": described(options.images, options.tile_px)}
    about = {"n_warm_up": options.warm_up, "reference": "bare", "compares": __doc__} | sizes
    with tempfile.TemporaryDirectory(prefix="urushi-") as scratch:
        folder = write_tiles(Path(scratch) / "tiles", options.images, options.tile_px, options.seed)
        results = [compare(name, folder, options) for name in options.recipes]
    after = {"load_average_1_min_after": record.load_average()}
    record.write(options.results, "inspection", header | after | about | {"results": results})
    columns = ("recipe", "folder img/s", "bare img/s", "decode img/s", "folder / bare")
    record.show(columns, [_row(result) for result in results])


def _row(result: dict[str, Any]) -> tuple[Any, ...]:
    rates = [f"{found['median']:.1f}" for found in result["images_per_second"].values()]
    return result["recipe"], *rates, record.ratio_cell(result["ratio"])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", type=lambda text: text.split(","), default="autoencoder,default")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--tile-px", type=int, default=256, help="side of the image files, at most 300")
    parser.add_argument("--batch-size", type=int, default=16, help="16 is what inspect_many takes by itself")
    parser.add_argument("--fit-images", type=int, default=120)
    parser.add_argument("--epochs", type=int, default=5, help="for recipes that are trained")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--warm-up", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=record.RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
