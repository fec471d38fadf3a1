"""python -m benchmarks.memory [--recipes autoencoder,default] [--runtime torch] [--few 500] [--many 5000] [--repeats 2]

Resident memory of inspecting many images against few, each in a fresh process that loads the detector file, lists the
folder and takes every result of `Detector.inspect_many` once. The large folder holds hard links to the files of the
small one; every one of them is opened and decoded.

Peak is VmHWM of /proc/self/status (Linux only), not ru_maxrss: that one begins with the size of the process that
started this one. Final is VmRSS after the last result has been taken, tenths after each tenth of the images; flatness
is the highest of the tenths over the lowest, within one run over the large folder.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import command_line, record
from benchmarks.tiles import described, tiles, write_tiles

RECIPES = ("autoencoder", "default")
AT_MOST = 1.1
FLAT_AT_MOST = 1.05


def inspect(detector_file: Path, folder: Path) -> dict[str, Any]:
    """Inspects a folder in this process; megabytes."""
    from urushi import Detector
    from urushi.data.dataset import find_dataset

    detector = Detector.load(detector_file)
    paths = [sample.path for sample in find_dataset(folder, layout="flat").samples]
    before, tenths, step = _megabytes("VmRSS"), [], max(1, len(paths) // 10)
    for number, _ in enumerate(detector.inspect_many(paths), 1):
        if number % step == 0:
            tenths.append(_megabytes("VmRSS"))
    ends = {"final_mb": _megabytes("VmRSS"), "peak_mb": _megabytes("VmHWM")}
    return {"n_images": len(paths), "before_mb": before, **ends, "tenths_mb": tenths}


def _megabytes(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))


def in_fresh_process(detector_file: Path, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.memory", "--inspect", str(detector_file), str(folder)]
    run = subprocess.run(command, cwd=record.ROOT, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def fit(name: str, options: argparse.Namespace, path: Path) -> Path:
    """A detector file; how well it detects doesn't matter here."""
    from urushi import Detector, Recipe

    is_trained = not Recipe.find(name).model.name.startswith("feature_")
    recipe = Recipe.find(name).with_settings({"training.max_epochs": options.epochs} if is_trained else {})
    good = list(tiles(options.fit_images, options.tile_px, options.seed + 1))
    detector = Detector.fit(good, recipe, seed=options.seed)
    (detector if options.runtime == "torch" else detector.export(good[:20], to=options.runtime)).save(path)
    return path


def compare(name: str, folders: dict[str, Path], options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    detector_file = fit(name, options, scratch / f"{name}.urushi")
    runs = record.interleave({side: _run(detector_file, folder) for side, folder in folders.items()}, options.repeats)
    ratios = {
        figure: record.ratio([run[figure] for run in runs["many"]], [run[figure] for run in runs["few"]])
        for figure in ("peak_mb", "final_mb")
    }
    judged = {figure: record.judged(found, at_most=AT_MOST) for figure, found in ratios.items()}
    flatness = [max(run["tenths_mb"]) / min(run["tenths_mb"]) for run in runs["many"]]
    judged["flatness"] = record.judged(record.spread(flatness), at_most=FLAT_AT_MOST)
    medians = {side: _medians(found) for side, found in runs.items()}
    return {"recipe": name, "ratio": judged, "median_mb": medians, "runs": runs}


def _run(detector_file: Path, folder: Path) -> Callable[[], dict[str, Any]]:
    return lambda: in_fresh_process(detector_file, folder)


def _medians(runs: list[dict[str, Any]]) -> dict[str, float]:
    figures = ("before_mb", "peak_mb", "final_mb")
    return {figure: record.spread([run[figure] for run in runs])["median"] for figure in figures}


def link_many(small: Path, large: Path, n: int) -> Path:
    """A folder of n hard links to the files of a smaller one."""
    large.mkdir()
    files = sorted(small.iterdir())
    for number in range(n):
        source = files[number % len(files)]
        os.link(source, large / f"{number:06}{source.suffix}")
    return large


def main() -> None:
    options = _options()
    if options.inspect:
        print(json.dumps(inspect(*options.inspect)))
        return
    header = record.environment() | {"seed": options.seed, "n_warm_up": 0, "n_repeats": options.repeats}
    with tempfile.TemporaryDirectory(prefix="urushi-") as name:
        few = write_tiles(Path(name) / "few", options.few, options.tile_px, options.seed)
        folders = {"few": few, "many": link_many(few, Path(name) / "many", options.many)}
        results = [compare(recipe, folders, options, Path(name)) for recipe in options.recipes]
    about = {"reference": "few", "images": described(options.few, options.tile_px), "compares": __doc__}
    sizes = {"n_few": options.few, "n_many": options.many, "load_average_1_min_after": record.load_average()}
    record.write(options.results, f"memory-{options.runtime}", header | about | sizes | {"results": results})
    columns = ("recipe", "figure", f"{options.few} images MB", f"{options.many} images MB", "ratio")
    record.show(columns, [row for result in results for row in _rows(result)])


def _rows(result: dict[str, Any]) -> list[tuple[Any, ...]]:
    sides = [result["median_mb"][side] for side in ("few", "many")]
    return [
        (
            result["recipe"],
            figure,
            *(f"{m[figure]:.0f}" if figure in m else "" for m in sides),
            record.ratio_cell(ratio),
        )
        for figure, ratio in result["ratio"].items()
    ]


def _options() -> argparse.Namespace:
    parser = command_line.parser(__doc__, recipes=RECIPES, few=500, many=5000, fit_images=120, repeats=2, seed=0)
    parser.add_argument("--runtime", default="torch", help="torch, onnx or openvino")
    parser.add_argument("--tile-px", type=int, default=256, help="side of the image files, at most 300")
    parser.add_argument("--epochs", type=int, default=5, help="for recipes that are trained")
    parser.add_argument("--inspect", type=Path, nargs=2, metavar=("DETECTOR", "FOLDER"), help="what the processes run")
    return parser.parse_args()


if __name__ == "__main__":
    main()
