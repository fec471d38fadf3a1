"""Calibration: from scores of held-out images to a threshold, and from a score to a p-value.

One file per threshold rule, found by its name through `urushi.catalogue` (room "urushi.calibration"). Scores of
training images have no place here: they are lower than those of new good parts, and the threshold would be too tight.
"""

from urushi.calibration._held_out import HeldOut
from urushi.calibration._p_values import p_values
from urushi.calibration.base import Threshold, ThresholdRule

__all__ = ["HeldOut", "Threshold", "ThresholdRule", "p_values"]
