"""python -m studies.partial_diffusion [--learnt "all t"] [--categories …] [--steps 1500] [--seeds 0] [--pictures DIR] …

Partial diffusion (S5, table 1) on real images, screw_head in colour. What is learnt: "all t" as the source; the others
change one thing in how, at equally many gradient steps: t ≤ 50 only, half of the times drawn by the logarithm of the
noise, fine detail shown to the U-Net, both. Each is judged by held-out good images against the same with planted
defects, which is what may choose a default; test images choose nothing. With "all t" also: the three modes as the
source has them (t = 5 on textures, 10 on objects), t swept, the scores of one step and of the prior, and how much more
is changed inside the masks of defects than outside. At most 60 good and 60 anomalous test images of a category, evenly
spread. What was interrupted goes on: with the next fit, and with --checkpoints DIR within a fit. Results:
studies/results/partial_diffusion.json and .md; other options get files of their own. For a GPU:
`--recipe partial-diffusion-paper --steps 300000 --learnt "all t"`. The page of claims: `python -m studies.claims`.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks import command_line
from sklearn.metrics import roc_auc_score

from studies import CATEGORIES, DATA, RESULTS, jobs
from studies.contact_sheet import write_sheet
from studies.partial_diffusion_page import markdown
from studies.readable import require_readable
from urushi import Detector, Inspection, Recipe
from urushi.data.dataset import Sample, find_dataset
from urushi.data.masks import read_mask
from urushi.evaluation import fit_mask
from urushi.fitting.model_selection import planted
from urushi.models import build_model
from urushi.recipe import Part
from urushi.runtime.torch_backend import TorchBackend
from urushi.scoring import ScoringGraph, build_score

TEXTURES = ("magnetic_tile", "nanofiber_sem", "xray_weld")
COLOURED = ("screw_head",)
LEARNT: dict[str, dict[str, Any]] = {
    "all t": {},
    "log noise": {"time_sampling": "log_noise"},
    "detail": {"detail": True},
    "log noise and detail": {"time_sampling": "log_noise", "detail": True},
    "t ≤ 50": {"trained_steps": 50},
}
SCORE = Part.model_validate({"name": "squared_error", "pooling": "average_then_max"})  # as the source
TIMES = (1, 2, 5, 10, 20, 50, 200, 500)
MODES = ("no_diffusion", "diffusion")
N_TEST, N_HELD_OUT = 60, 30
DEFAULTS: dict[str, Any] = {"steps": 1500, "recipe": "partial-diffusion"}
ABOUT = (
    "Recipe {recipe} (screw_head in colour), {steps} gradient steps; ddim of at most 10 steps, in `full` 20. "
    "Image ROC-AUC by the squared error. Planted: held-out good images against the same with faint defects, at the "
    "source's t; it alone may choose. `one step`: |ε − ε_θ(x_t, t)|, the mean. `prior`: −ln N(x_T; 0, I). Change in / "
    "out: mean squared change inside the masks of defects over that outside. With 60 test images of each kind the "
    "standard error of a ROC-AUC is about 0.05."
)


def measure(learnt: str, category: str, seed: int, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Fits once, and inspects the same test images in all ways with the same weights."""
    dataset = find_dataset(DATA / category)
    good = [sample.path for sample in dataset.normal_training()]
    start, recipe = time.monotonic(), recipe_of(category, learnt, options)
    with jobs.kept(options.checkpoints, f"{learnt}-{category}-{seed}") as how:
        detector = Detector.fit(good, recipe, seed=seed, **how)
    seconds, samples, t = time.monotonic() - start, spread(dataset.test(), N_TEST), 5 if category in TEXTURES else 10
    of = partial(figures, detector, samples)
    found: dict[str, Any] = {"fit_seconds": round(seconds, 1), "n_test": len(samples), "t": t}
    found |= {"chosen": detector.card["fit"].get("chosen"), "training": detector.card["fit"]["training"]}
    held_out = [good[place] for place in detector.card["fit"]["held_out"]][:N_HELD_OUT]
    found["planted"] = told_from_planted(variant(detector, mode="no_diffusion", steps=t), held_out, seed)
    found["modes"] = [{"mode": mode} | of(mode=mode, steps=t) for mode in MODES]
    if learnt == "all t":
        found["modes"].append({"mode": "full"} | of(mode="full", sampler_steps=20))
        found["sweep"] = [{"mode": m, "t": t} | of(mode=m, steps=t) for m in MODES for t in TIMES]
        found["one_step"] = [{"t": t} | of(opinion="one_step", steps=t) for t in TIMES]
        found["prior"] = of(opinion="prior", steps=1)
    if options.pictures:
        write_sheets(detector, samples, options.pictures / f"{category}-{learnt}")
    yield found


