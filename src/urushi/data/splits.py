"""Divides n images into parts, by a seed only: the same seed gives the same parts on every machine.

With `groups`, which name the product of each image, whole products are drawn, each with the same chance however many
images it has. Parts are then shares of the products; of the images they may be more or less.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from urushi.errors import DatasetError, InputError
from urushi.printable import counted

_ROUNDING = 1e-9  # 0.7 + 0.2 + 0.1 is a little more than 1


def split(n: int, fractions: Mapping[str, float], *, seed: int, groups: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Disjoint sorted indices in 0…n-1 for each name, about its fraction of n and never none.

    What the fractions leave over belongs to no part; no part has an image of a group that another has. Raises
    DatasetError if there are fewer images or groups than parts, and InputError if a fraction is not in (0, 1] or all
    are more than 1 together.
    """
    _check_fractions(fractions)
    members = _members(n, groups)
    _require(len(members), len(fractions), ", ".join(fractions), n, is_grouped=bool(groups))
    parts = _divided(len(members), fractions, seed)
    return {name: _images(members, part) for name, part in parts.items()}


def folds(n: int, k: int, *, seed: int, groups: Sequence[str] = ()) -> list[np.ndarray]:
    """k disjoint parts of 0…n-1, sorted, together all of them, whose numbers of images or groups differ by one at most.

    Raises DatasetError if there are fewer than k images or groups, and InputError if k < 2.
    """
    if k < 2:
        raise InputError(f"{k} folds were asked for; at least 2 are needed.")
    members = _members(n, groups)
    _require(len(members), k, f"{k} folds", n, is_grouped=bool(groups))
    return [_images(members, np.sort(part)) for part in np.array_split(_order(len(members), seed), k)]


def _members(n: int, groups: Sequence[str]) -> list[np.ndarray]:
    """The images of each group, in the order in which groups first come; without groups each image is one."""
    found: dict[str, list[int]] = {}
    for image, group in enumerate(groups or map(str, range(n))):
        found.setdefault(group, []).append(image)
    return [np.array(images) for images in found.values()]


def _images(members: Sequence[np.ndarray], chosen: np.ndarray) -> np.ndarray:
    return np.sort(np.concatenate([np.empty(0, dtype=int), *(members[group] for group in chosen)]))


def _require(n: int, needed: int, parts: str, n_images: int, *, is_grouped: bool) -> None:
    if n < needed:
        what = f"{counted(n_images, 'image')} of {counted(n, 'product')}" if is_grouped else counted(n, "image")
        of = " products" if is_grouped else ""
        raise DatasetError(f"{what} cannot be divided into {parts}; at least {needed}{of} are needed.")


def _divided(n: int, fractions: Mapping[str, float], seed: int) -> dict[str, np.ndarray]:
    sizes = _sizes(n, np.array(list(fractions.values())))
    order = _order(n, seed)
    parts_of_order = np.split(order, np.cumsum(sizes))
    return {name: np.sort(part) for name, part in zip(fractions, parts_of_order, strict=False)}  # the last: left over


def _sizes(n: int, fractions: np.ndarray) -> np.ndarray:
    wanted = fractions * n
    sizes = np.maximum(1, np.floor(wanted + _ROUNDING)).astype(int)
    total = max(len(sizes), math.floor(wanted.sum() + 0.5))
    while sizes.sum() > total:  # a small part was given its one image: the largest part pays
        sizes[np.argmax(sizes)] -= 1
    while sizes.sum() < total:
        sizes[np.argmax(wanted - sizes)] += 1
    return sizes


def _check_fractions(fractions: Mapping[str, float]) -> None:
    wrong = {name: value for name, value in fractions.items() if not 0 < value <= 1}
    if wrong or not fractions:
        raise InputError(f"Fractions must be more than 0 and at most 1; given: {wrong or 'none'}.")
    if math.fsum(fractions.values()) > 1 + _ROUNDING:
        raise InputError(f"Fractions must not be more than 1 together; given: {dict(fractions)}.")


def _order(n: int, seed: int) -> np.ndarray:
    if seed < 0:
        raise InputError(f"The seed must not be negative; given: {seed}.")
    return np.random.default_rng(seed).permutation(n)
