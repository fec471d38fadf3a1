"""Evaluation: how good a detector is on labelled images, every figure with its uncertainty.

Nothing here keeps an anomaly map or chooses a threshold that a detector uses: test images must not do that.
"""

from urushi.data.mask_on_map import fit_mask
from urushi.evaluation.bands import Band, precision_recall_band, resampled, roc_band
from urushi.evaluation.evaluation import Evaluation, ScoredImage, evaluate
from urushi.evaluation.resampling import Figure, MeanError, mean_and_standard_error

__all__ = [
    "Band",
    "Evaluation",
    "Figure",
    "MeanError",
    "ScoredImage",
    "evaluate",
    "fit_mask",
    "mean_and_standard_error",
    "precision_recall_band",
    "resampled",
    "roc_band",
]
