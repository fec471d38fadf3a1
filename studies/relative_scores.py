"""python -m studies.relative_scores [--recipe pixel-pca] [--set section.key=value]… [--categories …] [--results DIR]

Which score suits a method that rebuilds pixels: squared error, absolute error or SSIM, as it is or relative to the
image's local contrast, by each pooling? One fit for each category on 70 % of its good training images. Scores are
chosen by the mean ROC-AUC of the good images held out (48 at most) against the same with a planted defect, four each;
test images show what that choice is worth, and choose nothing. Chosen without a category: by the others' means.
Results: studies/results/relative_scores-<recipe>.json and .md.
"""

import statistics
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks import command_line
from sklearn.metrics import roc_auc_score

from studies import CATEGORIES, DATA, RESULTS, jobs
from urushi import Detector, Recipe, Unreadable
from urushi.data.dataset import find_dataset
from urushi.data.images import ImageSource
from urushi.data.stream import batches, stream
from urushi.fitting.model_selection import planted
from urushi.models.base import Reconstruction
from urushi.recipe import Part, parse_setting
from urushi.scoring import build_score
from urushi.scoring.base import Score

ABOUT = " ".join((__doc__ or "").split("\n\n")[1].rpartition("Results:")[0].split())
SCORES = ("squared_error", "absolute_error", "ssim")
POOLINGS = ("mean", "max", "top", "deviation", "average_then_max")
HELD_OUT = {"split.n_folds": 0, "split.calibration_fraction": 0.3}
MOST, BATCH = 48, 16


def parts() -> dict[str, Part]:
    """All scores, by what they are called here."""
    found = {}
    for name, is_relative, pooling in product(SCORES, (False, True), POOLINGS):
        part = {"name": "relative", "inner": {"name": name}} if is_relative else {"name": name}
        label = f"{name}, {'relative' if is_relative else 'plain'}, {pooling}"
        found[label] = Part.model_validate(part | {"pooling": pooling})
    return found


def measure(category: str, recipe: Recipe) -> Iterator[dict[str, Any]]:
    dataset = find_dataset(DATA / category)
    sources = [sample.path for sample in dataset.normal_training()]
    detector = Detector.fit(sources, recipe.with_settings(HELD_OUT), seed=0)
    held_out = [sources[place] for place in detector.card["fit"]["held_out"]][:MOST]
    samples = list(dataset.test())
    scores = {label: build_score(part, "pixels") for label, part in parts().items()}
    clean = scored(detector, scores, held_out)
    spoilt = scored(detector, scores, planted(held_out, 0, detector.pipeline))
    test, labels = scored(detector, scores, [s.path for s in samples]), np.array([bool(s.label) for s in samples])
    yield {
        "n": {"held_out": len(held_out), "test": len(samples)},
        "planted": {label: roc_auc(clean[label], spoilt[label]) for label in scores},
        "test": {label: roc_auc(one[~labels], one[labels]) for label, one in test.items()},
    }


@torch.no_grad()
def scored(detector: Detector, scores: dict[str, Score], sources: Iterable[ImageSource]) -> dict[str, np.ndarray]:
    """Each score of each image; one that cannot be read stops the study."""
    model, found = detector.backend.graph.model, dict[str, list[float]]()  # type: ignore[attr-defined]
    for batch in batches(stream(detector.pipeline.read, sources, ahead=2), BATCH):
        if unreadable := [item for item in batch if isinstance(item, Unreadable)]:
            raise SystemExit(f"error: {unreadable[0].source}: {unreadable[0].reason}")
        pair: Reconstruction = model.reconstruct(torch.from_numpy(np.stack([item.pixels for item in batch])))
        for label, score in scores.items():
            found.setdefault(label, []).extend(score(pair, tuple(pair.original.shape[-2:]))[1].tolist())
    return {label: np.array(values) for label, values in found.items()}


def roc_auc(normal: np.ndarray, defect: np.ndarray) -> float:
    labels = np.repeat([0, 1], [len(normal), len(defect)])
    return float(roc_auc_score(labels, np.concatenate([normal, defect])))


def markdown(found: dict[str, Any]) -> str:
    rows = found["rows"]
    means = {label: [_mean(rows, by, label) for by in ("planted", "test")] for label in parts()}
    head = f"| score, map, pooling | planted | test | {' | '.join(row['category'] for row in rows)} |"
    lines = ["# Relative scores", "", found["about"], "", head, "|---" * (len(rows) + 3) + "|"]
    for label, (by_planted, by_test) in sorted(means.items(), key=lambda one: -one[1][0]):
        values = " | ".join(f"{row['test'][label]:.3f}" for row in rows)
        lines.append(f"| {label} | {by_planted:.3f} | {by_test:.3f} | {values} |")
    lines += ["", "Columns by category: ROC-AUC of its test images. Best by planted defects first.", ""]
    lines += ["| category | chosen by the planted defects of the others | its test images |", "|---|---|---|"]
    chosen = [(row, best([one for one in rows if one is not row])) for row in rows] if len(rows) > 1 else []
    lines += [f"| {row['category']} | {label} | {row['test'][label]:.3f} |" for row, label in chosen]
    if chosen:
        lines.append(f"| **mean** | | **{statistics.fmean(row['test'][label] for row, label in chosen):.3f}** |")
    return "\n".join(lines)


def _mean(rows: list[dict[str, Any]], by: str, label: str) -> float:
    return statistics.fmean(row[by][label] for row in rows)


def best(rows: list[dict[str, Any]]) -> str:
    """The score with the highest mean over categories, by planted defects; of equal ones the first."""
    return max(parts(), key=lambda label: _mean(rows, "planted", label))


def main() -> None:
    parser = command_line.parser(__doc__, RESULTS, categories=CATEGORIES)
    parser.add_argument("--recipe", default="pixel-pca", help="name of a recipe, or path of a TOML")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="SECTION.KEY=VALUE")
    options = parser.parse_args()
    recipe = Recipe.find(options.recipe).with_settings(dict(map(parse_setting, options.settings)))
    name = "-".join(["relative_scores", Path(options.recipe).stem])
    categories = ({"category": category} for category in options.categories)
    settings = {"recipe": " ".join([options.recipe, *options.settings])}
    about = f"{ABOUT} Recipe: {settings['recipe']}."
    study = (options.results, name)
    jobs.run(study, categories, partial(measure, recipe=recipe), markdown, about=about, settings=settings)


if __name__ == "__main__":
    main()
