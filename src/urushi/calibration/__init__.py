"""Calibration: from scores of held-out images to a threshold, and from a score to a p-value.

One file per threshold rule, found by its name through `urushi.catalogue` (room "urushi.calibration"). Scores of
training images have no place here: they are lower than those of new good parts, and the threshold would be too tight.
"""

from urushi.calibration._building import build_rule
from urushi.calibration._calibration import Calibration
from urushi.calibration._comparison import RuleOutcome, compare_rules
from urushi.calibration._false_discovery import (
    benjamini_hochberg,
    check_false_discovery_rate,
    false_discovery_threshold,
    suspicion,
    suspicious,
)
from urushi.calibration._held_out import HeldOut
from urushi.calibration._normals import Normals, p_values
from urushi.calibration._plant import PARTS, Plant
from urushi.calibration.base import Threshold, ThresholdRule, of_products

__all__ = [
    "PARTS",
    "Calibration",
    "HeldOut",
    "Normals",
    "Plant",
    "RuleOutcome",
    "Threshold",
    "ThresholdRule",
    "benjamini_hochberg",
    "build_rule",
    "check_false_discovery_rate",
    "compare_rules",
    "false_discovery_threshold",
    "of_products",
    "p_values",
    "suspicion",
    "suspicious",
]
