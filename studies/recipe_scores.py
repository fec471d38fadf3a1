"""python -m studies.recipe_scores [--recipes gan,…] [--categories …] [--steps 1500] [--side 0] [--networks-alone] …

Which score suits a method that rebuilds pixels. Each recipe is fitted once on each category; all scores are then given
by the same reconstructions, of good images that were held out, of the same with faint defects planted in them, and of
the test images; scores that learn do so from the images that the model learnt from. The page says which score planted
defects choose, and what the mean over the other categories' test images does. `--side` is another size of the images in
px. A fit takes at most `--steps` gradient steps. `--networks-alone` takes the principal components away that recipes
have beside their networks. With `--detectors DIR` fits are kept there, and those that are there are not made again.
Results: studies/results/recipe_scores….json and .md; a run that was interrupted goes on.
"""

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from urushi.models.base import Reconstruction
from urushi.preprocessing import Pipeline
from urushi.recipe import Part
from urushi.runtime.torch_backend import TorchBackend
from urushi.scoring import ScoringGraph, build_score
from urushi.scoring.base import Score

RECIPES = (
    *("pixel-pca", "sparse-dictionary", "autoencoder", "variational-autoencoder", "gan", "bigan", "ganomaly"),
    *("attribute-restoration", "siren-inpainting", "partial-diffusion"),
)
OWN, STATISTICS = "the recipe's own", "residual statistics"
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
    STATISTICS: Part(name="residual_statistics"),
}
MOST_PLANTED = 48  # good images that get defects
HELD_OUT = {"split.n_folds": 0, "split.calibration_fraction": 0.3, "split.leave_out_suspicious": False}
ABOUT = (
    "Image ROC-AUC, means over the categories. Planted: good images that were held out, against the same with one "
    "faint defect each at four opacities. Test: the test images. One fit for all scores of a row, 30 % of the good "
    "images held out of it; bold is what planted defects choose."
)


def measure(
    recipe: str, category: str, seed: int, *, detectors: Path | None, steps: int, side: int, networks_alone: bool
) -> Iterator[dict[str, Any]]:
    dataset, chosen = find_dataset(DATA / category), prepared(Recipe.find(recipe), steps, side, networks_alone)
    good = [sample.path for sample in dataset.normal_training()]
    kept = detectors and detectors / f"{Path(recipe).stem}-{category}-{seed}.urushi"
    detector = fitted(good, chosen, seed, kept)
    scores = taught(detector, good, {OWN: chosen.score} | SCORES)
    held_out = [good[place] for place in detector.card["fit"]["held_out"]][:MOST_PLANTED]
    labels = [bool(sample.label) for sample in dataset.test()]
    clean, faulty = (
        scored(detector, scores, images) for images in (held_out, planted(held_out, seed, detector.pipeline))
    )
    tested = scored(detector, scores, [sample.path for sample in dataset.test()])
    told = [False] * len(held_out) + [True] * len(faulty[OWN])
    found = {
        name: {
            "planted": float(roc_auc_score(told, np.concatenate([clean[name], faulty[name]]))),
            "test": float(roc_auc_score(labels, tested[name])),
        }
        for name in scores
    }
    facts = detector.card["fit"]
    yield {"fit_seconds": facts["seconds"], "epochs": (facts.get("training") or {}).get("epochs"), "scores": found}


def fitted(good: Sequence[Path], recipe: Recipe, seed: int, kept: Path | None) -> Detector:
    """A detector of some recipe, which keeps its file, or the one that has been kept; exits if that is of another."""
    if kept is None or not kept.exists():
        detector = Detector.fit(good, recipe, seed=seed)
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            detector.save(kept)
        return detector
    detector, of = Detector.load(kept, runtime="torch"), ("model", "preprocessing", "training", "split")
    same = all(getattr(detector.recipe, part) == getattr(recipe, part) for part in of)
    if not same or (detector.card["seed"], detector.card["fit"]["n_images"]) != (seed, len(good)):
        raise SystemExit(f"{kept} is of another recipe, seed or number of images; delete it, or name another folder")
    return detector


def taught(detector: Detector, good: Sequence[Path], parts: Mapping[str, Part]) -> dict[str, Score]:
    """Scores for a detector's model; those that learn have learnt from the images that it learnt from."""
    held_out, scores, graph = set(detector.card["fit"]["held_out"]), dict[str, Score](), graph_of(detector)
    for name, part in parts.items():
        is_its_own = part == detector.recipe.score
        score = scores[name] = graph.score if is_its_own else build_score(part, graph.model.space)
        if score.learns and not is_its_own:
            learnt = [path for place, path in enumerate(good) if place not in held_out]
            score.fit((pair for pair, _ in rebuilt(detector, learnt)), tuple(detector.card["fit"]["image_shape"][1:]))
    return scores


