"""Synthetic defects with exact masks, for demos, tests and sanity checks without real defects (METHODS §2).

Drawing and applying are apart: `draw` makes a `Defect`, plain numbers that can be printed, kept and applied again to
any image; `apply` holds no randomness of its own. Figures measured on synthetic defects are never those of real ones.
"""

from urushi.data.defects._defect import MINIMUM_CHANGE, MINIMUM_SIDE_PX, Defect, Shape
from urushi.data.defects._kinds import KINDS, draw
from urushi.data.defects._painting import apply
from urushi.data.defects._planting import draw_inspected, fading, planted

__all__ = [
    "KINDS",
    "MINIMUM_CHANGE",
    "MINIMUM_SIDE_PX",
    "Defect",
    "Shape",
    "apply",
    "draw",
    "draw_inspected",
    "fading",
    "planted",
]
