"""Scores of held-out normals, where several may be of one product.

Scans of one product are alike, so that they are no independent images: what is exchangeable with a new product are
products. Each product counts as one, and each of its n images as 1/n: so an image of a new product, be it any of its
images, keeps the rate that is stated (Lee, Barber & Willett 2023, "Distribution-free inference with hierarchical data";
Dunn, Wasserman & Ramdas 2023). One image drawn of each product would keep it, too, but by another threshold with each
draw, and all images of all products as if independent do not: `studies/results/grouped_scans.md`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from urushi.calibration._p_values import sorted_scores
from urushi.errors import CalibrationError

_DIGITS = 9  # thirds of a product add up to one


@dataclass(frozen=True, eq=False)
class Normals:
    """Ascending scores (n,), and of how much of a product each stands; all together they are K products."""

    scores: NDArray[np.float64]
    shares: NDArray[np.float64]
    n_groups: int | None  # K; None where each image is of its own product

    @classmethod
    def of(cls, scores: ArrayLike, groups: Sequence[str] = ()) -> "Normals":
        """From scores (n,) and the product of each, or none; raises CalibrationError as `sorted_scores` does."""
        ordered = sorted_scores(scores, "held-out normal")
        if not groups:
            return cls(ordered, np.ones(len(ordered)), None)
        if len(groups) != len(ordered):
            raise CalibrationError(f"{len(ordered)} scores came with the products of {len(groups)} images")
        counts = Counter(groups)
        shares = np.array([1 / counts[group] for group in groups])
        return cls(ordered, shares[np.argsort(np.asarray(scores, dtype=np.float64), kind="stable")], len(counts))

    @property
    def n_independent(self) -> int:
        """Products, or images where each is of its own: what bounds a rate."""
        return len(self.scores) if self.n_groups is None else self.n_groups

    def p_values(self, scores: ArrayLike) -> NDArray[np.float64]:
        """p = (1 + Σₖ share of product k's images with a score as high) / (K + 1), any shape, in [1/(K+1), 1].

        Raises CalibrationError if a score is NaN.
        """
        wanted = np.asarray(scores, dtype=np.float64)
        if np.isnan(wanted).any():
            raise CalibrationError(
                "A score is NaN, so it has no p-value; scores must be numbers. Check the model's output."
            )
        places = np.searchsorted(self.scores, wanted, side="left")
        return np.asarray((1 + self._at_least[places]) / (self.n_independent + 1))

    def limit(self, rate: float) -> tuple[float, float]:
        """The score that a p-value of at most `rate` lies above, and the highest of these p-values, which is the rate.

        A rate below 1/(K+1) gives the highest score.
        """
        p = self.p_values(self.scores)
        place = int(np.flatnonzero(p > rate)[-1]) if (p > rate).any() else 0
        above = p[self.scores > self.scores[place]]
        return float(self.scores[place]), float(above.max()) if len(above) else 1 / (self.n_independent + 1)

    def share_above(self, value: float) -> float:
        """Of the products, each by the share of its images; in [0, 1]."""
        return float(self._at_least[np.searchsorted(self.scores, value, side="right")] / self.n_independent)

    @cached_property
    def _at_least(self) -> NDArray[np.float64]:
        """Of products, what lies at each score or above, (n + 1,); the last is 0."""
        return np.round(np.append(np.cumsum(self.shares[::-1])[::-1], 0), _DIGITS)


def p_values(scores: ArrayLike, calibration_scores: ArrayLike) -> NDArray[np.float64]:
    """p = (1 + #{calibration ≥ score}) / (n + 1) for each score, any shape, in [1/(n+1), 1] (FINDINGS, conformal).

    The p-value is a statement on the score alone, whatever rule made the threshold. With `conformal` an image is
    anomalous where p ≤ α. With any other rule it still holds that, with c held-out normals above the threshold,
    p ≤ (c + 1)/(n + 1) for every anomalous image and p ≥ (c + 1)/(n + 1) for every other: the order of images is the
    same, only the cut is not at a stated rate.

    `calibration_scores` are those of n ≥ 1 held-out normal images; raises CalibrationError if they are none or a score
    is NaN. Example: `p_values([0.5, 3.0], [1.0, 2.0, 3.0])` gives 1.0 and 0.5.
    """
    return Normals.of(calibration_scores).p_values(scores)
