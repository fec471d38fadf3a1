"""What a fit refuses before it does anything that takes long."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from urushi.calibration import of_products
from urushi.data.images import ImageSource, name_of
from urushi.errors import CalibrationError, DatasetError, RecipeError
from urushi.fitting._gathering import Gathered
from urushi.fitting.learning import Learner
from urushi.printable import counted
from urushi.scoring import build_score
from urushi.scoring.base import Score

_LEAST_VARIATION = 1.5 / 255  # what noise alone gives a camera that sees the same part again and again


def require_enough(images: Gathered) -> None:
    """Raises DatasetError unless the images are enough to learn from one and hold out another, and differ at all."""
    n, n_copies, unreadable = len(images.places), len(images.copies), list(images.unreadable.values())
    first = f" The first: {unreadable[0].source}: {unreadable[0].reason}." if unreadable else ""
    if n < 2:
        readable = f"{counted(n, 'readable image was', 'readable images were')} found"
        found = f"{n_copies + 1} images have the same pixels" if n_copies else readable
        raise DatasetError(
            f"{found}, {len(unreadable)} could not be read; at least 2 good ones that differ are needed.{first}"
        )
    if not any(image.contrast for image in images.appearances):
        raise DatasetError(f"all {n} images have one level all over; there is nothing to learn from them")
    if images.variation.rms == 0:
        raise DatasetError(f"after preprocessing all {n} images are the same; there is no variation to learn")


@contextmanager
def counting_once(images: Gathered, groups: Sequence[str] = ()) -> Iterator[None]:
    """Says of an error on too few images that copies do not count, and images of one product count as one."""
    try:
        yield
    except (CalibrationError, DatasetError) as error:
        remarks = [str(error)]
        if groups and isinstance(error, CalibrationError):
            remarks.append(of_products(len(groups), len(set(groups))))
        if n := len(images.copies):
            remarks.append(f"Images with the same pixels count once: {n} were left out.")
        raise type(error)(" ".join(remarks)) from None


def concerns(images: Gathered, sources: Sequence[ImageSource], groups: Sequence[str] = ()) -> Iterator[str]:
    """What a fit takes, but makes its threshold doubtful."""
    if groups and len(set(groups)) == len(groups):
        yield f"no two of the {len(groups)} images are of one product: is what tells products right?"
    rms = images.variation.rms
    if rms is not None and rms < _LEAST_VARIATION:
        yield (
            f"the good images hardly differ, by {255 * rms:.2g} of 255 levels: is it one part again and again? Then "
            "the next part may be called anomalous; give images of many parts"
        )
    flat = [place for place, image in zip(images.places, images.appearances, strict=True) if not image.contrast]
    if flat:
        yield f"good images of one level all over: {len(flat)}, the first: {name_of(sources[flat[0]])}"


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
