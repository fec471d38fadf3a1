"""Test sets of a given share of anomalies, drawn from a fixed total number of images (S2 table 5.3).

The text of S2 fixes one total; its table has another at each ratio: 400 images at 5 %, 780 at 70 %. Here the caller
fixes it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from urushi.data.samples import GOOD
from urushi.errors import DatasetError, InputError

RATIOS = (0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95)  # those of S2


def draw(defects: Sequence[str], ratio: float, n_total: int, *, seed: int | np.random.Generator) -> np.ndarray:
    """Sorted indices of n_total images, drawn without replacement, of which `ratio` (0…1, open) are anomalous.

    `defects` is the kind of each image, 'good' for normal ones; kinds are drawn as evenly as their numbers allow.
    Raises InputError for a ratio that is no such share, and DatasetError, with the largest total that works, where
    there are too few images of one sort.
    """
    kinds = _indices(defects)
    n_anomalous = _n_anomalous(ratio, n_total)
    normal = kinds.pop(GOOD, np.empty(0, int))
    available = {kind: len(indices) for kind, indices in kinds.items()}
    _check(ratio, n_total, len(normal), sum(available.values()))
    rng = np.random.default_rng(seed)
    shares = _even_shares(available, n_anomalous)
    anomalous = [rng.choice(kinds[kind], n, replace=False) for kind, n in shares.items()]
    return np.sort(np.concatenate([rng.choice(normal, n_total - n_anomalous, replace=False), *anomalous]))


def draw_labelled(labels: ArrayLike, ratio: float, n_total: int, rng: np.random.Generator) -> np.ndarray:
    """As `draw`, from labels (n,), 0 = normal and 1 = anomalous, where no kinds of defects are told apart."""
    label = np.asarray(labels)
    if label.ndim != 1 or not np.isin(label, (0, 1)).all():
        raise InputError(f"labels came as {label!r}; give a vector of 0 (normal) and 1 (anomalous), one per image.")
    return draw(np.where(label == 0, GOOD, "anomalous").tolist(), ratio, n_total, seed=rng)


def largest_total(defects: Sequence[str], ratio: float) -> int:
    """The most images that a test set of this ratio can have; 0 if there is none. Raises InputError as `draw` does."""
    n_normal = sum(defect == GOOD for defect in defects)
    return _largest(ratio, n_normal, len(defects) - n_normal)


def _largest(ratio: float, n_normal: int, n_anomalous: int) -> int:
    totals = range(n_normal + n_anomalous, 1, -1)
    return next((n for n in totals if _fits(n, _n_anomalous(ratio, n), n_normal, n_anomalous)), 0)


def _fits(n_total: int, n_wanted: int, n_normal: int, n_anomalous: int) -> bool:
    return 0 < n_wanted <= n_anomalous and 0 < n_total - n_wanted <= n_normal


def _n_anomalous(ratio: float, n_total: int) -> int:
    if not 0 < ratio < 1:
        raise InputError(f"the anomaly ratio is {ratio}; give a share between 0 and 1, such as 0.05 for 5 %.")
    return int(ratio * n_total + 0.5)


def _check(ratio: float, n_total: int, n_normal: int, n_anomalous: int) -> None:
    n_wanted = _n_anomalous(ratio, n_total)
    if _fits(n_total, n_wanted, n_normal, n_anomalous):
        return
    largest = _largest(ratio, n_normal, n_anomalous)
    advice = f"the largest total that works is {largest}" if largest else "no total works"
    raise DatasetError(
        f"a test set of {n_total} with {ratio:.0%} anomalies takes {n_total - n_wanted} normal and {n_wanted} "
        f"anomalous images, at least one of each; there are {n_normal} and {n_anomalous}: {advice}."
    )


def _indices(defects: Sequence[str]) -> dict[str, np.ndarray]:
    labels = np.asarray(defects, dtype=str)
    return {str(kind): np.flatnonzero(labels == kind) for kind in np.unique(labels)}


def _even_shares(available: dict[str, int], n_wanted: int) -> dict[str, int]:
    """As many of each kind as of any other, the scarce ones used up first."""
    shares: dict[str, int] = {}
    for position, kind in enumerate(sorted(available, key=lambda kind: available[kind])):
        n_kinds_left = len(available) - position
        shares[kind] = min(available[kind], (n_wanted - sum(shares.values())) // n_kinds_left)
    return shares
