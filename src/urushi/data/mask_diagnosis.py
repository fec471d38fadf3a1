"""Looks at the masks of a data set: what cannot be used, does not fit, or marks what it should not."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from urushi.data.masks import INVERTED, Coverage, Size, fitting, inverted, misfit, read_mask
from urushi.data.samples import Problem, Sample
from urushi.errors import UnreadableImageError
from urushi.printable import counted

_LEFT_OUT = ("mask is left out", "masks are left out")

CoveredMask = tuple[Path, Coverage]


def look_at_mask(sample: Sample, size: Size) -> tuple[tuple[Problem, ...], CoveredMask | None]:
    """What is wrong with the mask of an image of a size, and how much of a defective image it marks."""
    if sample.mask is None:
        return (), None
    try:
        mask = read_mask(sample.mask)
    except UnreadableImageError as error:
        return (Problem(sample.mask, f"the mask cannot be read: {error.reason}"),), None
    covered = (sample.mask, Coverage.of(mask, sample.defect)) if sample.label and mask.any() else None
    return tuple(_problems(sample, sample.mask, mask, size)), covered


def covering_problems(masks: Sequence[CoveredMask]) -> Iterator[Problem]:
    """The masks of a data set that mark more than half of their image, seen beside all the others."""
    refused = inverted([coverage for _, coverage in masks])
    for path, coverage in masks:
        if coverage.is_doubtful and coverage.kind in refused:
            yield Problem(path, f"the mask {INVERTED}")
        elif coverage.remark:
            yield Problem(path, f"the mask {coverage.remark}")


def without_inverted(samples: Sequence[Sample]) -> tuple[tuple[Sample, ...], list[Problem]]:
    """The samples, those whose masks are inverted without them, and a problem for each folder of such masks."""
    covered = {sample.mask: coverage for sample in samples if (coverage := _coverage(sample)) is not None}
    refused = inverted(list(covered.values()))
    out = {mask for mask, one in covered.items() if one.is_doubtful and one.kind in refused}
    folders = Counter(mask.parent for mask in out if mask is not None)
    problems = [Problem(folder, f"{counted(n, *_LEFT_OUT)}; each {INVERTED}") for folder, n in sorted(folders.items())]
    return tuple(replace(one, mask=None) if one.mask in out else one for one in samples), problems


def _coverage(sample: Sample) -> Coverage | None:
    """Of the mask of a defective image; None without one, and of one that cannot be read or marks nothing."""
    if sample.mask is None or not sample.label:
        return None
    try:
        mask = read_mask(sample.mask)
    except UnreadableImageError:
        return None
    return Coverage.of(mask, sample.defect) if mask.any() else None


def _problems(sample: Sample, path: Path, mask: np.ndarray, size: Size) -> Iterator[Problem]:
    if fitting(mask, size, sample.path) is None:
        yield Problem(path, misfit(mask, size))
    if bool(np.any(mask)) != bool(sample.label):
        marks = "marks nothing, but its image is anomalous" if sample.label else "marks a defect in a normal image"
        yield Problem(path, f"the mask {marks}")
