"""python -m studies.partial_diffusion [--categories …] [--steps 530] [--pictures DIR] [--results DIR]

Partial diffusion (S5) on real images: all t learnt against t ≤ 50 at equally many gradient steps; the three modes, t
swept; the scores of one step and of the prior; what t the fit would have chosen by planted defects; how much more is
changed inside the masks of defects than outside. At most 60 good and 60 anomalous test images of a category, evenly
spread; nothing is chosen by them. Results: studies/results/partial_diffusion.json and .md, with sheets in DIR.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks import command_line
from sklearn.metrics import roc_auc_score

from studies import DATA, RESULTS, jobs
from studies.contact_sheet import write_sheet
from urushi import Detector, Inspection, Recipe, Unreadable
from urushi.data.dataset import Sample, find_dataset
from urushi.data.masks import read_mask
from urushi.evaluation import fit_mask
from urushi.models import build_model
from urushi.recipe import Part
from urushi.runtime.torch_backend import TorchBackend
from urushi.scoring import ScoringGraph, build_score

CATEGORIES = ("screw_head", "xray_fishbone", "magnetic_tile", "nanofiber_sem", "xray_weld")
LEARNT = {"all t": 0, "t ≤ 50": 50}
TIMES = (1, 2, 5, 10, 20, 50, 200, 500)
MODES = ("no_diffusion", "diffusion")
MASKED = ("magnetic_tile", "xray_weld")
N_TEST = 60
ABOUT = (
    "Recipe partial-diffusion (128 px, grey), {steps} gradient steps of 16 images, one thread; ddim of at most 10 "
    "steps, in `full` 20. Image ROC-AUC with the score of S5. `one step`: |ε − ε_θ(x_t, t)| alone, best pooling not "
    "sought: the mean. `prior`: −ln N(x_T; 0, I). `chosen`: t that the fit takes, by defects planted into validation "
    "images. Change in / out: mean squared change inside the masks of defects over that outside, same images. With 60 "
    "images of each kind, the standard error of a ROC-AUC is about 0.05."
)


def measure(category: str, learnt: str, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Fits once, and inspects the same test images in all ways with the same weights."""
    dataset = find_dataset(DATA / category)
    good = [sample.path for sample in dataset.normal_training()]
    start = time.monotonic()
    detector = Detector.fit(good, recipe_of(len(good), learnt, options.steps), seed=0)
    seconds, samples = time.monotonic() - start, spread(dataset.test())
    of = partial(figures, detector, samples)
    found: dict[str, Any] = {"fit_seconds": round(seconds, 1), "n_test": len(samples)}
    found |= {"chosen": detector.card["fit"]["chosen"], "epochs": detector.card["fit"]["training"]["epochs"]}
    last = LEARNT[learnt] or 1000
    found["sweep"] = [{"mode": m, "t": t} | of(mode=m, steps=t) for m in MODES for t in TIMES if t <= last]
    found["one_step"] = [{"t": t} | of(opinion="one_step", steps=t) for t in TIMES if t <= last]
    if learnt == "all t":
        found |= {"full": of(mode="full", sampler_steps=20), "prior": of(opinion="prior", steps=1)}
    if options.pictures:
        write_sheets(detector, samples, options.pictures / f"{category}-{LEARNT[learnt]}")
    yield found


