"""The luminance report (S2 eq. 6.15, fig. 6.16): does brightness alone tell kinds of images apart?

Where it does, a good figure of a detector may be one of the lamp, not of the defect; and where good images of the test
differ from those of the training, false alarms are to be expected.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from urushi.evaluation.image_metrics import roc_auc_figure
from urushi.evaluation.resampling import Figure

BRIGHTNESS, PREPARED = "brightness", "brightness after preprocessing"
SEPARATING = 0.8  # ROC-AUC from which brightness alone is worth a warning, in either direction
_SURELY = 2.576  # standard deviations from 0.5 that equal groups reach in 1 % of cases; of few images, in fewer


@dataclass(frozen=True)
class LuminanceGroup:
    """Mean luminances of one kind of images, in shares of full scale, and how far they lie from the reference's."""

    name: str
    n: int
    mean: float
    standard_deviation: float
    lowest: float
    highest: float
    roc_auc: Figure | None  # of brightness against the reference; below 0.5 it is darker; None for the reference
    is_separate: bool  # whether brightness alone tells it from the reference, beyond what few images show by chance

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"roc_auc": self.roc_auc and self.roc_auc.to_json()}


@dataclass(frozen=True)
class LuminanceReport:
    """The reference group first, then each group that was compared with it."""

    groups: tuple[LuminanceGroup, ...]
    of: str = BRIGHTNESS  # what was measured

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence for each group that brightness alone tells from the reference."""
        return tuple(_sentence(self.of, group, self.groups[0].name) for group in self.groups if group.is_separate)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"groups": [group.to_json() for group in self.groups], "warnings": list(self.warnings)}


def compare_luminances(
    reference: tuple[str, Sequence[float]], others: Mapping[str, Sequence[float]], *, of: str = BRIGHTNESS
) -> LuminanceReport:
    """Mean luminances (n,) of named kinds of images against those of a reference; kinds without images are left out."""
    name, normal = reference
    groups = [_group(name, normal)] if len(normal) else []
    for other, values in others.items():
        if len(values):
            figure = _separation(normal, values)
            groups.append(_group(other, values, figure, _is_separate(figure.value, len(normal), len(values))))
    return LuminanceReport(tuple(groups), of)


def dataset_luminances(
    luminances: Mapping[tuple[str, str], Sequence[float]], *, of: str = BRIGHTNESS
) -> LuminanceReport:
    """The report of a data set from mean luminances by (split, kind).

    Good test images, or else good training ones, are compared with each kind of defect, and both with each other.
    """
    named = {f"{split}/{kind}": values for (split, kind), values in luminances.items()}
    reference = next((name for name in ("test/good", "train/good") if name in named), "train/good")
    others = {name: values for name, values in named.items() if name not in ("train/good", reference)}
    if reference == "test/good" and "train/good" in named:
        others = {"train/good": named["train/good"], **others}
    return compare_luminances((reference, named.get(reference, ())), others, of=of)


def _group(
    name: str, values: Sequence[float], roc_auc: Figure | None = None, is_separate: bool = False
) -> LuminanceGroup:
    found = np.asarray(values, dtype=np.float64)
    facts = (float(found.mean()), float(found.std()), float(found.min()), float(found.max()))
    return LuminanceGroup(name, len(found), *facts, roc_auc, is_separate)


def _separation(normal: Sequence[float], values: Sequence[float]) -> Figure:
    is_other = np.repeat([False, True], [len(normal), len(values)])
    return roc_auc_figure(np.array([*normal, *values], dtype=np.float64), is_other)


def _is_separate(roc_auc: float | None, n_reference: int, n: int) -> bool:
    """Against the deviation of the ROC-AUC of equal groups (Mann and Whitney 1947), √((m + n + 1) / 12mn)."""
    if roc_auc is None:
        return False
    distance, deviation = abs(roc_auc - 0.5), math.sqrt((n_reference + n + 1) / (12 * n_reference * n))
    return distance >= max(SEPARATING - 0.5, _SURELY * deviation)


def _sentence(of: str, group: LuminanceGroup, reference: str) -> str:
    figure = group.roc_auc or Figure(None)  # never None where a group is separate
    kind = "brighter" if (figure.value or 0) > 0.5 else "darker"
    return (
        f"{of} alone tells {group.name} from {reference}: it is {kind} (ROC-AUC {figure.value:.2f}, 95 % "
        f"interval {figure.low:.2f} … {figure.high:.2f}; mean {group.mean:.3f} of full scale)"
    )
