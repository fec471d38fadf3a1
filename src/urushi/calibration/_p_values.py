"""How many held-out normals a stated rate needs, and how it is said."""

from math import ceil

import numpy as np
from numpy.typing import ArrayLike, NDArray

from urushi.errors import CalibrationError


def sorted_scores(scores: ArrayLike | None, kind: str) -> NDArray[np.float64]:
    """Scores as a sorted vector; raises CalibrationError if there are none, or one is not finite."""
    vector = np.asarray([] if scores is None else scores, dtype=np.float64)
    if vector.ndim != 1 or vector.size == 0:
        raise CalibrationError(
            f"Scores of {kind} images came as an array of shape {vector.shape}; allowed is a vector of at least one "
            f"score. Give at least one {kind} image."
        )
    if not np.isfinite(vector).all():
        n_bad = int((~np.isfinite(vector)).sum())
        raise CalibrationError(
            f"{n_bad} of {vector.size} scores of {kind} images are NaN or infinite; only finite scores are allowed. "
            "Check the model: its training may have diverged."
        )
    return np.sort(vector)


def n_allowed(rate: float, n_normals: int) -> int:
    """⌊α(n+1)⌋: the number j for which j/(n+1) ≤ α < (j+1)/(n+1), with the very division that p-values use.

    (n+1)·α itself rounds to the wrong side now and then (0.07·100 > 7), and a decision would contradict its p-value.
    """
    total = n_normals + 1
    guess = round(rate * total)
    return max(j for j in range(guess - 2, guess + 2) if j <= 0 or j / total <= rate)


def n_needed(rate: float) -> int:
    """⌈1/α⌉ − 1: the smallest number of held-out normals that supports a rate α in (0, 1)."""
    guess = round(1 / rate)
    return next(n for n in range(max(guess - 2, 1), guess + 3) if 1 / (n + 1) <= rate)


def require_enough(rate: float, n_normals: int, called: str) -> None:
    """Raise CalibrationError if a rate, named by what it is `called`, needs more held-out normals than there are."""
    if n_allowed(rate, n_normals) < 1:
        raise CalibrationError(
            f"A {called} of {rate:.6g} needs at least {n_needed(rate)} held-out normal images; there are "
            f"{n_normals}. Give more good images, hold out a larger part of them, or allow a rate of "
            f"{_rounded_up(1 / (n_normals + 1)):.6g} or more."
        )


def percent(rate: float) -> str:
    """Three digits are as many as a reader wants: 0.01515 is 1.52 %."""
    return f"{100 * rate:.3g} %"


def _rounded_up(rate: float) -> float:
    return ceil(rate * 1e4) / 1e4  # typed as printed, it must be enough
