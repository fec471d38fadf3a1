"""Recall threshold: for those who must find nearly every defect and pay for it with false alarms."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from urushi.calibration._cuts import BestCut, Cuts
from urushi.calibration.base import FloatArray


@dataclass(frozen=True, kw_only=True)
class Recall(BestCut):
    """The threshold with the best specificity of those that find enough of the labelled defects (S2 §6.4.1)."""

    recall: Annotated[
        float, Field(gt=0, le=1, description="share of the labelled defects that must lie above the threshold")
    ] = 0.95

    @property
    def aim(self) -> str:
        return f"specificity at a recall of at least {self.recall:.6g}"

    def quality(self, cuts: Cuts) -> FloatArray:
        """TN / n in [0, 1], or 0 where too few defects lie above."""
        return np.where(cuts.recall >= self.recall, cuts.specificity, 0)
