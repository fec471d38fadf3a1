"""One detector from several that learnt from different images, by their sums alone."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from urushi.data.learnt_images import LearntImages
from urushi.errors import InputError
from urushi.fitting.incremental.present import Present
from urushi.printable import counted

_MAY_DIFFER = {"description", "threshold", "training", "split", "trial", "groups"}  # sections of a recipe


def merge(first: Present, others: Sequence[Present], base: Present | None) -> Present:
    """What all have learnt, with the pictures of each by its share; the rule of the threshold is the first one's.

    All have learnt the images of `base`, which count once. Raises InputError if they do not go together.
    """
    _require_alike([first, *others, *([base] if base else [])])
    common = base.images if base else None
    images, rows, pictures = first.images, first.held_out, first.pictures
    if common:
        _require_all_of(first.images, common)
    for other in others:
        images = images.plus(_apart(images, other.images, common))
        rows, pictures = rows.plus(other.held_out), pictures.plus(other.pictures)
    return first.learnt(images, rows, pictures)


def _apart(images: LearntImages, other: LearntImages, base: LearntImages | None) -> LearntImages:
    """What another has learnt beside the base; raises InputError if some of it was learnt already."""
    if base:
        _require_all_of(other, base)
        other = other.less(base)
    if n_both := len(set(images.contents) & set(other.contents)):
        raise InputError(
            f"{counted(n_both, 'image was', 'images were')} learnt by several of these detectors, and sums "
            "cannot tell them apart. If all went "
            "on from one detector, name it with --base (base= in Python); else take these images out of all but one "
            "with `urushi fit --remove`"
        )
    return other


def _require_all_of(images: LearntImages, base: LearntImages) -> None:
    if missing := len(set(base.contents) - set(images.contents)):
        raise InputError(
            f"{counted(missing, 'image of the base is', 'images of the base are')} not known to a detector that "
            "is to be merged: it did not go on from "
            "this base, or has unlearnt them"
        )


def _require_alike(presents: Sequence[Present]) -> None:
    first, *others = presents
    for number, other in enumerate(others, 2):
        if differences := list(_differences(first, other)):
            raise InputError(
                f"detector {number} does not go together with the first: {'; '.join(differences)}. Only detectors of "
                "the same recipe, network and preprocessing can be merged"
            )


def _differences(first: Present, other: Present) -> Iterator[str]:
    sections = [name for name in type(first.recipe).model_fields if name not in _MAY_DIFFER]
    parts = [name for name in sections if getattr(first.recipe, name) != getattr(other.recipe, name)]
    if parts:
        yield f"their recipes differ in {', '.join(parts)}"
    if bool(first.held_out.groups) != bool(other.held_out.groups):
        yield "of the images of one it is known which product they show, of the other's it is not"
    if first.bits != other.bits:
        yield f"the images of one have {first.bits or 'no'} stated bits, of the other {other.bits or 'no'}"
    if not _is_same(first.pipeline.state(), other.pipeline.state()):
        yield "a step of their preprocessing has learnt something else"
    shapes = [one.backend.graph.model.image_shape for one in (first, other)]
    if shapes[0] != shapes[1]:
        yield f"they take images (C, H, W) of {shapes[0]} and {shapes[1]}"
    elif not parts and not _has_same_network(first, other):
        yield "the weights of their frozen networks differ"


def _has_same_network(first: Present, other: Present) -> bool:
    """What is learnt from sums are buffers; parameters are those of a frozen network."""
    pairs = zip(first.backend.graph.parameters(), other.backend.graph.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def _is_same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)
