"""python -m benchmarks.inpainting [--side-px 256] [--repeats 5]

Seconds to restore one image by `siren_inpainting`, by how many windows go through the networks at once, for the sizes
of the recipe (`cpu`: decoder of 128) and of S1 (`paper`: code and decoder of 512). The image has 256 holes of 16 px.
Weights are the initial ones: time does not depend on them.
"""

import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks import command_line, record
from urushi.models.siren_inpainting import SirenInpainting

SIZES: dict[str, dict[str, Any]] = {"cpu": {}, "paper": {"latent_dimension": 512, "decoder_width": 512}}
AT_ONCE = (1, 4, 16, 64, 256)
_REFERENCE = 1


def seconds(model: SirenInpainting, images: torch.Tensor, at_once: int) -> Callable[[], float]:
    @torch.no_grad()
    def measure() -> float:
        model.windows_at_once = at_once
        start = time.perf_counter()
        model.reconstruct(images)
        return time.perf_counter() - start

    return measure


def main() -> None:
    options = command_line.parser(__doc__, side_px=256, threads=2, repeats=5, seed=0).parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    side = options.side_px
    settings = {"seed": options.seed, "n_threads": options.threads, "side_px": side, "n_repeats": options.repeats}
    header, image = record.environment() | settings, torch.rand(1, 1, side, side)
    results: list[dict[str, Any]] = []
    for name, size in SIZES.items():
        model = SirenInpainting((1, side, side), **size).eval()
        measures = {str(n): seconds(model, image, n) for n in AT_ONCE}
        found = record.interleave(measures, options.repeats, n_warm_up=1)
        for n, values in found.items():
            ratio = record.ratio(values, found[str(_REFERENCE)])
            results.append({"size": name, "at_once": int(n), "seconds": record.spread(values), "ratio": ratio})
    about = {"reference": "one window at once", "compares": __doc__, "load_average_1_min_after": record.load_average()}
    record.write(options.results, "inpainting", header | about | {"results": results})
    rows = [(r["size"], r["at_once"], f"{r['seconds']['median']:.3f}", record.ratio_cell(r["ratio"])) for r in results]
    record.show(("size", "windows at once", "seconds", "over one at once"), rows)


if __name__ == "__main__":
    main()
