"""What a data set consists of: samples, and problems where a sample should be."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Split = Literal["train", "validation", "test"]
GOOD = "good"  # the `defect` of a normal sample
LABELLED = "defect"  # that of one which nothing but a label image beside it calls anomalous


@dataclass(frozen=True)
class Sample:
    """One image of a data set and what is known about it."""

    path: Path
    split: Split
    label: int  # 0 normal, 1 anomalous
    defect: str  # its kind; 'good' for a normal one
    mask: Path | None  # ground truth of where the defect is: a file, or a folder whose files together are it


@dataclass(frozen=True)
class Problem:
    """Something in a data set that cannot be used as it is, and why."""

    path: Path
    reason: str
