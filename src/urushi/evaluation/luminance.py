"""The luminance report (S2 eq. 6.15, fig. 6.16): does brightness alone tell kinds of images apart?

Where it does, a good figure of a detector may be one of the lamp, not of the defect; and where good images of the test
differ from those of the training, false alarms are to be expected.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from urushi.evaluation.image_metrics import UNDEFINED, image_figures
from urushi.evaluation.resampling import Figure

SEPARATING = 0.8  # ROC-AUC from which brightness alone is worth a warning, in either direction
_AT_LEAST = 0.65  # what its interval must stay above, so that a handful of images gives no warning by chance


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

    @property
    def is_separate(self) -> bool:
        """Whether brightness alone tells it from the reference, beyond what few images may show by chance."""
        figure = self.roc_auc
        if figure is None or figure.value is None or figure.low is None or figure.high is None:
            return False
        value, surely = max((figure.value, figure.low), (1 - figure.value, 1 - figure.high))
        return value >= SEPARATING and surely >= _AT_LEAST

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"roc_auc": self.roc_auc and self.roc_auc.to_json(), "is_separate": self.is_separate}


@dataclass(frozen=True)
class LuminanceReport:
    """The reference group first, then each group that was compared with it."""

    groups: tuple[LuminanceGroup, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence for each group that brightness alone tells from the reference."""
        return tuple(_sentence(group, self.groups[0].name) for group in self.groups if group.is_separate)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"groups": [group.to_json() for group in self.groups], "warnings": list(self.warnings)}


def compare_luminances(
    reference: tuple[str, Sequence[float]], others: Mapping[str, Sequence[float]], *, seed: int = 0
) -> LuminanceReport:
    """Mean luminances (n,) of named kinds of images against those of a reference; kinds without images are left out."""
    name, normal = reference
    groups = [_group(name, normal, None)] if len(normal) else []
    for other, values in others.items():
        if len(values):
            groups.append(_group(other, values, _separation(normal, values, seed)))
    return LuminanceReport(tuple(groups))


def dataset_luminances(luminances: Mapping[tuple[str, str], Sequence[float]], *, seed: int = 0) -> LuminanceReport:
    """The report of a data set from mean luminances by (split, kind).

    Good test images, or else good training ones, are compared with each kind of defect, and both with each other.
    """
    named = {f"{split}/{kind}": values for (split, kind), values in luminances.items()}
    reference = next((name for name in ("test/good", "train/good") if name in named), "train/good")
    others = {name: values for name, values in named.items() if name not in ("train/good", reference)}
    if reference == "test/good" and "train/good" in named:
        others = {"train/good": named["train/good"], **others}
    return compare_luminances((reference, named.get(reference, ())), others, seed=seed)


def _group(name: str, values: Sequence[float], roc_auc: Figure | None) -> LuminanceGroup:
    found = np.asarray(values, dtype=np.float64)
    facts = (float(found.mean()), float(found.std()), float(found.min()), float(found.max()))
    return LuminanceGroup(name, len(found), *facts, roc_auc)


def _separation(normal: Sequence[float], values: Sequence[float], seed: int) -> Figure:
    if not len(normal):
        return Figure(None, reason=UNDEFINED["roc_auc"])
    labels = np.repeat([0, 1], [len(normal), len(values)])
    return image_figures([*normal, *values], labels, labels == 1, seed=seed)["roc_auc"]


def _sentence(group: LuminanceGroup, reference: str) -> str:
    figure = group.roc_auc or Figure(None)  # never None where a group is separate
    kind = "brighter" if (figure.value or 0) > 0.5 else "darker"
    return (
        f"brightness alone tells {group.name} from {reference}: it is {kind} (ROC-AUC {figure.value:.2f}, 95 % "
        f"interval {figure.low:.2f} … {figure.high:.2f}; mean {group.mean:.3f} of full scale)"
    )
