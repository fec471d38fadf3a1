"""All good training images of a category, and its test images, by each contestant.

Reverse distillation is missing: its decoder mirrors a ResNet and takes no EfficientNet-Lite0, and a ResNet has no
weights offline. FRE learns for 20 epochs, PatchCore keeps 1 % of the cells. PyOD has no image features of its own
offline: its detectors get the mean over places of the last block's features, standardised. A mean is that of all seven
categories or none.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from studies import CATEGORIES, DATA
from studies.default_choice import prepared

from benchmarks import record
from benchmarks.peers import environment
from urushi import Detector, Inspection, Recipe
from urushi.backbones.efficientnet_lite import LiteBackbone
from urushi.data.dataset import Dataset, Sample, find_dataset
from urushi.data.masks import read_mask
from urushi.evaluation import evaluate

MODELS = ("padim", "patchcore", "fre")
LAST_BLOCK = 15
Found = list[tuple[Sample, Inspection]]


def measure(python: Path, category: str, models: Sequence[str], known: Set[str]) -> list[dict[str, Any]]:
    """A row for each contestant that is not known yet."""
    dataset = find_dataset(DATA / category)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        link(dataset.normal_training(), folder / "train")
        link(dataset.test(), folder / "test")
        ours, found = urushi(dataset)
        theirs = [anomalib(python, model, folder, found) for model in models if f"anomalib {model}" not in known]
        rows = [one for one in (ours,) if one["contestant"] not in known] + theirs
        rows += [] if any(name.startswith("PyOD") for name in known) else pyod(python, dataset, folder)
    return [{"category": category} | row | record.commit() for row in rows]


def link(samples: Sequence[Sample], folder: Path) -> Path:
    """A folder that anomalib can read; names sort in the order of the samples."""
    folder.mkdir()
    for number, sample in enumerate(samples):
        (folder / f"{number:05}{sample.path.suffix.lower()}").symlink_to(sample.path.resolve())
    return folder


def urushi(dataset: Dataset, recipe: str = "default") -> tuple[dict[str, Any], Found]:
    start = time.monotonic()
    detector = Detector.fit([sample.path for sample in dataset.normal_training()], Recipe.find(recipe))
    fitted = time.monotonic()
    inspected = list(detector.inspect_many(sample.path for sample in dataset.test()))
    times = {"fit_seconds": fitted - start, "ms_per_image": 1000 * (time.monotonic() - fitted) / len(inspected)}
    found = [(s, one) for s, one in zip(dataset.test(), inspected, strict=True) if isinstance(one, Inspection)]
    assert len(found) == len(inspected)
    return {"contestant": f"urushi {recipe}"} | figures(found) | times, found


def anomalib(python: Path, model: str, folder: Path, found: Found) -> dict[str, Any]:
    """Its scores and maps in the place of ours, so that the same code measures them."""
    environment.run(python, "anomalib_worker", "fit", model, folder)
    with np.load(folder / f"{model}.npz") as given:
        order = np.argsort(given["names"])
        scores, maps = given["scores"][order], given["maps"][order]
        times = {"fit_seconds": float(given["fit_seconds"])}
        times["ms_per_image"] = 1000 * float(given["predict_seconds"]) / len(order)
    theirs = [
        (sample, replace(one, score=float(score), anomaly_map=anomaly_map))
        for (sample, one), score, anomaly_map in zip(found, scores, maps, strict=True)
    ]
    return {"contestant": f"anomalib {model}"} | figures(theirs) | times


def figures(found: Found) -> dict[str, Any]:
    """Image and, where there are masks, pixel figures."""
    evaluation = evaluate(iter(found), read_mask=read_mask).to_json()
    pixel = (evaluation["pixel"] or {"metrics": {}})["metrics"]
    named = {"roc_auc": evaluation["image"]["roc_auc"], "pixel_roc_auc": pixel.get("roc_auc")}
    return named | {"aupro_0.3": pixel.get("aupro_0.3")}


def pyod(python: Path, dataset: Dataset, folder: Path) -> list[dict[str, Any]]:
    training, test = ([sample.path for sample in some] for some in (dataset.normal_training(), dataset.test()))
    np.savez(folder / "embeddings.npz", training=embeddings(training), test=embeddings(test))
    found = json.loads(environment.run(python, "pyod_worker", folder / "embeddings.npz"))
    labels = [bool(sample.label) for sample in dataset.test()]
    rows = ((name, float(roc_auc_score(labels, scores))) for name, scores in found.items())
    return [{"contestant": f"PyOD {name}", "roc_auc": {"value": auc}} for name, auc in rows]


def embeddings(paths: Sequence[Path]) -> np.ndarray:
    """Mean over places of the last block's features, (n, 320)."""
    steps = [step for step in Recipe.find("default").preprocessing if step.name != "exposure"]
    recipe, backbone = Recipe.find("default").model_copy(update={"preprocessing": steps}), LiteBackbone([LAST_BLOCK])
    with torch.no_grad():
        found = [backbone(torch.from_numpy(prepared(recipe, [path])))[0].mean(dim=(2, 3)) for path in paths]
    return torch.cat(found).numpy()


def markdown(study: dict[str, Any]) -> str:
    """A line for each contestant: image ROC-AUC by category, then means."""
    lines = ["# The default against its peers: accuracy", "", study["about"], ""]
    heads = ["image ROC-AUC", "mean", *CATEGORIES, "pixel ROC-AUC", "AUPRO@0.3", "fit s", "ms / image"]
    lines += [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name in dict.fromkeys(row["contestant"] for row in study["rows"]):
        rows = {row["category"]: row for row in study["rows"] if row["contestant"] == name}
        aucs = [rows[c]["roc_auc"]["value"] if c in rows else None for c in CATEGORIES]
        cells = ["—" if None in aucs else mean(aucs), *(mean([auc]) for auc in aucs)]
        for key in ("pixel_roc_auc", "aupro_0.3"):
            cells.append(mean([(row.get(key) or {}).get("value") for row in rows.values()]))
        cells += [mean([row.get(key) for row in rows.values()], 1) for key in ("fit_seconds", "ms_per_image")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def mean(values: Sequence[float | None], digits: int = 3) -> str:
    known = [value for value in values if value is not None]
    return f"{statistics.fmean(known):.{digits}f}" if known else "—"
