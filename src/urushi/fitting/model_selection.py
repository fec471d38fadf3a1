"""Which candidate of a recipe suits these images, told from good ones alone. Imported only when fitting."""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from urushi.calibration import build_rule
from urushi.data import defects
from urushi.data.groups import groups_of
from urushi.data.images import ImageSource, read_image
from urushi.data.progress import untracked
from urushi.data.stream import stream
from urushi.errors import DatasetError
from urushi.fitting._split import n_held_out
from urushi.fitting.fit import Fitted, fit
from urushi.fitting.learning import Run
from urushi.inspection import Unreadable
from urushi.preprocessing import Pipeline
from urushi.recipe import Part, Recipe
from urushi.runtime.tiling import TileGrid

OPACITIES = (1 / 2, 1 / 4, 1 / 8, 1 / 16)  # of the defects planted in each image; bold ones are found by all candidates
_HELD_OUT = 0.3
_MOST_HELD_OUT = 48
_FEWEST = 10
_SPLIT = {"split.n_folds": 0, "split.calibration_fraction": _HELD_OUT, "split.leave_out_suspicious": False}


def fit_chosen(
    sources: Sequence[ImageSource], recipe: Recipe, run: Run, scores: Sequence[Part], defects: Sequence[ImageSource]
) -> tuple[Fitted, ...]:
    """As `fit`, by the recipe's candidate that suits the images, if it has any, and its rule's word on their number."""
    rule = build_rule(recipe.threshold, n_defects=len(defects))
    if not recipe.trial.candidates:
        return fit(sources, recipe, run, rule.check, scores=scores, defects=defects)
    chosen, facts = choose(sources, recipe, run, rule.check, defects=defects)
    fitted = fit(sources, chosen, run, rule.check, scores=scores, defects=defects)
    return tuple(replace(one, card={"trial": facts, **one.card}) for one in fitted)


class Choice(NamedTuple):
    """The recipe with one candidate's settings and none left, and what the card says of how it came about."""

    recipe: Recipe
    facts: dict[str, Any]


def choose(
    sources: Sequence[ImageSource],
    recipe: Recipe,
    run: Run,
    check: Callable[[int], None],
    *,
    defects: Sequence[ImageSource] = (),
) -> Choice:
    """The candidate that best tells good images it has not seen from the same with planted defects.

    Each is fitted on 70 % of the images and scores the others, at most 48, clean and with four faint defects planted in
    each anew. Another than the first is taken only if its ROC-AUC lies above the first's by more than twice the
    standard error of the difference. None is begun when `trial.max_seconds` are over. Planted defects are no real ones:
    the figures compare candidates and promise nothing.

    `defects` are for scores that learn from them; `check` may refuse the number of images that the fit itself will hold
    out, before anything is tried. Raises DatasetError, RecipeError, TrainingError.
    """
    check(n_held_out(recipe, len(sources), run.seed, groups_of(sources, recipe.groups)))
    trial, start, found = recipe.trial, time.monotonic(), list[Tried]()
    for candidate in run.track(trial.candidates, "trying candidates"):
        if found and time.monotonic() - start > trial.max_seconds:
            break
        found.append(tried(candidate.name, sources, recipe.of(candidate), run.seed, defects))
        if run.track is not untracked:
            print(f"trial of {candidate.name}: ROC-AUC {found[-1].roc_auc:.4f}", file=sys.stderr)
    taken, why = _best(found)
    rows = [one.row(found[0]) for one in found]
    rows += [{"name": one.name, "is_tried": False} for one in trial.candidates[len(found) :]]
    facts = {"taken": taken.name, "why": why, "max_seconds": trial.max_seconds, "candidates": rows}
    facts |= {"n_images": len(taken.above), "n_planted": len(taken.above) * len(OPACITIES)}
    return Choice(recipe.of(trial.candidates[found.index(taken)]), facts)


