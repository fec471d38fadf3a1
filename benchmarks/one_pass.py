"""python -m benchmarks.one_pass [--side-px 1024] [--repeats 7]

An image of 1024×1024 px inspected by `convolutional_bigan` in one pass, against the same network on overlapping tiles
of its training size (64 px, half overlapping) and on tiles of 256 px: wall time of `Detector.inspect`, from decoded
image to decision. Weights are those of a fit of one epoch: time does not depend on them.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks import command_line, record
from benchmarks.tiles import tiles
from urushi import Detector, Recipe

WAYS = {"one pass": (64, True), "tiles of 64 px": (64, False), "tiles of 256 px": (256, False)}


def detector(tile_px: int, *, one_pass: bool, options: argparse.Namespace) -> Detector:
    """That of photographs of 256 px; nothing but the way of tiling differs."""
    training = {"training.max_epochs": 1, "tiling.n_training_tiles": 1}
    settings = training | {"tiling.tile_px": tile_px, "tiling.one_pass": one_pass}
    images = list(tiles(24, 256, options.seed))
    return Detector.fit(images, Recipe.find("convolutional-bigan").with_settings(settings), seed=options.seed)


def seconds(fitted: Detector, image: np.ndarray) -> Callable[[], float]:
    def measure() -> float:
        start = time.perf_counter()
        fitted.inspect(image)
        return time.perf_counter() - start

    return measure


def main() -> None:
    options = command_line.parser(__doc__, side_px=1024, threads=2, warm_up=1, repeats=7, seed=0).parse_args()
    torch.set_num_threads(options.threads)
    settings = {"seed": options.seed, "n_threads": options.threads, "side_px": options.side_px}
    repeats = {"n_warm_up": options.warm_up, "n_repeats": options.repeats}
    header = record.environment() | settings | repeats
    photograph = next(tiles(1, 256, options.seed))
    image = np.tile(photograph, (options.side_px // 256 + 1,) * 2)[: options.side_px, : options.side_px]
    ways = {name: detector(px, one_pass=whole, options=options) for name, (px, whole) in WAYS.items()}
    measures = {name: seconds(fitted, image) for name, fitted in ways.items()}
    found = record.interleave(measures, options.repeats, n_warm_up=options.warm_up)
    results: list[dict[str, Any]] = [
        {"way": name, "seconds": record.spread(values), "ratio": record.ratio(values, found["one pass"])}
        for name, values in found.items()
    ]
    about = {"reference": "one pass", "compares": __doc__, "load_average_1_min_after": record.load_average()}
    record.write(options.results, "one_pass", header | about | {"results": results})
    rows = [(one["way"], f"{one['seconds']['median']:.3f}", record.ratio_cell(one["ratio"])) for one in results]
    record.show(("way", "seconds", "over one pass"), rows)


if __name__ == "__main__":
    main()
