"""Specificity threshold: for those who must pass nearly every good part and let some defects escape for it."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from urushi.calibration._cuts import BestCut, Cuts
from urushi.calibration.base import FloatArray


@dataclass(frozen=True, kw_only=True)
class Specificity(BestCut):
    """The threshold with the best recall of those that pass enough of the held-out normals (S2 §6.4.1).

    The share is one of these very normals; `conformal` states what it is worth for new ones, and needs no defects.
    """

    specificity: Annotated[
        float, Field(gt=0, le=1, description="share of the held-out normals that must not lie above the threshold")
    ] = 0.95

    @property
    def aim(self) -> str:
        return f"recall at a specificity of at least {self.specificity:.6g}"

    def quality(self, cuts: Cuts) -> FloatArray:
        """TP / m in [0, 1], or 0 where too many normals lie above."""
        return np.where(cuts.specificity >= self.specificity, cuts.recall, 0)
