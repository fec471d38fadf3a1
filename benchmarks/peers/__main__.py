"""python -m benchmarks.peers (accuracy | presets | speed) [--categories …] [--environment DIR] [--results DIR]

Urushi's default, or its presets with the names of methods, against anomalib (PatchCore, PaDiM, FRE, DFM, STFPM) and
PyOD: the same images, the same EfficientNet-Lite0 weights, the same machine, one run each. The peers run in an
environment of their own, made on the first run (6 GB). What exactly is compared: see `accuracy.py`, `presets.py` and
`speed.py`, whose docstrings the results repeat.
"""

import argparse
import compileall
import tempfile
from pathlib import Path

from studies import CATEGORIES, DATA

from benchmarks import command_line, record
from benchmarks.peers import accuracy, environment, presets, speed
from urushi import Detector, Recipe
from urushi.data.dataset import find_dataset

SPEED_CATEGORY = "magnetic_tile"


def measure_accuracy(options: argparse.Namespace, python: Path) -> None:
    header, rows = record.environment(), record.earlier_rows(options.results, "peers_accuracy")
    for category in options.categories:
        known = {row["contestant"] for row in rows if row["category"] == category}
        if not known.issuperset(["urushi default", *(f"anomalib {model}" for model in options.models)]):
            rows += [record.tidy(row) for row in accuracy.measure(python, category, options.models, known)]
        study = header | {"about": " ".join((accuracy.__doc__ or "").split()), "rows": rows}
        record.publish(options.results, "peers_accuracy", study, accuracy.markdown)


def measure_presets(options: argparse.Namespace, python: Path) -> None:
    """Rows that are there are kept; anomalib's are those of `accuracy` where it has them."""
    rows = record.earlier_rows(options.results, "peers_presets")
    rows = rows or presets.earlier(record.earlier_rows(record.RESULTS, "peers_accuracy"))
    for category in set(options.categories).intersection(presets.CATEGORIES):
        for preset in options.presets:
            known = {row["contestant"] for row in rows if row["category"] == category}
            rows += [record.tidy(row) for row in presets.measure(python, category, preset, known)]
            study = record.environment() | {"seed": 0, "about": " ".join((presets.__doc__ or "").split()), "rows": rows}
            record.publish(options.results, "peers_presets", study, presets.markdown)


def measure_speed(options: argparse.Namespace, python: Path) -> None:
    compileall.compile_dir(record.ROOT / "src", quiet=1)  # as pip does where it installs
    header, dataset = record.environment(), find_dataset(DATA / SPEED_CATEGORY)
    with tempfile.TemporaryDirectory() as name:
        folder, detector = Path(name), Path(name) / "magnetic_tile.urushi"
        accuracy.link(dataset.normal_training(), folder / "train")
        accuracy.link((dataset.test() * options.n)[: options.n], folder / "test")
        fitted = Detector.fit([sample.path for sample in dataset.normal_training()], Recipe.find("default"))
        fitted.save(detector)
        speed.export(detector, folder / "train")
        for model in options.models:
            environment.run(python, "anomalib_worker", "fit", model, folder, 1)  # weights do not matter
        contestants = {
            f"urushi {runtime}": speed.ours(detector, folder / "test", runtime) for runtime in speed.RUNTIMES
        }
        for model in options.models:
            contestants[f"anomalib {model}"] = speed.anomalib(python, model, folder / "test", options.n)
        found = speed.rows(record.interleave(contestants, options.repeats), options.n)
    settings = {"seed": None, "n_images": options.n, "n_repeats": options.repeats, "compares": speed.__doc__}
    after = {"load_average_1_min_after": record.load_average()}
    record.write(options.results, "peers_speed", header | settings | {"results": found} | after)
    record.show(speed.COLUMNS, speed.cells(found))


def main() -> None:
    options = _options()
    python = environment.python_of(options.environment)
    measures = {"accuracy": measure_accuracy, "presets": measure_presets, "speed": measure_speed}
    measures[options.what](options, python)


def _options() -> argparse.Namespace:
    parser = command_line.parser(__doc__, categories=CATEGORIES, n=150, repeats=5)
    parser.add_argument("what", choices=("accuracy", "presets", "speed"))
    parser.add_argument("--models", type=command_line.names, default=accuracy.MODELS, help="of anomalib")
    parser.add_argument("--presets", type=command_line.names, default=list(presets.PEERS))
    parser.add_argument("--environment", type=Path, default=environment.DEFAULT)
    return parser.parse_args()


if __name__ == "__main__":
    main()
