"""python -m studies.alignment [--categories screw,screw_head,magnetic_tile] [--steps …] [--seeds 0] [--results DIR]

Does it pay to align parts before the default recipe? Without the step, with it as it is, with shifts only, and with
two other borders; each fitted on the good training images, at the default's stated rate of 5 %, and measured on the
test images with the masks of the originals. ROC-AUC of planted defects: good images that a fit on 70 % of them has not
seen, against the same with four faint drawn defects each; it needs no test image. Milliseconds are the CPU's, of one
thread, for the step alone. screw lies in any direction, screw_head at any place on wood whose grain runs one way,
magnetic_tile is a texture. Template and fit are the same with any seed, which only draws folds and planted defects:
ROC-AUC is the same, and thresholds differ by an image or two. The border `rim` stays: it has the best mean of planted
ROC-AUC over the two categories where all three were measured, by a hair.
Results: studies/results/alignment.json and .md.
"""

import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import cv2
from benchmarks import command_line

from studies import DATA, RESULTS, jobs
from urushi import Detector, Recipe
from urushi.data.dataset import Dataset, find_dataset
from urushi.data.images import read_image
from urushi.data.masks import read_mask
from urushi.evaluation import evaluate
from urushi.fitting.learning import Run
from urushi.fitting.model_selection import choose
from urushi.preprocessing.alignment import Alignment
from urushi.recipe import Part, Trial

CATEGORIES = ("screw", "screw_head", "magnetic_tile")
STEPS: dict[str, dict[str, Any] | None] = {
    "none": None,
    "alignment": {},
    "shifts only": {"largest_rotation_deg": 0},
    "border replicate": {"border": "replicate"},
    "border reflect": {"border": "reflect"},
}
ABOUT = " ".join((__doc__ or "").split("\n\n")[1].rpartition("Results:")[0].split())


def recipe_with(step: str) -> Recipe:
    """The default with the step before `resize`, where the images still have their shape."""
    default, options = Recipe.find("default"), STEPS[step]
    if options is None:
        return default
    first, *others = default.preprocessing
    parts = (first, Part.model_validate({"name": "alignment", **options}), *others)
    return default.model_copy(update={"preprocessing": parts})


def measure(category: str, step: str, seed: int) -> Iterator[dict[str, Any]]:
    dataset, recipe = find_dataset(DATA / category), recipe_with(step)
    good = [sample.path for sample in dataset.normal_training()]
    start = time.perf_counter()
    detector = Detector.fit(good, recipe, seed=seed)
    row = {"fit_seconds": time.perf_counter() - start, "alignment": detector.card["fit"].get("alignment")}
    row |= {"planted_roc_auc": planted(good, recipe, seed), "step_ms": step_ms(good[:40], step)}
    yield row | figures(detector, dataset, seed)


def figures(detector: Detector, dataset: Dataset, seed: int) -> dict[str, Any]:
    samples = dataset.test()
    found = list(detector.inspect_many(sample.path for sample in samples))
    said = evaluate(zip(samples, found, strict=True), read_mask=read_mask, seed=seed).to_json()
    pixel = (said["pixel"] or {"metrics": {}})["metrics"]
    return {
        "roc_auc": said["image"]["roc_auc"],
        "counts": said["counts"],
        "aupro": pixel.get("aupro_0.3"),
        "stated_rate": detector.threshold.false_alarm_rate,
        "n_doubtful": sum(caution.kind == "alignment" for one in found for caution in getattr(one, "cautions", ())),
    }


def planted(good: list[Path], recipe: Recipe, seed: int) -> float:
    trial = Trial.model_validate({"candidates": [{"name": "this"}, {"name": "none after it"}], "max_seconds": 0})
    tried = choose(good, recipe.model_copy(update={"trial": trial}), Run(seed, Path()), lambda _: None)
    return float(tried.facts["candidates"][0]["roc_auc"])


def step_ms(good: list[Path], step: str) -> float | None:
    """CPU milliseconds per image."""
    options = STEPS[step]
    if options is None:
        return None
    images = [read_image(path) for path in good]
    fitted, n_threads = Alignment(**options).fit(images), cv2.getNumThreads()
    cv2.setNumThreads(1)
    start = time.process_time()
    for image in images:
        fitted.place(image)
    found = 1000 * (time.process_time() - start) / len(images)
    cv2.setNumThreads(n_threads)
    return found


def markdown(found: dict[str, Any]) -> str:
    columns = "category | step | seed | planted ROC-AUC | ROC-AUC [95 %] | AUPRO@0.3 | defects found | false alarms"
    columns += " | correlation before → after | not aligned | fit s | step ms"
    lines = ["# Alignment before the default recipe", "", found["about"], ""]
    lines += [f"| {columns} |", "|---" * (columns.count("|") + 1) + "|"]
    lines += [f"| {' | '.join(cells(row))} |" for row in sorted(found["rows"], key=_place)]
    environment = (
        f"Commit {found['rows'][0].get('commit', '?')}; seeds {sorted({row['seed'] for row in found['rows']})}."
    )
    return "\n".join([*lines, "", f"{environment} The machine did other work beside: seconds are upper limits."]) + "\n"


def cells(row: dict[str, Any]) -> Iterator[str]:
    auc, aupro, counts, fits = row["roc_auc"], row["aupro"], row["counts"], row["alignment"]
    yield from (row["category"], row["step"], str(row["seed"]), f"{row['planted_roc_auc']:.4f}")
    yield f"{auc['value']:.4f} [{auc['low']:.3f}, {auc['high']:.3f}]"
    yield f"{aupro['value']:.4f}" if aupro and aupro["value"] is not None else "no masks"
    yield f"{counts['tp']} of {counts['tp'] + counts['fn']}"
    yield f"{counts['fp']} of {counts['fp'] + counts['tn']}"
    yield f"{fits['correlation_before']:.2f} → {fits['correlation_after']:.2f}" if fits else ""
    yield f"{row['n_doubtful']} of {sum(counts[name] for name in ('tp', 'fn', 'fp', 'tn'))}"
    yield f"{row['fit_seconds']:.0f}"
    yield f"{row['step_ms']:.1f}" if row["step_ms"] is not None else ""


def _place(row: dict[str, Any]) -> tuple[int, int, int]:
    return CATEGORIES.index(row["category"]), list(STEPS).index(row["step"]), row["seed"]


def main() -> None:
    options = command_line.parser(__doc__, RESULTS, categories=CATEGORIES, steps=tuple(STEPS), seeds=(0,)).parse_args()
    chosen = product(options.categories, options.steps, options.seeds)
    todo = [{"category": category, "step": step, "seed": seed} for category, step, seed in chosen]
    jobs.run((options.results, "alignment"), todo, measure, markdown, about=ABOUT)


if __name__ == "__main__":
    main()
