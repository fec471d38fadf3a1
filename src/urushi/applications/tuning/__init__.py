"""The options of a recipe tuned on good images alone: held-out ones against the same with planted faint defects.

A trial is a recipe with other options. It is tried on several splits one after the other, and given up where it is
worse than most others so far (`_search`). The best one is then tried beside the recipe as it was on splits that chose
nothing (`_gain`).
"""

from urushi.applications.tuning._trial import PRELOAD
from urushi.applications.tuning.tune import Tuned, tune, words

__all__ = ["PRELOAD", "Tuned", "tune", "words"]
