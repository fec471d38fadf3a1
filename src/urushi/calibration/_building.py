"""A threshold rule as a recipe asks for it."""

from urushi import catalogue
from urushi.calibration.base import ThresholdRule
from urushi.catalogue import options
from urushi.errors import CalibrationError
from urushi.recipe import Part


def build_rule(part: Part, *, n_defects: int) -> ThresholdRule:
    """The rule; raises CalibrationError where it needs images of defects and there are none, RecipeError."""
    rule = options.build(catalogue.load("urushi.calibration", part.name, ThresholdRule), part.options, "threshold")
    if rule.needs_defects and not n_defects:
        raise CalibrationError(f"the threshold rule {part.name} needs images of defects; give them with --defects DIR")
    return rule
