"""Cross-conformal: every image is scored by a fit that has not seen it; the detector's own fit sees them all."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from urushi.calibration import HeldOut, suspicion, suspicious
from urushi.fitting._common_scale import on_scale
from urushi.fitting._held_out import Scored, held_out, scored
from urushi.fitting._split import divided
from urushi.fitting._yardstick import beside_pixel_pca
from urushi.fitting.learning import Learner, Learnt


@dataclass(frozen=True)
class Crossed:
    """Scores of images by fits without them, all on the scale of the first of these fits."""

    order: np.ndarray  # of the images
    rows: list[list[Scored]]  # for each score
    scale: list[list[Scored]]  # training images of the first fit, for each score; none where no scale differs
    facts: dict[str, Any]  # what the first of these fits has shown

    def on_scale_of(self, learner: Learner, learnt: Learnt, images: np.ndarray) -> list[HeldOut]:
        """As if a fit on some images had given them."""
        if not self.scale:
            return [held_out([rows], "cross") for rows in self.rows]
        own = scored(learner, learnt, images)
        moved = (on_scale(*parts) for parts in zip(self.rows, self.scale, own, strict=True))
        return [held_out([rows], "cross") for rows in moved]


def fitted_crosswise(learner: Learner) -> tuple[Learnt, list[HeldOut]]:
    """A fit on all images, and the score of each by a fit without its fold.

    Or on all but the suspicious ones, where the recipe asks for it: those left are then crossed anew.
    """
    images = np.arange(len(learner.images.sources))
    crossed = _crossed(learner, images, "fold")
    found = _suspicious(crossed)
    if learner.recipe.split.leave_out_suspicious and found:
        images = np.setdiff1d(images, [one["image"] for one in found])
        crossed = _crossed(learner, images, "left-fold")
        found = [one | {"is_left_out": True} for one in found] + _suspicious(crossed)
    learnt = learner.final(images)
    as_given = [one | {"image": learner.images.given(np.array([one["image"]]))[0]} for one in found]
    facts = learnt.facts | {"suspicious": as_given, **crossed.facts}
    return replace(learnt, facts=facts), crossed.on_scale_of(learner, learnt, images)


def _crossed(learner: Learner, images: np.ndarray, subfolder: str) -> Crossed:
    """Fits in closed form are alike, fold by fold; trained ones are brought to one scale."""
    how = (learner.recipe.split.n_folds, learner.run.seed, learner.images.groups_of(images))
    parts = [images[part] for part in divided(len(images), *how)]
    rows: list[list[Scored]] = [[] for _ in learner.scores]
    scale: list[list[Scored]] = []
    facts: dict[str, Any] = {}
    for n, part in enumerate(learner.run.track(parts, "fitting without each fold in turn", len(parts))):
        others = np.setdiff1d(images, part)
        learnt = learner.learn(others, f"{subfolder}-{n}")
        found = scored(learner, learnt, part)
        facts = facts or beside_pixel_pca(learner, learnt, part, found[0])
        if not learner.prototype.is_closed_form:
            own = scored(learner, learnt, others)
            scale = scale or own
            found = [on_scale(*one) for one in zip(found, own, scale, strict=True)]
        for all_rows, fold in zip(rows, found, strict=True):
            all_rows += fold
    return Crossed(np.concatenate(parts), rows, scale, facts)


def _suspicious(crossed: Crossed) -> list[dict[str, Any]]:
    """Worst first, by the first score."""
    scores = tuple(row.score for row in crossed.rows[0])
    p, found = suspicion(scores), suspicious(scores)
    rows = [
        {"image": int(crossed.order[i]), "p_value": float(p[i]), "score": scores[i], "is_left_out": False}
        for i in np.flatnonzero(found)
    ]
    return sorted(rows, key=lambda row: row["p_value"])
