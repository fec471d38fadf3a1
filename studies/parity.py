"""python -m studies.parity [--recipes default,autoencoder,variational-autoencoder] [--categories …] [--epochs 60]

Fits recipes on real categories, exports each detector for ONNX Runtime and OpenVINO, in fp32 and int8, and compares
them with PyTorch on up to 100 test images that no fit and no gate has seen: largest and median relative difference of
scores, largest difference of maps as share of the colour scale, decisions that differ, ROC-AUC.
An int8 graph that its gate refused is given with the reason. Results: studies/results/parity.json and .md.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks import command_line, record
from sklearn.metrics import roc_auc_score

from studies import DATA, RESULTS
from studies.readable import require_readable
from urushi import Detector, Recipe
from urushi.data.dataset import Sample, find_dataset
from urushi.errors import ExportError
from urushi.inspection import Inspection
from urushi.runtime.names import Engine, Precision

RECIPES = ("default", "autoencoder", "variational-autoencoder")
CATEGORIES = ("xray_fishbone", "screw", "magnetic_tile")
RUNTIMES: tuple[Engine, ...] = ("onnx", "openvino")
PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")
WAYS = [(runtime, precision) for precision in PRECISIONS for runtime in RUNTIMES]


def measure(recipe: str, category: str, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A row per way of running one detector."""
    dataset = find_dataset(DATA / category)
    good = [sample.path for sample in dataset.normal_training()]
    settings = {} if recipe == "default" else {"training.max_epochs": options.epochs}
    detector = Detector.fit(good, Recipe.find(recipe).with_settings(settings), seed=options.seed)
    samples = chosen(dataset.test(), options.images, options.seed)
    reference = inspected(detector, samples)
    for runtime, precision in WAYS:
        about = {"recipe": recipe, "category": category, "runtime": runtime, "precision": precision}
        try:
            detector = detector.export(good, to=runtime, precision=precision, seed=options.seed)
        except ExportError as error:
            yield about | {"refused": str(error)}
            continue
        facts = detector.card["exports"][-1]
        found = inspected(reloaded(detector, runtime, precision, options.scratch), samples)
        yield about | {"facts": facts} | differences(detector, reference, found, samples)


def chosen(samples: Sequence[Sample], n: int, seed: int) -> list[Sample]:
    """Up to n of them, normal and defective ones alike as far as there are."""
    rng = np.random.default_rng(seed)
    by_label: dict[int, list[Sample]] = {0: [], 1: []}
    for sample in rng.permutation(np.array(samples, dtype=object)):
        by_label[sample.label].append(sample)
    n_normal = min(len(by_label[0]), max(n // 2, n - len(by_label[1])))
    return by_label[0][:n_normal] + by_label[1][: n - n_normal]


def reloaded(detector: Detector, runtime: Engine, precision: Precision, scratch: Path) -> Detector:
    detector.save(scratch / "part.urushi")
    return Detector.load(scratch / "part.urushi", runtime=runtime, precision=precision)


def inspected(detector: Detector, samples: list[Sample]) -> list[Inspection]:
    found = detector.inspect_many([sample.path for sample in samples], batch_size=1)
    return [require_readable(one) for one in found]


def differences(
    detector: Detector, reference: list[Inspection], found: list[Inspection], samples: list[Sample]
) -> dict[str, Any]:
    one, other = (np.array([result.score for result in side]) for side in (reference, found))
    relative = np.abs(other - one) / np.maximum(np.abs(one), np.std(detector.held_out.scores))
    span = detector.map_scale.high - detector.map_scale.low
    maps = [float(np.abs(a.anomaly_map - b.anomaly_map).max()) for a, b in zip(reference, found, strict=True)]
    labels = [sample.label for sample in samples]
    flips = sum(a.decision != b.decision for a, b in zip(reference, found, strict=True))
    return {
        "n_images": len(samples),
        "score_difference": {"largest": float(relative.max()), "median": float(np.median(relative))},
        "map_difference": max(maps) / span,
        "n_flips": flips,
        "roc_auc": {"torch": float(roc_auc_score(labels, one)), "exported": float(roc_auc_score(labels, other))},
    }


def markdown(study: dict[str, Any]) -> str:
    """A line per detector and way of running it, from the record alone."""
    columns = ["recipe", "category", "runs in", "score difference, largest (median)", "map difference"]
    columns += ["decisions that differ", "ROC-AUC torch → exported", "ms per image (torch)"]
    lines = [columns, ["---"] * len(columns), *map(_line, study["rows"])]
    environment = study["environment"]
    dirty = " with uncommitted changes" if environment["is_dirty"] else ""
    refused = [f"- {_name(row)}: {row['refused']}" for row in study["rows"] if "refused" in row]
    return "\n".join(
        [
            "# Exported graphs against PyTorch on real test images\n",
            *("| " + " | ".join(cells) + " |" for cells in lines),
            "\n- Differences of scores are relative to the score or, where that is larger, to the standard deviation "
            "of the held-out scores; of maps, to the span of the colour scale. The test images were in no fit and no "
            "gate.",
            "- ms per image: one image at a time, the median of 20, measured when it was exported; other work may have "
            "run beside it. Speed is measured in benchmarks/.",
            *(["- Refused by the gate:", *refused] if refused else []),
            "",
            f"- command: `{environment['command']}`",
            f"- settings: {study['settings']}",
            f"- commit: {environment['commit']}{dirty}",
            f"- versions: {', '.join(f'{name} {version}' for name, version in environment['versions'].items())}",
            f"- machine: {environment['cpu']}, {environment['n_cores']} cores",
            f"- date: {environment['date'][:10]}",
        ]
    )


def _line(row: dict[str, Any]) -> list[str]:
    where = [row["recipe"], row["category"], f"{row['runtime']} {row['precision']}"]
    if "refused" in row:
        return [*where, "refused", "", "", "", ""]
    scores, auc, facts = row["score_difference"], row["roc_auc"], row["facts"]
    kept = f", {facts['n_float']} layers in float" if "n_float" in facts else ""
    return [
        *where[:2],
        where[2] + kept,
        f"{scores['largest']:.1e} ({scores['median']:.1e})",
        f"{row['map_difference']:.1e}",
        f"{row['n_flips']} of {row['n_images']}",
        f"{auc['torch']:.4f} → {auc['exported']:.4f}",
        f"{facts['milliseconds']:.1f} ({facts['milliseconds_in_torch']:.1f})",
    ]


def _name(row: dict[str, Any]) -> str:
    return f"{row['recipe']} on {row['category']}, {row['runtime']} {row['precision']}"


def main() -> None:
    import tempfile

    options = _options()
    environment = record.environment()
    with tempfile.TemporaryDirectory(prefix="urushi-") as scratch:
        options.scratch = Path(scratch)
        pairs = [(recipe, category) for recipe in options.recipes for category in options.categories]
        rows = [row for pair in pairs for row in measure(*pair, options)]
    settings = {"n_images": options.images, "epochs": options.epochs, "seed": options.seed}
    study = {"settings": settings, "environment": environment, "rows": rows}
    record.publish(options.results, "parity", study, markdown)


def _options() -> argparse.Namespace:
    parser = command_line.parser(__doc__, RESULTS, recipes=RECIPES, categories=CATEGORIES, images=100, seed=0)
    parser.add_argument("--epochs", type=int, default=60, help="for recipes that are trained")
    return parser.parse_args()


if __name__ == "__main__":
    main()
