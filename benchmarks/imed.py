"""python -m benchmarks.imed [--side-px 64] [--batches 1,16] [--repeats 10] [--calls 100] [--threads 1]

The image Euclidean distance (S2 eq. 6.12) with σ = 1 by two small matrices, one per axis, as `urushi.scoring.imed`
computes it, against the same quadratic form with the explicit metric matrix of (HW)² values. All matrices are prepared
outside of what is timed, and both sides must agree to 1e-4 first. `score` is the whole score, with its anomaly map,
which the reference does not give. A measurement is the mean of some calls in a row: a single one would find its data
swept out of the cache by the reference's matrix (64 MB at 64×64 px).
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks import command_line, record
from benchmarks.tiles import grey_tiles
from urushi.models.base import Reconstruction
from urushi.scoring.imed import Imed, root_smoothed

AT_LEAST = 100


def metric_matrix(side_px: int) -> Tensor:
    """Eqs 6.13 and 6.14 with σ = 1: (HW, HW)."""
    y, x = (place.flatten() for place in torch.meshgrid(*[torch.arange(side_px)] * 2, indexing="ij"))
    squares = (y[:, None] - y) ** 2 + (x[:, None] - x) ** 2
    return torch.exp(-squares / 2) / (2 * torch.pi)


def explicit(pair: Reconstruction, matrix: Tensor) -> Tensor:
    """dᵀGd, one matrix product for the whole batch: (B, 1, H, W) twice -> (B,)."""
    difference = (pair.original - pair.reconstruction).flatten(1)
    return (difference @ matrix * difference).sum(dim=1)


def separable(pair: Reconstruction) -> Tensor:
    return root_smoothed(pair.original - pair.reconstruction, 1.0).square().sum(dim=(1, 2, 3))


def compare(n_images: int, matrix: Tensor, options: argparse.Namespace) -> dict[str, Any]:
    images = torch.from_numpy(grey_tiles(2 * n_images, options.side_px, options.seed))
    pair, score = Reconstruction(*images.split(n_images)), Imed("pixels")
    sides: dict[str, Callable[[], Tensor]] = {
        "explicit": partial(explicit, pair, matrix),
        "separable": partial(separable, pair),
        "score": lambda: score(pair, (options.side_px, options.side_px))[1],
    }
    for side in sides.values():
        torch.testing.assert_close(side(), sides["explicit"](), rtol=1e-4, atol=0)
    measures = {name: partial(_milliseconds, side, options.calls) for name, side in sides.items()}
    runs = record.interleave(measures, options.repeats, n_warm_up=options.warm_up)
    ratios = {name: record.ratio(runs["explicit"], runs[name]) for name in ("separable", "score")}
    ratios["separable"] = record.judged(ratios["separable"], at_least=AT_LEAST)
    medians = {name: record.spread(values)["median"] for name, values in runs.items()}
    return {"n_images": n_images, "ratio": ratios, "median_ms": medians, "runs": runs}


def _milliseconds(work: Callable[[], object], n_calls: int) -> float:
    start = time.perf_counter()
    for _ in range(n_calls):
        work()
    return 1000 * (time.perf_counter() - start) / n_calls


@torch.no_grad()
def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    settings = {"seed": options.seed, "n_threads": options.threads, "side_px": options.side_px}
    repeats = {"n_warm_up": options.warm_up, "n_repeats": options.repeats, "n_calls": options.calls}
    header = record.environment() | settings | repeats
    matrix = metric_matrix(options.side_px)
    results = [compare(n_images, matrix, options) for n_images in options.batches]
    about = {"reference": "explicit", "compares": __doc__, "load_average_1_min_after": record.load_average()}
    record.write(options.results, "imed", header | about | {"results": results})
    columns = (
        "images per batch",
        "explicit ms",
        "separable ms",
        "score ms",
        "explicit / separable",
        "explicit / score",
    )
    record.show(columns, [_row(result) for result in results])


def _row(result: dict[str, Any]) -> tuple[Any, ...]:
    milliseconds = [f"{value:.3f}" for value in result["median_ms"].values()]
    return (result["n_images"], *milliseconds, *map(record.ratio_cell, result["ratio"].values()))


def _options() -> argparse.Namespace:
    parser = command_line.parser(__doc__, batches=(1, 16), side_px=64, threads=1, warm_up=5, repeats=10, seed=0)
    parser.add_argument("--calls", type=int, default=100, help="in a row, per measurement")
    return parser.parse_args()


if __name__ == "__main__":
    main()
