"""python -m benchmarks.partial_diffusion [--side-px 128] [--repeats 7]

Restoring an image by partial diffusion in each mode and number of steps, against that many forward passes of the bare
U-Net on the same image: seconds, and their ratio, whose target is at most 1.1. Also the exported graphs of ten steps.
Weights are those of a start: time does not depend on them.
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
from urushi.models.partial_diffusion import PartialDiffusion
from urushi.preprocessing import Prepared
from urushi.runtime.torch_backend import TorchBackend

WAYS: dict[str, dict[str, Any]] = {
    "no_diffusion, 1 step": {"mode": "no_diffusion", "steps": 1},
    "no_diffusion, 5 steps": {"mode": "no_diffusion", "steps": 5},
    "no_diffusion, 10 steps": {"mode": "no_diffusion", "steps": 10},
    "no_diffusion, 50 in 10 steps": {"mode": "no_diffusion", "steps": 50},
    "diffusion, 10 steps": {"mode": "diffusion", "steps": 10},
    "diffusion, 10 steps, 4 noises": {"mode": "diffusion", "steps": 10, "n_noises": 4},
    "full, 20 steps": {"mode": "full", "steps": 10, "sampler_steps": 20},
}


def detector(options: argparse.Namespace, **how: Any) -> Detector:
    """Of one epoch on photographs, with the options of one way."""
    settings = {f"model.{name}": value for name, value in ({"trained_steps": 0} | how).items()}
    settings |= {"training.max_epochs": 1} | {f"preprocessing.resize.{side}": options.side_px for side in SIDES}
    images = list(tiles(12, 256, options.seed))
    return Detector.fit(images, Recipe.find("partial-diffusion").with_settings(settings), seed=options.seed)


SIDES = ("height", "width")


def whole(fitted: Detector, prepared: np.ndarray) -> Callable[[], float]:
    return timed(lambda: fitted.backend.run(prepared))


def bare(fitted: Detector, prepared: np.ndarray) -> Callable[[], float]:
    """As many forward passes of the U-Net as the way takes, and nothing else."""
    model = model_of(fitted)
    x, t = torch.from_numpy(prepared), torch.ones(1)
    n = (len(model.times) - 1) * len(model.noises)

    def passes() -> None:
        with torch.no_grad():
            for _ in range(n):
                model.average(x, t)

    return timed(passes)


def timed(run: Callable[[], Any]) -> Callable[[], float]:
    def measure() -> float:
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    return measure


def model_of(fitted: Detector) -> PartialDiffusion:
    assert isinstance(fitted.backend, TorchBackend)
    model = fitted.backend.graph.model
    assert isinstance(model, PartialDiffusion)
    return model


def measured(way: str, options: argparse.Namespace) -> dict[str, Any]:
    fitted = detector(options, **WAYS[way])
    read = fitted.prepare(next(tiles(1, 256, options.seed)))
    assert isinstance(read, Prepared)
    prepared = read.pixels[None]
    measures = {"whole": whole(fitted, prepared), "bare": bare(fitted, prepared)}
    if way == "no_diffusion, 10 steps":
        exported = fitted.export(list(tiles(8, 256, options.seed)))
        measures |= {"ONNX Runtime": whole(exported, prepared)}
        measures |= {"OpenVINO": whole(exported.export(list(tiles(8, 256, options.seed)), to="openvino"), prepared)}
    found = record.interleave(measures, options.repeats, n_warm_up=options.warm_up)
    ratios = {name: record.ratio(values, found["bare"]) for name, values in found.items() if name != "bare"}
    ratios["whole"] = record.judged(ratios["whole"], at_most=1.1)
    seconds = {name: record.spread(values) for name, values in found.items()}
    n = (len(model_of(fitted).times) - 1) * len(model_of(fitted).noises)
    return {"way": way, "n_forward": n, "seconds": seconds, "ratio_to_bare": ratios}


def main() -> None:
    options = command_line.parser(__doc__, side_px=128, threads=2, warm_up=1, repeats=7, seed=0).parse_args()
    torch.set_num_threads(options.threads)
    settings = {"seed": options.seed, "n_threads": options.threads, "side_px": options.side_px}
    header = record.environment() | settings | {"n_warm_up": options.warm_up, "n_repeats": options.repeats}
    results = [measured(way, options) for way in WAYS]
    about = {"reference": "bare", "compares": __doc__, "load_average_1_min_after": record.load_average()}
    record.write(options.results, "partial_diffusion", header | about | {"results": results})
    rows = [
        (one["way"], name, f"{one['seconds'][name]['median']:.3f}", record.ratio_cell(ratio))
        for one in results
        for name, ratio in one["ratio_to_bare"].items()
    ]
    record.show(("way", "what", "seconds", "over the bare U-Net"), rows)


if __name__ == "__main__":
    main()
