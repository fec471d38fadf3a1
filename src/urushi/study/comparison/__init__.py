"""Comparisons: a study whose plan comes from a command's arguments, and results over whole test sets.

`plan` (a study of recipes as they are) → the runs of `study.collecting` → `figures` (of each recipe on each data set) →
`verdict` (ranks, and which differences are real) → `examples` (every recipe on the same defects) → `results`.
"""

from urushi.study.comparison.plan import planned
from urushi.study.comparison.results import compare

__all__ = ["compare", "planned"]
