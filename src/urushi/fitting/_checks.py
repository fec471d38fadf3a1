"""What a fit refuses before it does anything that takes long."""

from collections.abc import Collection

from urushi.errors import CalibrationError, DatasetError, RecipeError
from urushi.fitting.learning import Learner
from urushi.inspection import Unreadable
from urushi.scoring import build_score
from urushi.scoring.base import Score


def require_enough(n: int, unreadable: Collection[Unreadable]) -> None:
    """Raises DatasetError unless n readable images are enough to learn from one and hold out another."""
    if n >= 2:
        return
    worst = next(iter(unreadable), None)
    first = f" The first: {worst.source}: {worst.reason}." if worst else ""
    raise DatasetError(
        f"{n} readable images were found, {len(unreadable)} could not be read; at least 2 good ones are needed.{first}"
    )


def require_possible(learner: Learner) -> None:
    """Raises RecipeError or CalibrationError where model, scores, tiling, split and augmentation don't go together."""
    _require_defects(learner)
    _require_one_pass(learner)
    _require_choice(learner)
    _require_epochs(learner)


def _require_defects(learner: Learner) -> None:
    if not any(score.needs_defects for score in _scores(learner)):
        return
    if learner.recipe.tiling.tile_px:
        raise RecipeError(
            "the score learns its weights from images of defects, and with tiling nobody knows in which tile a defect "
            "lies; take another score.combination, or tiling.tile_px=0"
        )
    if not learner.defects:
        raise CalibrationError(
            "the score learns its weights from images of defects; give them with --defects DIR, or take another "
            "score.combination"
        )


def _require_one_pass(learner: Learner) -> None:
    if not learner.recipe.tiling.one_pass:
        return
    if not learner.prototype.stride_px:
        raise RecipeError(
            f"tiling.one_pass = true, but {learner.recipe.model.name} takes images of one size only here; "
            "convolutional_bigan takes any, and partial_diffusion with model.attention=false. Set tiling.one_pass=false"
        )
    if pooled := [part.name for part in learner.scores if part.options.get("pooling", "mean") != "mean"]:
        raise RecipeError(f"in one pass a score is the mean of its map; take pooling away from {', '.join(pooled)}")


def _require_choice(learner: Learner) -> None:
    names = ", ".join(f"model.{name}" for name in learner.prototype.choices())
    if names and learner.recipe.split.n_folds:
        raise RecipeError(f"{names}: each fold would choose its own and their scores not go together; set a value")
    if names and any(score.learns for score in _scores(learner)):
        raise RecipeError(f"{names}: to be chosen by a score that itself learns from the choice; set a value")


def _require_epochs(learner: Learner) -> None:
    section = learner.recipe.augmentation
    if section.transforms and not section.n_copies and not learner.has_epochs:
        raise RecipeError(
            f"{learner.recipe.model.name} sees each image once, so no variants can be drawn in each epoch; say how "
            "many there shall be: --set augmentation.n_copies=4"
        )


def _scores(learner: Learner) -> list[Score]:
    return [build_score(part, learner.prototype.space) for part in learner.scores]
