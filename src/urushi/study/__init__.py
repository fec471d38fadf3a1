"""Studies: recipes compared on data sets, with repeats, as a file describes it.

The way of a study: `plan` (what is to be measured) → `measuring` (one run: fit once, score every test image by every
score) → `drawing` (test sets drawn from what was measured, thresholds, figures) → `summary` (means and their standard
errors) → `tables`, `pictures`, `page`. Only `measuring` fits anything; all that follows is computed from its records.
"""

from urushi.study.plan import Run, Study
from urushi.study.records import Record

__all__ = ["Record", "Run", "Study"]
