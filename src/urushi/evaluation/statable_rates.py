"""What rates of false alarms so many good images allow to state, before anything is fitted."""

import numpy as np

from urushi.calibration import build_rule
from urushi.data.dataset import Dataset
from urushi.data.diagnosis import Diagnosis
from urushi.recipe import Recipe


def statable_rates(dataset: Dataset, found: Diagnosis) -> dict[str, float] | None:
    """The smallest that the good images to learn from allow, and what is stated without a wish; None without such.

    Each counts once: copies and what cannot be read are left out of a fit.
    """
    good = {sample.path for sample in dataset.normal_training()} - {problem.path for problem in found.unreadable}
    n = len(good) - sum(max(0, len(good & set(group)) - 1) for group in found.duplicates)
    if n < 1:
        return None
    stated = build_rule(Recipe.find("default").threshold, n_defects=0).fit(np.arange(n, dtype=float)).false_alarm_rate
    assert stated is not None
    return {"n_good": n, "smallest": 1 / (n + 1), "default": stated}
