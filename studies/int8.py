"""python -m studies.int8 [--recipes default,autoencoder,variational-autoencoder] [--categories …] [--epochs 30]

Does an int8 graph decide as PyTorch does, and does it pay? Each recipe is fitted on real categories and exported for
ONNX Runtime in fp32 and int8. The gate sees images of the fit and synthetic defects only; what it promises is then
compared with what real test images show: decisions that differ, false alarms, defects found, each by the graph's own
threshold, and besides by the threshold of float, as the former gate had it. A graph that the gate refuses is looked at
all the same, with 8 layers in float. Speed is one image at a time, fp32 and int8 in turn.
Results: studies/results/int8.json and .md.
"""

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
from benchmarks import command_line, record
from sklearn.metrics import roc_auc_score

from studies import DATA, RESULTS
from urushi import Detector, Recipe
from urushi.data.dataset import Sample, find_dataset
from urushi.errors import ExportError
from urushi.evaluation.intervals import wilson
from urushi.exporting import _export, _parity
from urushi.preprocessing import Prepared
from urushi.runtime.choice import Exported, open_export

RECIPES = ("default", "autoencoder", "variational-autoencoder")
CATEGORIES = ("xray_fishbone", "screw_head")
N_ROUNDS = 100


def measure(recipe: str, category: str, options: argparse.Namespace) -> dict[str, Any]:
    """A detector in float and in int8."""
    dataset = find_dataset(DATA / category)
    good = [sample.path for sample in dataset.normal_training()]
    settings = {} if recipe == "default" else {"training.max_epochs": options.epochs}
    detector = Detector.fit(good, Recipe.find(recipe).with_settings(settings), seed=options.seed)
    held_out = detector.card["fit"].get("held_out", list(range(len(good))))
    learnt = [path for place, path in enumerate(good) if place not in set(held_out)]
    normal = [good[place] for place in held_out]
    detector = detector.export(normal, learnt=learnt, seed=options.seed)
    detector, refused = in_int8(detector, normal, learnt, options.seed)
    own, facts = detector.ways.calibrations["onnx"], detector.card["exports"][-1]
    samples, prepared = readable(detector, dataset.test())
    backends = {precision: opened(detector, precision) for precision in ("fp32", "int8")}
    scores = {
        name: np.array([backend.run(one[None]).scores[0] for one in prepared]) for name, backend in backends.items()
    }
    labels = np.array([sample.label for sample in samples])
    decided = {"fp32": scores["fp32"] > detector.threshold.value, "int8": scores["int8"] > own.threshold.value}
    former = scores["int8"] > detector.threshold.value
    spread = _parity.Judge.of(own).spread
    near = np.abs(scores["fp32"] - detector.threshold.value) <= _parity.NEAR * spread
    moved = (scores["int8"] - own.threshold.value) - (scores["fp32"] - detector.threshold.value)
    return {
        "recipe": recipe,
        "category": category,
        "refused": refused,
        "n_float": facts.get("n_float", 0),
        "gate": facts["parity"],
        "threshold": own.threshold.to_json(),
        "n_images": len(labels),
        "n_flips": int((decided["fp32"] != decided["int8"]).sum()),
        "n_flips_by_floats_threshold": int((decided["fp32"] != former).sum()),
        "n_near": int(near.sum()),
        "near_difference": float(np.quantile(np.abs(moved[near]), 0.95) / spread) if near.any() else None,
        "false_alarms": {name: share(found[labels == 0]) for name, found in decided.items()},
        "found": {name: share(found[labels == 1]) for name, found in decided.items()},
        "roc_auc": {name: float(roc_auc_score(labels, found)) for name, found in scores.items()},
        "milliseconds": speed(backends, prepared[0]),
    }


def in_int8(detector: Detector, normal: list[Any], learnt: list[Any], seed: int) -> tuple[Detector, str | None]:
    """With an int8 graph, and why the gate refused it, if it did."""
    how: dict[str, Any] = {"learnt": learnt, "precision": "int8", "seed": seed}
    try:
        return detector.export(normal, **how), None
    except ExportError as error:
        with gate_open():
            return detector.export(normal, **how), str(error)


@contextmanager
def gate_open() -> Iterator[None]:
    limits: dict[str, Any] = {"MOST_NEAR": np.inf, "MOST_FLIPS": np.inf, "MOST_LOSS": np.inf, "LEAST_NEAR": 0}
    with mock.patch.multiple(_parity, **limits), mock.patch.object(_export, "N_FLOAT", (8,)):
        yield


def readable(detector: Detector, samples: Sequence[Sample]) -> tuple[list[Sample], list[np.ndarray]]:
    pairs = [(sample, detector.prepare(sample.path)) for sample in samples]
    kept = [(sample, found.pixels) for sample, found in pairs if isinstance(found, Prepared)]
    return [sample for sample, _ in kept], [pixels for _, pixels in kept]