def recipe_of(category: str, learnt: str, options: argparse.Namespace) -> Recipe:
    recipe = Recipe.find(options.recipe).model_copy(update={"score": SCORE})
    if category in COLOURED:
        steps = (Part(name="rgb") if step.name == "grey" else step for step in recipe.preprocessing)
        recipe = recipe.model_copy(update={"preprocessing": tuple(steps)})
    training = {"max_epochs": options.steps, "patience_epochs": options.steps, "max_steps": options.steps}
    training |= {"checkpoint_epochs": 100, "picture_epochs": 0}
    settings: dict[str, Any] = {f"training.{key}": value for key, value in training.items()}
    return recipe.with_settings(settings | {f"model.{key}": value for key, value in LEARNT[learnt].items()})


def told_from_planted(detector: Detector, held_out: Sequence[Path], seed: int) -> float:
    """ROC-AUC of good images that were held out, against the same with faint defects of four opacities."""
    scores = [
        [one.score for one in detector.inspect_many(images) if isinstance(one, Inspection)]
        for images in (held_out, planted(held_out, seed, detector.pipeline))
    ]
    return float(roc_auc_score([0] * len(scores[0]) + [1] * len(scores[1]), np.concatenate(scores)))


def spread(samples: Sequence[Sample], n: int) -> list[Sample]:
    """At most n good ones and n anomalous ones."""
    kinds = ([sample for sample in samples if bool(sample.label) == label] for label in (False, True))
    return [kind[i] for kind in kinds for i in np.linspace(0, len(kind) - 1, min(n, len(kind))).astype(int)]


def variant(detector: Detector, **options: Any) -> Detector:
    """The same weights with other options of the method; an opinion is then all of the score."""
    assert isinstance(detector.backend, TorchBackend)
    fitted = detector.backend.graph.model
    part = Part.model_validate(detector.recipe.model.model_dump() | options)
    model, score = build_model(part, fitted.image_shape), detector.recipe.score
    model.load_state_dict(fitted.state_dict())
    if opinion := {"one_step": "posterior", "prior": "likelihood"}.get(options.get("opinion", "none")):
        score = Part.model_validate({"name": "adversarial", "alpha": 1.0, "opinion": opinion})
    graph = ScoringGraph(model, build_score(score, model.space))
    return replace(detector, recipe=detector.recipe.model_copy(update={"model": part}), backend=TorchBackend(graph))


def figures(detector: Detector, samples: Sequence[Sample], **options: Any) -> dict[str, float]:
    """Image ROC-AUC, and where there are masks, how much is changed inside and outside of them."""
    start, found = time.monotonic(), list(inspected(variant(detector, **options), samples))
    seconds = (time.monotonic() - start) / len(found)
    labels, values = zip(*((bool(sample.label), one.score) for sample, one in found), strict=True)
    result = {"auc": float(roc_auc_score(labels, values)), "seconds_per_image": seconds}
    if "opinion" not in options and any(sample.mask for sample in samples):
        result |= changes(found)
    return result


def inspected(detector: Detector, samples: Sequence[Sample]) -> Iterator[tuple[Sample, Inspection]]:
    for sample, one in zip(samples, detector.inspect_many(sample.path for sample in samples), strict=True):
        yield sample, require_readable(one)


def changes(found: Sequence[tuple[Sample, Inspection]]) -> dict[str, float]:
    """Mean squared change inside the mask and outside, each by that of the image: medians over anomalous images."""
    shares = []
    for sample, one in found:
        if sample.label and sample.mask is not None:
            mask = fit_mask(read_mask(sample.mask), one.anomaly_map.shape, one.to_original, one.original_size)
            if mask.any() and not mask.all():
                whole = one.anomaly_map.mean()
                shares.append([one.anomaly_map[where].mean() / whole for where in (mask, ~mask)])
    inside, outside = np.median(shares, axis=0)
    ratio = np.median([one / other for one, other in shares])
    return {"change_inside": float(inside), "change_outside": float(outside), "in_over_out": float(ratio)}


def write_sheets(detector: Detector, samples: Sequence[Sample], stem: Path) -> None:
    for mode, t in (("no_diffusion", 10), ("no_diffusion", 50), ("diffusion", 50)):
        write_sheet(Path(f"{stem}-{mode}-{t}.png"), list(inspected(variant(detector, mode=mode, steps=t), samples)))


def main() -> None:
    parser = command_line.parser(
        __doc__, RESULTS, learnt=tuple(LEARNT), categories=CATEGORIES, seeds=(0,), steps=DEFAULTS["steps"]
    )
    parser.add_argument("--recipe", default=DEFAULTS["recipe"])
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--checkpoints", type=Path, help="where an interrupted fit leaves what it goes on from")
    options = parser.parse_args()
    settings = {"steps": options.steps, "recipe": Path(options.recipe).stem}
    wanted = product(options.seeds, options.learnt, options.categories)
    fits = ({"learnt": learnt, "category": category, "seed": seed} for seed, learnt, category in wanted)
    study, about = jobs.named("partial_diffusion", settings, DEFAULTS), ABOUT.format(**settings)
    fitting = partial(measure, options=options)
    jobs.run((options.results, study), fits, fitting, markdown, about=about, settings=settings)


if __name__ == "__main__":
    main()
