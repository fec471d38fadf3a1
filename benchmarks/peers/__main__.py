"""python -m benchmarks.peers [accuracy|speed] [--categories …] [--environment DIR] [--results DIR]

Urushi's default against anomalib (PatchCore, PaDiM, FRE) and PyOD: the same images, the same EfficientNet-Lite0
weights, the same machine, one run each. The peers run in an environment of their own, made on the first run.

accuracy: all good training images of a category, and its test images. Reverse distillation is missing: its decoder
mirrors a ResNet and takes no Lite0, and there are no weights of a ResNet offline. PyOD's detectors get the mean over
places of the last block's features, standardised. speed: see `speed.py`.
"""

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import json
import numpy as np
import torch

from benchmarks import record
from benchmarks.peers import environment, speed
from studies.default_choice import prepared
from studies.seven_categories import CATEGORIES, DATA
from urushi import Detector, Inspection, Recipe
from urushi.backbone import Backbone
from urushi.data.dataset import Dataset, Sample, find_dataset
from urushi.data.images import read_mask
from urushi.evaluation import evaluate
from sklearn.metrics import roc_auc_score
import time

MODELS = ("padim", "patchcore", "fre")
Found = list[tuple[Sample, Inspection]]


def measure(python: Path, category: str) -> list[dict[str, Any]]:
    """A row for each contestant."""
    dataset = find_dataset(DATA / category)
    with tempfile.TemporaryDirectory() as folder:
        names = link(dataset, Path(folder))
        ours, found = urushi(dataset)
        rows = [ours]
        rows += [anomalib(python, model, Path(folder), names, found) for model in MODELS]
        rows += pyod(python, dataset, Path(folder))
    return [{"category": category} | row | record.commit() for row in rows]


def link(dataset: Dataset, folder: Path) -> list[str]:
    """Training and test images in the two folders that anomalib reads; the names of the latter, in their order."""
    parts = {"train": dataset.normal_training(), "test": dataset.test()}
    for part, samples in parts.items():
        (folder / part).mkdir()
        for number, sample in enumerate(samples):
            (folder / part / f"{number:05}{sample.path.suffix.lower()}").symlink_to(sample.path.resolve())
    return sorted(path.name for path in (folder / "test").iterdir())


def urushi(dataset: Dataset) -> tuple[dict[str, Any], Found]:
    start = time.monotonic()
    detector = Detector.fit([sample.path for sample in dataset.normal_training()], Recipe.find("default"))
    fitted = time.monotonic()
    inspected = list(detector.inspect_many(sample.path for sample in dataset.test()))
    times = {"fit_seconds": fitted - start, "ms_per_image": 1000 * (time.monotonic() - fitted) / len(inspected)}
    found = [(s, one) for s, one in zip(dataset.test(), inspected, strict=True) if isinstance(one, Inspection)]
    return {"contestant": "urushi default"} | figures(found) | times, found


def anomalib(python: Path, model: str, folder: Path, names: list[str], found: Found) -> dict[str, Any]:
    """Its scores and maps in the place of ours, so that the same code measures them."""
    environment.run(python, "anomalib_worker", "fit", model, folder)
    with np.load(folder / f"{model}.npz") as given:
        place = {str(name): number for number, name in enumerate(given["names"])}
        theirs = [
            (sample, replace(one, score=float(given["scores"][i]), anomaly_map=given["maps"][i]))
            for i, (sample, one) in zip((place[name] for name in names), found, strict=True)
        ]
        times = {"fit_seconds": float(given["fit_seconds"])}
        times["ms_per_image"] = 1000 * float(given["predict_seconds"]) / len(names)
    return {"contestant": f"anomalib {model}"} | figures(theirs) | times


def figures(found: Found) -> dict[str, Any]:
    figures = evaluate(iter(found), read_mask=read_mask, n_resamples=2).to_json()
    pixel = figures["pixel"] or {}
    return {"auc": figures["image"]["roc_auc"]["value"], "pixel_auc": pixel, "raw": figures["image"]}


def pyod(python: Path, dataset: Dataset, folder: Path) -> list[dict[str, Any]]:
    paths = {"training": [s.path for s in dataset.normal_training()], "test": [s.path for s in dataset.test()]}
    np.savez(folder / "embeddings.npz", **{part: embeddings(some) for part, some in paths.items()})
    scores = json.loads(environment.run(python, "pyod_worker", folder / "embeddings.npz"))
    labels = [bool(sample.label) for sample in dataset.test()]
    return [{"contestant": f"PyOD {name}", "auc": float(roc_auc_score(labels, some))} for name, some in scores.items()]


def embeddings(paths: list[Path]) -> np.ndarray:
    """Mean over places of the last block's features, (n, 320)."""
    recipe, backbone = Recipe.find("default").without("exposure"), Backbone([15])
    with torch.no_grad():
        found = [backbone(torch.from_numpy(prepared(recipe, [path])))[0].mean(dim=(2, 3)) for path in paths]
    return torch.cat(found).numpy()
