"""python -m studies.recipe_scores [--recipes gan,…] [--categories …] [--steps 1500] [--side 0] [--networks-alone] …

Which score suits a method that rebuilds pixels. Each recipe is fitted once on each category; all scores are then given
by the same reconstructions, of good images that were held out, of the same with faint defects planted in them, and of
the test images. The score of a recipe is the one with the best mean over planted defects; test images choose nothing,
they show what the choice is worth. `--side` is another size of the images in px. A fit takes at most `--steps` gradient
steps. `--networks-alone` takes the principal components away that recipes have beside their networks.
Results: studies/results/recipe_scores….json and .md; a run that was interrupted goes on.
"""

import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks import command_line
from sklearn.metrics import roc_auc_score

from studies import CATEGORIES, DATA, RESULTS, jobs
from studies.readable import require_readable
from urushi import Detector, Recipe
from urushi.data.dataset import find_dataset
from urushi.data.stream import batches
from urushi.fitting.model_selection import planted
from urushi.preprocessing import Pipeline
from urushi.recipe import Part
from urushi.runtime.torch_backend import TorchBackend

RECIPES = (
    *("pixel-pca", "sparse-dictionary", "autoencoder", "variational-autoencoder", "gan", "bigan", "ganomaly"),
    *("attribute-restoration", "siren-inpainting", "partial-diffusion"),
)
SCORES = {
    "squared, mean": Part(name="squared_error"),
    "squared, top": Part.model_validate({"name": "squared_error", "pooling": "top"}),
    "squared, average then max": Part.model_validate({"name": "squared_error", "pooling": "average_then_max"}),
    "ssim": Part(name="ssim"),
    "gmsd": Part(name="gmsd"),
    "relative, mean": Part.model_validate({"name": "relative", "pooling": "mean"}),
    "relative, top": Part.model_validate({"name": "relative", "pooling": "top"}),
    "relative, average then max": Part(name="relative"),
    "relative ssim": Part.model_validate({"name": "relative", "inner": {"name": "ssim"}}),
}
OWN = "the recipe's own"
MOST_PLANTED = 48  # good images that get defects
HELD_OUT = {"split.n_folds": 0, "split.calibration_fraction": 0.3, "split.leave_out_suspicious": False}
ABOUT = (
    "Image ROC-AUC, means over the categories. Planted: good images that were held out, against the same with one "
    "faint defect each at four opacities. Test: the test images. One fit for all scores of a row, 30 % of the good "
    "images held out of it; bold is what planted defects choose."
)


def measure(
    recipe: str, category: str, seed: int, *, steps: int, side: int, networks_alone: bool
) -> Iterator[dict[str, Any]]:
    dataset, chosen = find_dataset(DATA / category), prepared(Recipe.find(recipe), steps, side, networks_alone)
    good = [sample.path for sample in dataset.normal_training()]
    scores = {OWN: chosen.score} | SCORES
    start = time.monotonic()
    detectors = dict(zip(scores, Detector.fit_scores(good, chosen, list(scores.values()), seed=seed), strict=True))
    seconds = time.monotonic() - start
    first = detectors[OWN]
    held_out = [good[place] for place in first.card["fit"]["held_out"]][:MOST_PLANTED]
    labels = [bool(sample.label) for sample in dataset.test()]
    clean, faulty = scored(detectors, held_out), scored(detectors, planted(held_out, seed, first.pipeline))
    tested = scored(detectors, [sample.path for sample in dataset.test()])
    told = [False] * len(held_out) + [True] * len(next(iter(faulty.values())))
    found = {
        name: {
            "planted": float(roc_auc_score(told, np.concatenate([clean[name], faulty[name]]))),
            "test": float(roc_auc_score(labels, tested[name])),
        }
        for name in scores
    }
    training = first.card["fit"].get("training") or {}
    yield {"fit_seconds": round(seconds, 1), "epochs": training.get("epochs"), "scores": found}


def prepared(recipe: Recipe, steps: int, side: int, networks_alone: bool) -> Recipe:
    settings: dict[str, Any] = dict(HELD_OUT)
    if recipe.training is not None:
        settings["training.max_steps"] = steps
    if side:
        settings |= {"preprocessing.resize.height": side, "preprocessing.resize.width": side}
    if networks_alone and "linear_path" in recipe.model.options:
        settings["model.linear_path"] = False
    return recipe.with_settings(settings)