@dataclass(frozen=True, eq=False)
class Tried:
    """How well a recipe tells good images that it has not seen from the same with planted defects."""

    name: str
    above: np.ndarray  # (n, n): share of the defects planted in image j that score above the clean image i
    seconds: float
    groups: np.ndarray  # (n,) the number of each image's product
    places: np.ndarray  # (n,) of the images among those given

    @property
    def roc_auc(self) -> float:
        """Of all images against all planted defects."""
        return float(self.above.mean())

    def gain(self, first: "Tried") -> tuple[float, float]:
        """How far its ROC-AUC lies above the first's, and the standard error of that by their differences."""
        difference = self.above - first.above
        by_image = difference.mean(axis=0) + difference.mean(axis=1)
        n_each = np.bincount(self.groups)  # each product is one observation, of the weight of its images
        by_group = np.bincount(self.groups, by_image - by_image.mean()) / n_each.mean()
        return float(difference.mean()), float((np.square(by_group).sum() / (len(n_each) - 1) / len(n_each)) ** 0.5)

    def row(self, first: "Tried") -> dict[str, Any]:
        gain, error = (round(value, 4) for value in self.gain(first))
        row = {"name": self.name, "is_tried": True, "roc_auc": round(self.roc_auc, 4), "gain": gain}
        return row | {"standard_error": error, "seconds": round(self.seconds, 1)}


def _best(found: Sequence[Tried]) -> tuple[Tried, str]:
    first, best = found[0], max(found, key=lambda one: one.roc_auc)
    gain, error = best.gain(first)
    if best is first:
        return first, "none of the others tells planted defects better"
    if gain <= 2 * error:
        return first, f"{best.name} is better by {gain:.4f} only, less than twice its standard error {error:.4f}"
    return best, f"it is better than {first.name} by {gain:.4f}, more than twice the standard error {error:.4f}"


def tried(
    name: str, sources: Sequence[ImageSource], recipe: Recipe, seed: int, labelled: Sequence[ImageSource] = ()
) -> Tried:
    """Fits a recipe on 70 % of the images, and scores others, clean and with planted defects; raises as `choose`."""
    start, recipe = time.monotonic(), recipe.with_settings(_SPLIT)
    with tempfile.TemporaryDirectory(prefix="urushi-") as folder:
        (fitted,) = fit(sources, recipe, Run(seed, Path(folder)), _require, defects=labelled)
    places = fitted.card["fit"]["held_out"][:_MOST_HELD_OUT]
    held_out = [sources[place] for place in places]
    clean = np.array(fitted.held_out.scores[: len(held_out)])  # in the order of their places
    spoilt = _scores(fitted, recipe, planted(held_out, seed, fitted.pipeline)).reshape(len(held_out), len(OPACITIES))
    above = (spoilt > clean[:, None, None]) + 0.5 * (spoilt == clean[:, None, None])
    named = fitted.held_out.groups[: len(held_out)] or range(len(held_out))
    groups = np.unique(np.array(named), return_inverse=True)[1]
    return Tried(name, above.mean(axis=2), time.monotonic() - start, groups, np.array(places))


def _require(n_held_out: int) -> None:
    if n_held_out < _FEWEST:
        needed = round(_FEWEST / _HELD_OUT)
        raise DatasetError(
            f"a trial of candidates holds out {n_held_out} of these images; it takes at least {_FEWEST}, so some "
            f"{needed} good images. Give more, or take a recipe without candidates, such as default."
        )


def planted(sources: Sequence[ImageSource], seed: int, pipeline: Pipeline) -> Iterator[np.ndarray]:
    """Each image four times, decoded, with one defect each of a kind drawn for it alone, fainter and fainter.

    They lie where the pipeline ignores nothing.
    """
    found = stream(partial(_planted, seed=seed, pipeline=pipeline), enumerate(sources), ahead=2)
    return (spoilt for images in found for spoilt in images)


def _planted(numbered: tuple[int, ImageSource], seed: int, pipeline: Pipeline) -> list[np.ndarray]:
    number, source = numbered
    image, rng = read_image(source), np.random.default_rng([seed, number])
    full_scale = None if image.dtype == np.uint8 else max(1.0, float(image.max()))
    ignored = None if pipeline.ignored is None else pipeline.ignored.on_image(image.shape[:2])
    drawn = ((defects.draw_inspected(rng, image.shape, ignored), opacity) for opacity in OPACITIES)
    return [defects.apply(image, defect, full_scale=full_scale, opacity=opacity)[0] for defect, opacity in drawn]


def _scores(fitted: Fitted, recipe: Recipe, images: Iterator[np.ndarray]) -> np.ndarray:
    grid, scores = TileGrid.of(recipe.tiling), []
    for item in stream(fitted.pipeline.read, images, ahead=4):
        if isinstance(item, Unreadable):
            raise DatasetError(f"a training image with a planted defect cannot be prepared: {item.reason}")
        output = (
            grid.run(fitted.backend, item.pixels, fitted.pattern) if grid else fitted.backend.run(item.pixels[None])
        )
        scores.append(float(output.scores[0]))
    return np.array(scores)
