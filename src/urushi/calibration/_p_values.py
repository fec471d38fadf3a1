"""Conformal p-values."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from urushi.errors import CalibrationError


def p_values(scores: ArrayLike, calibration_scores: ArrayLike) -> NDArray[np.float64]:
    """p = (1 + #{calibration ≥ score}) / (n + 1) for each score, any shape, in [1/(n+1), 1] (FINDINGS, conformal).

    The p-value is a statement on the score alone, whatever rule made the threshold. With `conformal` an image is
    anomalous where p ≤ α. With any other rule it still holds that, with c held-out normals above the threshold,
    p ≤ (c + 1)/(n + 1) for every anomalous image and p ≥ (c + 1)/(n + 1) for every other: the order of images is the
    same, only the cut is not at a stated rate.

    `calibration_scores` are those of n ≥ 1 held-out normal images; raises CalibrationError if they are none or a score
    is NaN. Example: `p_values([0.5, 3.0], [1.0, 2.0, 3.0])` gives 1.0 and 0.5.
    """
    wanted = np.asarray(scores, dtype=np.float64)
    ordered = sorted_scores(calibration_scores, "held-out normal")
    if np.isnan(wanted).any():
        raise CalibrationError(
            "A score is NaN, so it has no p-value; scores must be numbers. Check the model's output."
        )
    n_as_high = len(ordered) - np.searchsorted(ordered, wanted, side="left")
    return (1 + n_as_high) / (len(ordered) + 1)


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