def scored(
    detector: Detector, scores: Mapping[str, Score], images: Iterable[Path | np.ndarray]
) -> dict[str, np.ndarray]:
    """Each of the scores of images, from one reconstruction of each."""
    found = dict[str, list[float]]((name, []) for name in scores)
    for pair, size in rebuilt(detector, images):
        for name, score in scores.items():
            found[name] += score(pair, size)[1].tolist()
    return {name: np.array(values) for name, values in found.items()}


def rebuilt(
    detector: Detector, images: Iterable[Path | np.ndarray]
) -> Iterator[tuple[Reconstruction, tuple[int, int]]]:
    """Reconstructions of images in batches, each with their size."""
    model = graph_of(detector).model
    for batch in batches(read(detector.pipeline, images), 8):
        with torch.no_grad():
            yield model.reconstruct(model.embed(torch.from_numpy(np.stack(batch)))), batch[0].shape[1:]


def graph_of(detector: Detector) -> ScoringGraph:
    assert isinstance(detector.backend, TorchBackend)
    return detector.backend.graph


def prepared(recipe: Recipe, steps: int, side: int, networks_alone: bool) -> Recipe:
    settings: dict[str, Any] = dict(HELD_OUT)
    if recipe.training is not None:
        settings["training.max_steps"] = steps
    if side:
        settings |= {"preprocessing.resize.height": side, "preprocessing.resize.width": side}
    if networks_alone and "linear_path" in recipe.model.options:
        settings["model.linear_path"] = False
    return recipe.with_settings(settings)


def read(pipeline: Pipeline, images: Iterable[Path | np.ndarray]) -> Iterator[np.ndarray]:
    return (require_readable(pipeline.read(image)).pixels for image in images)


# --- the page ---------------------------------------------------------------------------------------------------------


def mean(rows: Sequence[dict[str, Any]], name: str, of: str) -> float:
    """Over categories, each the mean of its seeds."""
    by = [[row["scores"][name][of] for row in rows if row["category"] == c] for c in {row["category"] for row in rows}]
    return statistics.fmean(statistics.fmean(values) for values in by)


def best(rows: Sequence[dict[str, Any]], of: str) -> str:
    return max(rows[0]["scores"], key=lambda name: mean(rows, name, of))


def left_out(rows: Sequence[dict[str, Any]], of: str) -> float:
    """Mean test figure where the score of each category is the best on planted or test images of the others."""
    names = sorted({row["category"] for row in rows})
    if len(names) < 2:
        return float("nan")
    parts = [([r for r in rows if r["category"] != name], [r for r in rows if r["category"] == name]) for name in names]
    return statistics.fmean(mean(here, best(others, of), "test") for others, here in parts)


def markdown(found: dict[str, Any]) -> str:
    rows = found["rows"]
    lines = ["# Which score suits a method that rebuilds pixels", "", found["about"], ""]
    for recipe in dict.fromkeys(row["recipe"] for row in rows):
        lines += table(recipe, [row for row in rows if row["recipe"] == recipe])
    return "\n".join(lines)


def table(recipe: str, rows: list[dict[str, Any]]) -> list[str]:
    chosen, n = best(rows, "planted"), len({row["category"] for row in rows})
    seconds = statistics.median(row["fit_seconds"] for row in rows)
    lines = [f"## {recipe}", "", f"{n} of {len(CATEGORIES)} categories, median fit {seconds:.0f} s.", ""]
    lines += ["| score | planted | test |", "|---|---|---|"]
    for name in rows[0]["scores"]:
        mark = "**" if name == chosen else ""
        figures = " | ".join(f"{mark}{mean(rows, name, of):.3f}{mark}" for of in ("planted", "test"))
        lines.append(f"| {mark}{name}{mark} | {figures} |")
    if n > 1:
        by = [f"{left_out(rows, of):.3f} by their {of} images" for of in ("planted", "test")]
        lines += ["", f"Test, each category by the score that the others choose: {' and '.join(by)}."]
    shown = [name for name in dict.fromkeys([chosen, STATISTICS]) if name in rows[0]["scores"]]
    for name in shown:  # older rows have no statistics
        under = [f"{row['category']} {row['scores'][name]['test']:.2f}" for row in rows]
        lines += ["", f"With {name}, by category: {', '.join(under)}."]
    return [*lines, ""]


def main() -> None:
    parser = command_line.parser(
        __doc__, RESULTS, recipes=RECIPES, categories=CATEGORIES, seeds=[0], steps=1500, side=0
    )
    parser.add_argument("--networks-alone", action="store_true")
    parser.add_argument("--detectors", type=Path)
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
        lambda **job: measure(**job, detectors=options.detectors, **settings),
        markdown,
        about=ABOUT,
        settings=settings,
    )


if __name__ == "__main__":
    main()
