"""Divides n images into parts, by a seed only: the same seed gives the same parts on every machine."""

import math
from collections.abc import Mapping

import numpy as np

from urushi.errors import DatasetError, InputError
from urushi.printable import counted

_ROUNDING = 1e-9  # 0.7 + 0.2 + 0.1 is a little more than 1


def split(n: int, fractions: Mapping[str, float], *, seed: int) -> dict[str, np.ndarray]:
    """Disjoint sorted indices in 0…n-1 for each name, about its fraction of n and never none.

    What the fractions leave over belongs to no part. Raises DatasetError if there are fewer images than parts, and
    InputError if a fraction is not in (0, 1] or all are more than 1 together.
    """
    _check_fractions(fractions)
    if n < len(fractions):
        parts = ", ".join(fractions)
        raise DatasetError(
            f"{counted(n, 'image')} cannot be divided into {parts}; at least {len(fractions)} are needed."
        )
    sizes = _sizes(n, np.array(list(fractions.values())))
    order = _order(n, seed)
    parts_of_order = np.split(order, np.cumsum(sizes))
    return {name: np.sort(part) for name, part in zip(fractions, parts_of_order, strict=False)}  # the last: left over


def folds(n: int, k: int, *, seed: int) -> list[np.ndarray]:
    """k disjoint parts of 0…n-1, sorted, together all of them, whose sizes differ by one at most.

    Raises DatasetError if n < k and InputError if k < 2.
    """
    if k < 2:
        raise InputError(f"{k} folds were asked for; at least 2 are needed.")
    if n < k:
        raise DatasetError(f"{counted(n, 'image')} cannot be divided into {k} folds; at least {k} are needed.")
    return [np.sort(part) for part in np.array_split(_order(n, seed), k)]


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