def scored(detectors: dict[str, Detector], images: Iterable[Path | np.ndarray]) -> dict[str, np.ndarray]:
    """The scores of all detectors, which have one model, from one reconstruction of each image."""
    graphs = {name: one.backend.graph for name, one in detectors.items() if isinstance(one.backend, TorchBackend)}
    model = next(iter(graphs.values())).model
    found = dict[str, list[float]]((name, []) for name in graphs)
    for batch in batches(read(next(iter(detectors.values())).pipeline, images), 8):
        with torch.no_grad():
            pair = model.reconstruct(model.embed(torch.from_numpy(np.stack(batch))))
            for name, graph in graphs.items():
                found[name] += graph.score(pair, batch[0].shape[1:])[1].tolist()
    return {name: np.array(values) for name, values in found.items()}


def read(pipeline: Pipeline, images: Iterable[Path | np.ndarray]) -> Iterator[np.ndarray]:
    return (require_readable(pipeline.read(image)).pixels for image in images)


# --- the page ---------------------------------------------------------------------------------------------------------


def mean(rows: Sequence[dict[str, Any]], name: str, of: str) -> float:
    """Over categories, each the mean of its seeds."""
    by = [[row["scores"][name][of] for row in rows if row["category"] == c] for c in {row["category"] for row in rows}]
    return statistics.fmean(statistics.fmean(values) for values in by)


def best(rows: Sequence[dict[str, Any]]) -> str:
    return max(rows[0]["scores"], key=lambda name: mean(rows, name, "planted"))


def left_out(rows: Sequence[dict[str, Any]]) -> float:
    """Mean test figure where the score of each category is chosen by planted defects on the others."""
    names = sorted({row["category"] for row in rows})
    if len(names) < 2:
        return float("nan")
    parts = [([r for r in rows if r["category"] != name], [r for r in rows if r["category"] == name]) for name in names]
    return statistics.fmean(mean(here, best(others), "test") for others, here in parts)


def markdown(found: dict[str, Any]) -> str:
    rows = found["rows"]
    lines = ["# Which score suits a method that rebuilds pixels", "", found["about"], ""]
    for recipe in dict.fromkeys(row["recipe"] for row in rows):
        lines += table(recipe, [row for row in rows if row["recipe"] == recipe])
    return "\n".join(lines)


def table(recipe: str, rows: list[dict[str, Any]]) -> list[str]:
    chosen, n = best(rows), len({row["category"] for row in rows})
    seconds = statistics.median(row["fit_seconds"] for row in rows)
    lines = [f"## {recipe}", "", f"{n} of {len(CATEGORIES)} categories, median fit {seconds:.0f} s.", ""]
    lines += ["| score | planted | test |", "|---|---|---|"]
    for name in rows[0]["scores"]:
        mark = "**" if name == chosen else ""
        figures = " | ".join(f"{mark}{mean(rows, name, of):.3f}{mark}" for of in ("planted", "test"))
        lines.append(f"| {mark}{name}{mark} | {figures} |")
    if n > 1:
        lines += ["", f"Test, each category by what the others choose: {left_out(rows):.3f}."]
    under = [f"{row['category']} {row['scores'][chosen]['test']:.2f}" for row in rows]
    return [*lines, "", f"With {chosen}, by category: {', '.join(under)}.", ""]


def main() -> None:
    parser = command_line.parser(
        __doc__, RESULTS, recipes=RECIPES, categories=CATEGORIES, seeds=[0], steps=1500, side=0
    )
    parser.add_argument("--networks-alone", action="store_true")
    options = parser.parse_args()
    settings = {"steps": options.steps, "side": options.side, "networks_alone": options.networks_alone}
    todo = (
        {"recipe": recipe, "category": category, "seed": seed}
        for recipe in options.recipes
        for seed in options.seeds
        for category in options.categories
    )
    parts = [
        "recipe_scores",
        *([f"{options.side}px"] if options.side else []),
        *(["networks_alone"] * options.networks_alone),
    ]
    jobs.run(
        (options.results, "-".join(parts)),
        todo,
        lambda **job: measure(**job, **settings),
        markdown,
        about=ABOUT,
        settings=settings,
    )


if __name__ == "__main__":
    main()
