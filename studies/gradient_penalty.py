"""python -m studies.gradient_penalty [--recipes bigan,ganomaly] [--categories …] [--networks alone,beside] [--seeds …]

Spectral norm or a gradient penalty in the discriminator: which one should be the default? Fits of the same recipe that
differ in `gradient_penalty` alone (0 is spectral norm), compared on good images that were held out, and on the same
with faint defects planted in them; test images have no part in it. The networks alone, or as the recipe has them,
beside principal components (`--networks beside`). `--steps` is of a fit, 400, `--side` in px, 32.
Results: studies/results/gradient_penalty.json and .md.
"""

import argparse
import time
from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import torch
from benchmarks import command_line
from sklearn.metrics import roc_auc_score

from studies import DATA, RESULTS, jobs
from studies.recipe_scores import MOST_PLANTED, OWN, graph_of, prepared, read, scored
from urushi import Detector, Recipe
from urushi.data.dataset import find_dataset
from urushi.fitting.model_selection import planted
from urushi.models.base import Reconstructor

PENALTIES = ("0", "0.5")
CATEGORIES = ("xray_weld", "screw_head", "magnetic_tile", "nanofiber_sem")
DEFAULTS = {"steps": 400, "side": 32}
COLUMNS = {
    "squared error ×10⁻⁴": "error",
    "code length": "code_length",
    "adversarial share": "adversarial_share",
    "accuracy of D": "discriminator_accuracy",
    "planted, ROC-AUC": "planted",
}
ABOUT = (
    "{side} px, {steps} gradient steps, 30 % of the good images held out. All figures are of these: the squared error "
    "of their reconstructions, the length of their codes over that of the prior's draws (1 where they reach it), the "
    "share of the adversarial term in the generator's loss, and how well the recipe's score tells them from the same "
    "with one faint defect each at four opacities. A penalty of 0 is spectral norm."
)


def measure(
    recipe: str, category: str, networks: str, penalty: str, seed: int, *, steps: int, side: int
) -> Iterator[dict[str, Any]]:
    found = prepared(Recipe.find(recipe), steps, side, networks_alone=networks == "alone")
    settings = {
        "model.gradient_penalty": float(penalty),
        "training.max_epochs": steps,
        "training.patience_epochs": steps,
    }
    chosen = found.with_settings(settings)  # a contest may need a hundred steps before its images are better than grey
    good, start = [sample.path for sample in find_dataset(DATA / category).normal_training()], time.monotonic()
    detector = Detector.fit(good, chosen, seed=seed)
    seconds = time.monotonic() - start
    held_out = [good[place] for place in detector.card["fit"]["held_out"]][:MOST_PLANTED]
    graph = graph_of(detector)
    clean, faulty = (
        scored(detector, {OWN: graph.score}, images)[OWN]
        for images in (held_out, planted(held_out, seed, detector.pipeline))
    )
    told = [False] * len(clean) + [True] * len(faulty)
    images = torch.from_numpy(np.stack(list(read(detector.pipeline, held_out))))
    yield {
        "fit_seconds": round(seconds, 1),
        "planted": float(roc_auc_score(told, np.concatenate([clean, faulty]))),
        **of_model(graph.model, images),
    }


@torch.no_grad()
def of_model(model: Reconstructor, images: torch.Tensor) -> dict[str, float]:
    """What the model says of its contest, and how far reconstructions are from images (n, C, H, W)."""
    torch.manual_seed(0)
    error = (model.reconstruct(images).reconstruction - images).square().mean()
    return {"error": 1e4 * error.item()} | {key: one.item() for key, one in model.measurements(images).items()}


def markdown(found: dict[str, Any]) -> str:
    rows = found["rows"]
    lines = ["# Spectral norm or a gradient penalty", "", found["about"]]
    for recipe in dict.fromkeys(row["recipe"] for row in rows):
        lines += ["", f"## {recipe}", "", f"| category | networks | seed | penalty | {' | '.join(COLUMNS)} | fit s |"]
        lines += ["|---" * (len(COLUMNS) + 5) + "|"]
        lines += [line(row) for row in rows if row["recipe"] == recipe]

    return "\n".join(lines)


def line(row: dict[str, Any]) -> str:
    shown = (f"{row[key]:.3g}" if key in row else "—" for key in COLUMNS.values())
    cells = [row["category"], row["networks"], str(row["seed"]), row["penalty"], *shown, f"{row['fit_seconds']:.0f}"]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    options: argparse.Namespace = command_line.parser(
        __doc__,
        RESULTS,
        recipes=("bigan", "ganomaly"),
        categories=CATEGORIES,
        networks=("alone",),
        seeds=(0, 1),
        **DEFAULTS,
    ).parse_args()
    columns = product(options.seeds, options.networks, options.recipes, options.categories, PENALTIES)
    names = "seed", "networks", "recipe", "category", "penalty"
    todo = (dict(zip(names, job, strict=True)) for job in columns)
    settings = {"steps": options.steps, "side": options.side}
    study = options.results, jobs.named("gradient_penalty", settings, DEFAULTS)
    jobs.run(study, todo, partial(measure, **settings), markdown, about=ABOUT.format(**settings), settings=settings)


if __name__ == "__main__":
    main()
