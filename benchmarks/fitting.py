"""python -m benchmarks.fitting [--images 200] [--repeats 5]

Fitting the default on a folder of 200 photographs of 256×256 px: wall time of the whole process `urushi fit`, from
files to the detector file, the fifty fits of the cross-fitted threshold among it. Reference: the backbone alone on the
same images, prepared and in memory, in batches of 16.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from studies.default_choice import prepared

from benchmarks import command_line, record
from benchmarks.tiles import described, write_tiles
from urushi import Recipe
from urushi.models import build_model

SIDE_PX = 256
AT_MOST_SECONDS = 20
COMMAND = str(Path(sys.executable).with_name("urushi"))


def fit(folder: Path) -> Callable[[], float]:
    def measure() -> float:
        start = time.perf_counter()
        detector = folder.parent / "part.urushi"
        subprocess.run([COMMAND, "fit", str(folder), "-o", str(detector)], check=True, capture_output=True)
        return time.perf_counter() - start

    return measure


def bare(folder: Path) -> Callable[[], float]:
    recipe = Recipe.find("default")
    images = prepared(recipe, sorted(folder.iterdir()))
    model = build_model(recipe.model, images.shape[1:], 0).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    batches = [torch.from_numpy(part) for part in np.array_split(images, -(-len(images) // 16))]

    def measure() -> float:
        start = time.perf_counter()
        with torch.inference_mode():
            for batch in batches:
                model.backbone(batch.contiguous(memory_format=torch.channels_last))
        return time.perf_counter() - start

    return measure


def main() -> None:
    options = command_line.parser(__doc__, images=200, threads=2, repeats=5, seed=0).parse_args()
    torch.set_num_threads(options.threads)
    header = record.environment() | {"seed": options.seed, "n_threads": options.threads, "n_repeats": options.repeats}
    with tempfile.TemporaryDirectory() as name:
        folder = write_tiles(Path(name) / "good", options.images, SIDE_PX, options.seed)
        found = record.interleave({"urushi fit": fit(folder), "backbone alone": bare(folder)}, options.repeats)
    whole, reference = found["urushi fit"], found["backbone alone"]
    results = {
        "urushi fit": record.judged(record.spread(whole), at_most=AT_MOST_SECONDS),
        "backbone alone": record.spread(reference),
        "ratio": record.ratio(whole, reference),
    }
    about = {"compares": __doc__, "images": described(options.images, SIDE_PX)}
    after = {"load_average_1_min_after": record.load_average()}
    record.write(options.results, "fitting", header | about | {"results": results} | after)
    record.show(("", "seconds, or ratio"), [(name, record.ratio_cell(one)) for name, one in results.items()])


if __name__ == "__main__":
    main()
