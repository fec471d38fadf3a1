"""ROC, precision-recall and IoU curves from counts of normals and defects per score, for many resamples at once.

`normal` and `defect` have shape (…, K): how much of each lies in K bins of ascending score; what shares a bin is tied.
With one bin per distinct score the figures are exact. Cut j of K + 1 calls the j highest bins anomalous. A figure that
is undefined, because one of the two kinds is missing, is NaN.
"""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def tails(counts: FloatArray) -> FloatArray:
    """Sums of the j highest bins for j = 0 … K, (…, K) → (…, K + 1)."""
    summed: FloatArray = np.zeros((*counts.shape[:-1], counts.shape[-1] + 1))
    np.cumsum(counts[..., ::-1], axis=-1, out=summed[..., 1:])
    return summed


def ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """numerator / denominator, NaN where the denominator is 0."""
    shape = np.broadcast_shapes(np.shape(numerator), np.shape(denominator))
    result: FloatArray = np.full(shape, np.nan)
    np.divide(numerator, denominator, out=result, where=np.asarray(denominator) != 0)
    return result


def area(x: FloatArray, y: FloatArray, limit: float = 1.0) -> FloatArray:
    """Trapezoidal area under y over ascending x in [0, limit], exact to the limit by interpolation, / limit; (…, K)."""
    left, right = x[..., :-1], np.minimum(x[..., 1:], limit)
    width = np.maximum(right - left, 0)
    slope = np.divide(np.diff(y), np.diff(x), out=np.zeros_like(width), where=np.diff(x) > 0)
    return np.asarray((width * (y[..., :-1] + slope * width / 2)).sum(axis=-1) / limit)


def roc_auc(normal: FloatArray, defect: FloatArray) -> FloatArray:
    """Area under the ROC curve in [0, 1], (…); ties count half."""
    return area(_share(normal), _share(defect))


def partial_roc_auc(normal: FloatArray, defect: FloatArray, limit: float) -> FloatArray:
    """Area under the ROC curve up to a false-positive rate `limit`, so scaled that chance is 0.5 and the best 1, (…).

    The scale is McClish's (1989), as in scikit-learn.
    """
    chance = limit / 2
    return (1 + (area(_share(normal), _share(defect), limit) - chance) / (1 - chance)) / 2


def average_precision(normal: FloatArray, defect: FloatArray) -> FloatArray:
    """Σ (Rₙ − Rₙ₋₁)·Pₙ in [0, 1], (…): the area under the precision-recall curve as scikit-learn defines it."""
    false, true = tails(normal)[..., 1:], tails(defect)[..., 1:]
    precision = np.divide(true, true + false, out=np.zeros_like(true), where=true > 0)
    gained = ratio((defect[..., ::-1] * precision).sum(axis=-1), true[..., -1])
    return np.where(false[..., -1] > 0, gained, np.nan)


def best_f1(normal: FloatArray, defect: FloatArray) -> FloatArray:
    """The highest F1 = 2·TP / (P + TP + FP) of all cuts, in [0, 1], (…)."""
    false, true = tails(normal), tails(defect)
    f1 = ratio(2 * true, true[..., -1:] + true + false).max(axis=-1)
    return _where_both(normal, defect, f1)


def iou(normal: FloatArray, defect: FloatArray) -> FloatArray:
    """Intersection over union TP / (P + FP) in [0, 1] at every cut, (…, K + 1)."""
    false, true = tails(normal), tails(defect)
    return _where_both(normal, defect, ratio(true, true[..., -1:] + false), keepdims=True)


def iou_auc(normal: FloatArray, defect: FloatArray, values: FloatArray) -> FloatArray:
    """The mean of IoU over thresholds running evenly from the lowest to the highest of `values` (K,), in [0, 1], (…).

    S4 8.2 takes the area under the IoU curve "with different thresholding" and states no axis; this is its plainest
    reading. Unlike the other figures, it changes if scores are transformed other than by a scale and an offset.
    """
    gaps = np.diff(values)
    if gaps.sum() <= 0:
        return np.full(normal.shape[:-1], np.nan)
    above = iou(normal, defect)[..., -2:0:-1]  # a threshold in bin k leaves the bins above k: K − 1 of them, … , 1
    return np.asarray((above * (gaps / gaps.sum())).sum(axis=-1))


def _share(counts: FloatArray) -> FloatArray:
    summed = tails(counts)
    return ratio(summed, summed[..., -1:])


def _where_both(normal: FloatArray, defect: FloatArray, figure: FloatArray, keepdims: bool = False) -> FloatArray:
    has_normal, has_defect = (counts.sum(axis=-1, keepdims=keepdims) > 0 for counts in (normal, defect))
    return np.where(has_normal & has_defect, figure, np.nan)
