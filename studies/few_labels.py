"""python -m studies.few_labels [--epochs 60] [--tune-epochs 40] [--seeds 0,1,2,3,4]

Naming types of real defects from a few labelled images (S3): accuracy on the others over the number of labels per
type, by what encodes them: an autoencoder trained on good parts, on all images without their labels as S3 means it, or
left with random weights, frozen or trained on with the labels, and the frozen features of the default method. On all
images means that those named later are among them. Each seed fits its own encoders and draws its own labels. Images of
one magnetic tile under several exposures are among those learnt from and those named, so figures on magnetic_tile are
too good for new tiles. What was interrupted goes on. Results: studies/results/few_labels.json and .md.
"""

import argparse
from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from benchmarks import command_line, record

from studies import DATA, RESULTS, jobs
from studies.readable import require_readable
from urushi import Detector, Recipe
from urushi.data.dataset import Dataset, find_dataset
from urushi.defect_types import Encoder
from urushi.defect_types._head import Head

N_LABELS = {"magnetic_tile": (2, 5, 10), "screw": (2, 5, 8)}
DEFAULTS = {"epochs": 60, "tune_epochs": 40}
ENCODERS = ("default", "trained", "trained on all", "random")
WAYS: tuple[str, ...] = ("default, frozen",)
WAYS += tuple(f"{name}, {state}" for state in ("frozen", "tuned") for name in ("trained", "trained on all", "random"))


def detector(dataset: Dataset, encoder: str, epochs: int, seed: int) -> Detector:
    """The default method; an autoencoder trained on good parts, on these and all defects, or by next to nothing."""
    side = {"preprocessing.resize.height": 64, "preprocessing.resize.width": 64}
    net = Recipe.find("autoencoder").with_settings(
        {**side, "model.architecture": "inspection", "model.linear_path": False}
    )
    recipes = {
        "default": Recipe.find("default").with_settings({"split.n_folds": 0}),
        "trained": net.with_settings({"training.max_epochs": epochs}),
        "random": net.with_settings({"training.max_epochs": 1, "model.learning_rate": 1e-12}),
    }
    recipes["trained on all"] = recipes["trained"]
    learnt = dataset.normal_training()
    if encoder == "trained on all":
        learnt = (*learnt, *dataset.test())
    return Detector.fit([sample.path for sample in learnt], recipes[encoder], seed=seed)


def measure(options: argparse.Namespace, data: str, encoder: str, seed: int) -> Iterator[dict[str, Any]]:
    dataset = find_dataset(DATA / data)
    samples = [sample for sample in dataset.test() if sample.label]
    names, owners = np.unique([sample.defect for sample in samples], return_inverse=True)
    codes = Encoder(detector(dataset, encoder, options.epochs, seed))
    found = codes.detector.inspect_many(sample.path for sample in samples)
    images = [codes.image(require_readable(one)) for one in found]
    ways = [way for way in WAYS if way.rpartition(", ")[0] == encoder]
    for n, way in product(N_LABELS[data], ways):
        seen = drawn(owners, n, seed)
        n_epochs = options.tune_epochs if way.endswith("tuned") else 0
        accuracy = accuracy_of(codes, images, owners, seen, n_epochs, seed)
        about = {"n_types": len(names), "way": way, "n_labels": n}
        yield about | {"accuracy": accuracy, "n_named": len(owners) - len(seen)}


def drawn(owners: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Rows of n images of each type."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.permutation(np.flatnonzero(owners == kind))[:n] for kind in np.unique(owners)])


def accuracy_of(
    encoder: Encoder, images: list[np.ndarray], owners: np.ndarray, seen: np.ndarray, n_epochs: int, seed: int
) -> float:
    """The share of images that were not learnt from whose likeliest type is the true one."""
    known, rest = [images[row] for row in seen], np.setdiff1d(np.arange(len(images)), seen)
    tuned = encoder.tuned(known, owners[seen], n_epochs=n_epochs, seed=seed)
    head = Head.fit(tuned.latents(known), owners[seen])
    found = head.probabilities(tuned.latents([images[row] for row in rest])).argmax(axis=1)
    return float((found == owners[rest]).mean())


def markdown(found: dict[str, Any]) -> str:
    lines = ["# Types of defects from few labels", "", found["about"]]
    for data, numbers in N_LABELS.items():
        rows = [row for row in found["rows"] if row["data"] == data]
        if not rows:
            continue
        lines += ["", f"## {data}: {rows[0]['n_types']} types", ""]
        lines += [
            "| encoder | " + " | ".join(f"{n} per type" for n in numbers) + " |",
            "|---" * (1 + len(numbers)) + "|",
        ]
        for way in WAYS:
            cells = []
            for n in numbers:
                values = [row["accuracy"] for row in rows if row["way"] == way and row["n_labels"] == n]
                cells.append("{:.3f} ± {:.3f}".format(*record.mean_and_error(values)) if values else "—")
            lines.append(f"| {way} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    options = command_line.parser(__doc__, RESULTS, seeds=(0, 1, 2, 3, 4), **DEFAULTS).parse_args()
    about = (
        "Accuracy on the images that were not learnt from, mean ± standard error over seeds. "
        "Each fits encoders of its own and draws its own labels. "
        f"Autoencoder: S4's network at 64 px, {options.epochs} epochs on good parts, or on all images without "
        f"labels, those named later among them; tuned: {options.tune_epochs} epochs on the labels. "
        "On magnetic_tile, images of one tile under several exposures are on both sides."
    )
    columns = product(options.seeds, N_LABELS, ENCODERS)
    todo = ({"data": data, "encoder": encoder, "seed": seed} for seed, data, encoder in columns)
    settings = {"epochs": options.epochs, "tune_epochs": options.tune_epochs}
    study = options.results, jobs.named("few_labels", settings, DEFAULTS)
    jobs.run(study, todo, partial(measure, options), markdown, about=about, settings=settings)


if __name__ == "__main__":
    main()
