"""python -m studies.open_set [--epochs 100] [--tune-epochs 40] [--repeats 3]

Types of defects in an open set (S2 §7.2.4): each type in turn is unknown, the others are learnt from eight labelled
images each. How well the distance to all that was learnt from tells the unknown type from other images of the known
ones (ROC-AUC), and how many of the latter get the right name: by the default method's frozen features, and by a
variational autoencoder that is frozen, trained on with the labels, or trained on jointly with its own loss.
Images of one magnetic tile under several exposures are on both sides, so figures on magnetic_tile are too good.
Results: studies/results/open_set.json and .md.
"""

import argparse
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from benchmarks import command_line, record
from sklearn.metrics import roc_auc_score

from studies import DATA, RESULTS
from studies.few_labels import drawn
from studies.readable import require_readable
from urushi import Detector, Recipe
from urushi.data.dataset import Dataset, find_dataset
from urushi.defect_types import Encoder
from urushi.defect_types._head import Head

CATEGORIES = ("magnetic_tile", "screw")
N_LABELS = 8
WAYS = ("default, frozen", "CVAE, frozen", "CVAE, tuned", "CVAE, joint")


def encoders(dataset: Dataset, options: argparse.Namespace) -> dict[str, Encoder]:
    good = [sample.path for sample in dataset.normal_training()]
    small = {"preprocessing.resize.height": 64, "preprocessing.resize.width": 64}
    recipes = {
        "default": Recipe.find("default").with_settings({"split.n_folds": 0}),
        "CVAE": Recipe.find("variational-autoencoder").with_settings({**small, "training.max_epochs": options.epochs}),
    }
    return {name: Encoder(Detector.fit(good, recipe)) for name, recipe in recipes.items()}


def measure(dataset: Dataset, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    samples = [sample for sample in dataset.test() if sample.label]
    names, owners = np.unique([sample.defect for sample in samples], return_inverse=True)
    for name, encoder in encoders(dataset, options).items():
        found = encoder.detector.inspect_many(sample.path for sample in samples)
        images = [encoder.image(require_readable(one)) for one in found]
        ways = [way for way in WAYS if way.startswith(f"{name},")]
        for seed, unknown, way in product(range(options.repeats), range(len(names)), ways):
            figures = open_set(encoder, images, owners, unknown, way, seed, options.tune_epochs)
            yield {"data": dataset.root.name, "way": way, "unknown": str(names[unknown]), "seed": seed, **figures}


def open_set(
    encoder: Encoder, images: list[np.ndarray], owners: np.ndarray, unknown: int, way: str, seed: int, n_epochs: int
) -> dict[str, float]:
    known = np.flatnonzero(owners != unknown)
    seen = known[drawn(owners[known], N_LABELS, seed)]
    rest = np.setdiff1d(known, seen)
    how: dict[str, Any] = {"n_epochs": 0 if "frozen" in way else n_epochs, "rebuilding": float("joint" in way)}
    labels = np.unique(owners[seen], return_inverse=True)[1]
    tuned = encoder.tuned([images[row] for row in seen], labels, seed=seed, **how)
    head = Head.fit(tuned.latents([images[row] for row in seen]), owners[seen] - (owners[seen] > unknown))
    codes = tuned.latents([images[row] for row in (*rest, *np.flatnonzero(owners == unknown))])
    is_unknown, told = np.arange(len(codes)) >= len(rest), head.probabilities(codes[: len(rest)]).argmax(axis=1)
    return {
        "roc_auc": float(roc_auc_score(is_unknown, head.distances(codes))),
        "accuracy": float((told == owners[rest] - (owners[rest] > unknown)).mean()),
    }


def markdown(found: dict[str, Any]) -> str:
    lines = ["# Types of defects in an open set", "", found["about"]]
    for data in CATEGORIES:
        lines += [
            "",
            f"## {data}",
            "",
            "| encoder | unknown against known, ROC-AUC | known, named rightly |",
            "|---|---|---|",
        ]
        for way in WAYS:
            rows = [row for row in found["rows"] if row["data"] == data and row["way"] == way]
            cells = [
                "{:.3f} ± {:.3f}".format(*record.mean_and_error([row[key] for row in rows]))
                for key in ("roc_auc", "accuracy")
            ]
            lines.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    options = command_line.parser(__doc__, RESULTS, epochs=100, tune_epochs=40, repeats=3).parse_args()
    environment, rows = record.environment(), []
    for name in CATEGORIES:
        for row in measure(find_dataset(DATA / name), options):
            rows.append(row)
            print(row, flush=True)
    about = (
        f"Each type in turn is unknown, the others are learnt from {N_LABELS} images each; mean ± standard error over "
        f"types and {options.repeats} draws. CVAE: 64 px, {options.epochs} epochs on good parts; tuned: "
        f"{options.tune_epochs} epochs on the labels; joint: the same with its own loss beside. On magnetic_tile, "
        "images of one tile under several exposures are on both sides."
    )
    found = environment | {"about": about, "settings": command_line.settings(options), "rows": rows}
    record.publish(options.results, "open_set", found, markdown)


if __name__ == "__main__":
    main()