def opened(detector: Detector, precision: Any) -> Any:
    chosen = Exported("onnx", precision, 0.0, True)
    return open_export(detector.ways.graphs, chosen, tuple(detector.card["fit"]["image_shape"]), None)


def share(called: np.ndarray) -> dict[str, Any]:
    """Of images that were called anomalous, with its 95 % interval."""
    return {"value": float(called.mean()), "interval": list(wilson(float(called.sum()), len(called)))}


def speed(backends: dict[str, Any], image: np.ndarray) -> dict[str, float]:
    """Medians of one image alone, fp32 and int8 in turn."""

    def timed(backend: Any) -> float:
        start = time.perf_counter()
        backend.run(image[None])
        return 1000 * (time.perf_counter() - start)

    each = {name: lambda backend=backend: timed(backend) for name, backend in backends.items()}
    return {n: statistics.median(v) for n, v in record.interleave(each, N_ROUNDS, n_warm_up=5).items()}


def markdown(study: dict[str, Any]) -> str:
    """A line per detector, from the record alone."""
    columns = ["recipe", "category", "gate", "near: synthetic, real", "decisions that differ (by float's threshold)"]
    columns += ["false alarms fp32 → int8", "stated for int8", "defects found fp32 → int8", "ROC-AUC fp32 → int8"]
    columns += ["ms fp32 → int8"]
    lines = [columns, ["---"] * len(columns), *map(_line, study["rows"])]
    environment = study["environment"]
    refused = [f"- {row['recipe']} on {row['category']}: {row['refused']}" for row in study["rows"] if row["refused"]]
    return "\n".join(
        [
            "# Int8 graphs on real test images, each by its own threshold\n",
            *("| " + " | ".join(cells) + " |" for cells in lines),
            "\n- near: how far scores near the threshold differ, each from its own threshold, in 95 % of the images "
            "there, in deviations of normal scores: on the gate's synthetic defects, on real test images. The gate "
            f"allows {_parity.MOST_NEAR:g}.",
            "- False alarms and defects found with their 95 % intervals (Wilson). The test images were in no fit, no "
            "range and no gate. The design of the gate, though, was made with test figures of two detectors in view: "
            "how well it judges may look better here than it is elsewhere.",
            f"- ms: one image at a time in ONNX Runtime, medians of {N_ROUNDS}, both in turn. **Other work ran on this "
            "machine meanwhile**: the ratio is rough, the figures are no measure of speed.",
            *(
                ["- Refused by the gate; what stands above is of the graph with 8 layers in float:", *refused]
                if refused
                else []
            ),
            "",
            f"- command: `{environment['command']}`",
            f"- settings: {study['settings']}",
            f"- commit: {environment['commit']}{' with uncommitted changes' if environment['is_dirty'] else ''}",
            f"- versions: {', '.join(f'{name} {version}' for name, version in environment['versions'].items())}",
            f"- machine: {environment['cpu']}, {environment['n_cores']} cores",
            f"- date: {environment['date'][:10]}",
        ]
    )


def _line(row: dict[str, Any]) -> list[str]:
    real = "–" if row["near_difference"] is None else f"{row['near_difference']:.2f}"
    threshold, auc, ms = row["threshold"], row["roc_auc"], row["milliseconds"]
    return [
        row["recipe"],
        row["category"],
        "refused" if row["refused"] else f"passed, {row['n_float']} layers in float",
        f"{row['gate']['near_difference']:.2f}, {real} ({row['n_near']} images)",
        f"{row['n_flips']} of {row['n_images']} ({row['n_flips_by_floats_threshold']})",
        _arrow(row["false_alarms"]),
        f"{threshold['false_alarm_rate']:.1%} {threshold['rate_kind']}",
        _arrow(row["found"]),
        f"{auc['fp32']:.3f} → {auc['int8']:.3f}",
        f"{ms['fp32']:.1f} → {ms['int8']:.1f}",
    ]


def _arrow(shares: dict[str, Any]) -> str:
    def told(found: dict[str, Any]) -> str:
        low, high = found["interval"]
        return f"{found['value']:.1%} [{low:.1%}, {high:.1%}]"

    return f"{told(shares['fp32'])} → {told(shares['int8'])}"


def main() -> None:
    options = _options()
    environment = record.environment()
    settings = {"epochs": options.epochs, "seed": options.seed, "n_rounds": N_ROUNDS}
    rows: list[dict[str, Any]] = []
    for recipe in options.recipes:
        for category in options.categories:
            rows.append(measure(recipe, category, options))
            record.write(options.results, "int8", {"settings": settings, "environment": environment, "rows": rows})
    record.publish(options.results, "int8", {"settings": settings, "environment": environment, "rows": rows}, markdown)


def _options() -> argparse.Namespace:
    parser = command_line.parser(__doc__, RESULTS, recipes=RECIPES, categories=CATEGORIES, seed=0)
    parser.add_argument("--epochs", type=int, default=30, help="for recipes that are trained")
    return parser.parse_args()


if __name__ == "__main__":
    main()