def recipe_of(n_good: int, learnt: str, steps: int) -> Recipe:
    n_training = round(0.9 * round(0.8 * n_good))
    epochs = max(1, round(steps / -(-n_training // 16)))
    every = {"max_epochs": epochs, "patience_epochs": epochs, "checkpoint_epochs": epochs}
    settings = {f"training.{key}": value for key, value in every.items()} | {"model.trained_steps": LEARNT[learnt]}
    return Recipe.find("partial-diffusion").with_settings(settings)


def spread(samples: Sequence[Sample]) -> list[Sample]:
    kinds = ([sample for sample in samples if bool(sample.label) == label] for label in (False, True))
    return [kind[i] for kind in kinds for i in np.linspace(0, len(kind) - 1, min(N_TEST, len(kind))).astype(int)]


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
    """Image ROC-AUC, and where there are masks, how much more is changed inside them."""
    start, found = time.monotonic(), list(inspected(variant(detector, **options), samples))
    seconds = (time.monotonic() - start) / len(found)
    labels, values = zip(*((bool(sample.label), one.score) for sample, one in found), strict=True)
    result = {"auc": float(roc_auc_score(labels, values)), "seconds_per_image": seconds}
    if "opinion" not in options and any(name in str(samples[0].path) for name in MASKED):
        result["in_over_out"] = in_over_out(found)
    return result


def inspected(detector: Detector, samples: Sequence[Sample]) -> Iterator[tuple[Sample, Inspection]]:
    for sample, one in zip(samples, detector.inspect_many(sample.path for sample in samples), strict=True):
        assert not isinstance(one, Unreadable), one.reason
        yield sample, one


def in_over_out(found: Sequence[tuple[Sample, Inspection]]) -> float:
    """Median over the anomalous images of mean change inside the mask over mean change outside."""
    ratios = []
    for sample, one in found:
        if sample.label and sample.mask is not None:
            mask = fit_mask(read_mask(sample.mask), one.anomaly_map.shape, one.to_original, one.original_size)
            if mask.any() and not mask.all():
                ratios.append(one.anomaly_map[mask].mean() / one.anomaly_map[~mask].mean())
    return float(np.median(ratios))


def write_sheets(detector: Detector, samples: Sequence[Sample], stem: Path) -> None:
    for mode, t in (("no_diffusion", 10), ("no_diffusion", 50), ("diffusion", 50)):
        write_sheet(Path(f"{stem}-{mode}-{t}.png"), list(inspected(variant(detector, mode=mode, steps=t), samples)))


def markdown(found: dict[str, Any]) -> str:
    lines = ["# Partial diffusion", "", found["about"], "", "## Image ROC-AUC by t", ""]
    lines += [
        f"| category | learnt | way | {' | '.join(map(str, TIMES))} | T | fit s |",
        "|---" * (len(TIMES) + 5) + "|",
    ]
    for row in found["rows"]:
        for name, figures_of in ways(row):
            cells = [f"{figures_of[t]:.2f}" if t in figures_of else "—" for t in (*TIMES, "T")]
            lines.append(
                f"| {row['category']} | {row['learnt']} | {name} | {' | '.join(cells)} | {row['fit_seconds']:.0f} |"
            )
    lines += [
        "",
        "## What the fit would choose",
        "",
        "| category | learnt | t | its ROC-AUC | best of the sweep |",
        "|---" * 5 + "|",
    ]
    for row in found["rows"]:
        lines.append(f"| {row['category']} | {row['learnt']} | {' | '.join(choice(row))} |")
    lines += [
        "",
        "## Change in / out",
        "",
        f"| category | learnt | mode | {' | '.join(map(str, TIMES))} |",
        "|---" * (len(TIMES) + 3) + "|",
    ]
    for row in found["rows"]:
        for mode in MODES if "in_over_out" in row["sweep"][0] else ():
            by_t = {one["t"]: one["in_over_out"] for one in row["sweep"] if one["mode"] == mode}
            cells = [f"{by_t[t]:.1f}" if t in by_t else "—" for t in TIMES]
            lines.append(f"| {row['category']} | {row['learnt']} | {mode} | {' | '.join(cells)} |")
    return "\n".join(lines)


def ways(row: dict[str, Any]) -> Iterator[tuple[str, dict[Any, float]]]:
    """Name and ROC-AUC by t of all that was tried with these weights."""
    for mode in MODES:
        found: dict[Any, float] = {one["t"]: one["auc"] for one in row["sweep"] if one["mode"] == mode}
        yield mode, found
    yield "one step", {one["t"]: one["auc"] for one in row["one_step"]}
    if "full" in row:
        yield "full", {"T": row["full"]["auc"]}
        yield "prior", {"T": row["prior"]["auc"]}


def choice(row: dict[str, Any]) -> tuple[str, str, str]:
    """The chosen t, its ROC-AUC where the sweep has it, and the highest of the sweep in that mode."""
    candidates = row["chosen"]["candidates"]
    t = max(candidates, key=lambda one: one["roc_auc"])["steps"]
    by_t = {one["t"]: one["auc"] for one in row["sweep"] if one["mode"] == "no_diffusion"}
    best = max(by_t, key=lambda one: by_t[one])
    return str(t), f"{by_t[t]:.2f}" if t in by_t else "—", f"{by_t[best]:.2f} (t = {best})"


def main() -> None:
    parser = command_line.parser(__doc__, RESULTS, categories=CATEGORIES, steps=530)
    parser.add_argument("--pictures", type=Path)
    options = parser.parse_args()
    settings = {"steps": options.steps}
    fits = ({"category": category, "learnt": learnt} for category in options.categories for learnt in LEARNT)
    study, about = (options.results, "partial_diffusion"), ABOUT.format(**settings)
    jobs.run(study, fits, partial(measure, options=options), markdown, about=about, settings=settings)


if __name__ == "__main__":
    main()
