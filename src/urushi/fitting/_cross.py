"""Cross-conformal: every image is scored by a fit that has not seen it; the detector's own fit sees them all."""

from dataclasses import replace
from typing import Any

import numpy as np

from urushi.calibration import HeldOut, suspicion, suspicious
from urushi.fitting._held_out import held_out, scored
from urushi.fitting._split import divided
from urushi.fitting.learning import Learner, Learnt


def fitted_crosswise(learner: Learner) -> tuple[Learnt, list[HeldOut]]:
    """A fit on all images, and the score of each by a fit without its fold.

    Or on all but the suspicious ones, where the recipe asks for it: those left are then crossed anew.
    """
    images = np.arange(len(learner.images.sources))
    order, crossed = _crossed(learner, images, "fold")
    found = _suspicious(order, crossed[0])
    if learner.recipe.split.leave_out_suspicious and found:
        images = np.setdiff1d(images, [one["image"] for one in found])
        order, crossed = _crossed(learner, images, "left-fold")
        found = [one | {"is_left_out": True} for one in found] + _suspicious(order, crossed[0])
    learnt = learner.final(images)
    as_given = [one | {"image": learner.images.given(np.array([one["image"]]))[0]} for one in found]
    return replace(learnt, facts=learnt.facts | {"suspicious": as_given}), crossed


def _crossed(learner: Learner, images: np.ndarray, subfolder: str) -> tuple[np.ndarray, list[HeldOut]]:
    """Some images in the order in which they were scored, each by a fit without it, and the scores."""
    parts = [images[part] for part in divided(len(images), learner.recipe.split.n_folds, learner.run.seed)]
    fits = (learner.learn(np.setdiff1d(images, part), f"{subfolder}-{n}") for n, part in enumerate(parts))
    by_fold = [scored(learner, learnt, part) for learnt, part in zip(fits, parts, strict=True)]
    return np.concatenate(parts), [held_out(rows, "cross") for rows in zip(*by_fold, strict=True)]


def _suspicious(order: np.ndarray, crossed: HeldOut) -> list[dict[str, Any]]:
    """Worst first."""
    p, found = suspicion(crossed.scores), suspicious(crossed.scores)
    rows = [
        {"image": int(order[i]), "p_value": float(p[i]), "score": crossed.scores[i], "is_left_out": False}
        for i in np.flatnonzero(found)
    ]
    return sorted(rows, key=lambda row: row["p_value"])
