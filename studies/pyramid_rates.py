"""python -m studies.pyramid_rates [--images 30,60,150,300] [--repeats 40] [--seed 0] [--results DIR]

Does the default's stated rate hold? Simulated: features of images are drawn, not computed, so that held-out and new
images come from one law by construction. Each place has its own mean; channels follow a few directions with a heavy
tail, and a fifth of the images is drawn three times as wide, as a second batch of parts would be. Of each set of images
the threshold comes from as many folds as the default has, and 400 new images of the same law are inspected. A fair rate
is the stated one; beside it the rate of a threshold from the images that the fit has seen, which would be wrong.
Results: studies/results/pyramid_rates.json and .md.
"""

import math
import statistics
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from benchmarks import command_line
from numpy.typing import NDArray

from studies import RESULTS, jobs
from urushi import Recipe
from urushi.calibration.conformal import Conformal
from urushi.data.loader import Rows
from urushi.data.splits import folds
from urushi.fitting.closed_form import ClosedForm
from urushi.models import build_model
from urushi.models.base import Reconstructor
from urushi.scoring import build_score

SHAPE, N_NEW, RATE = (3, 64, 64), 400, 0.05
ABOUT = " ".join((__doc__ or "").split("\n\n")[1].rpartition("Results:")[0].split())
RECIPE = Recipe.find("default").with_settings({"model.pictures": 0})


def measure(n_images: int, repeats: int, seed: int) -> Iterator[dict[str, Any]]:
    """The share of new images above the threshold, in each repeat."""
    model = build_model(RECIPE.model, SHAPE)
    n_values = model.embed(torch.zeros(1, *SHAPE)).shape[1]
    rates: dict[str, list[float]] = {"held out": [], "seen": []}
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, n_images, repeat])
        draw = law(rng, n_values)
        images, new = draw(n_images), draw(N_NEW)
        for name, scores in crossed(model, images).items():
            threshold = Conformal(false_alarm_rate=RATE).fit(scores).value
            rates[name].append(float((score(model, new) > threshold).mean()))
    stated = math.floor(RATE * (n_images + 1)) / (n_images + 1)
    yield {"stated": stated, "rates": rates}


def law(rng: np.random.Generator, n_values: int) -> Any:
    """A source of inputs (n, J) float32, each of the same distribution."""
    mean, directions = rng.normal(size=n_values), rng.normal(size=(12, n_values))
    size = rng.lognormal(0, 1, n_values)

    def draw(n: int) -> NDArray[np.float32]:
        wide = np.where(rng.random((n, 1)) < 0.2, 3, 1)
        shared = rng.standard_t(4, (n, 12)) @ directions
        found: NDArray[np.float32] = (mean + size * wide * (0.3 * shared + rng.normal(size=(n, n_values)))).astype("f4")
        return found

    return draw


def crossed(
    model: Reconstructor, images: NDArray[np.float32], n_folds: int = RECIPE.split.n_folds
) -> dict[str, NDArray[np.float64]]:
    """Scores of images by fits without them, and by the fit on all, which the model then has."""
    n = len(images)
    fits = ClosedForm(n, lambda images: images, lambda inputs, rows: Rows(inputs, rows).batches(32))
    held_out, everything = np.zeros(n), np.arange(n)
    for fold in folds(n, min(n_folds, n), seed=0):
        fits.fit(model, images, np.setdiff1d(everything, fold))
        held_out[fold] = score(model, images[fold])
    fits.fit(model, images, everything)
    return {"held out": held_out, "seen": score(model, images)}


@torch.no_grad()
def score(model: Reconstructor, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
    _, scores = build_score(RECIPE.score, "features")(model.reconstruct(torch.from_numpy(inputs)), SHAPE[1:])
    found: NDArray[np.float64] = scores.double().numpy()
    return found


def markdown(found: dict[str, Any]) -> str:
    lines = ["# Rates of the default (simulated)", "", found["about"], ""]
    lines += ["| images | stated | held out: mean, standard error | seen by the fit |", "|---|---|---|---|"]
    for row in found["rows"]:
        rates = row["rates"]["held out"]
        error = statistics.stdev(rates) / math.sqrt(len(rates))
        seen = statistics.fmean(row["rates"]["seen"])
        lines.append(
            f"| {row['n_images']} | {row['stated']:.4f} | {statistics.fmean(rates):.4f} ± {error:.4f} | {seen:.3f} |"
        )
    return "\n".join(lines)


def main() -> None:
    options = command_line.parser(__doc__, RESULTS, images=(30, 60, 150, 300), repeats=40, seed=0).parse_args()
    todo = [{"n_images": n, "repeats": options.repeats, "seed": options.seed} for n in options.images]
    jobs.run((options.results, "pyramid_rates"), todo, measure, markdown, about=ABOUT)


if __name__ == "__main__":
    main()
