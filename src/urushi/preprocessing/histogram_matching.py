"""The grey levels of every image redistributed as those of one reference image (S2 §5.1.2)."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Self

import numpy as np
from pydantic import Field

from urushi.data.images import read_image
from urushi.errors import RecipeError, UnreadableImageError
from urushi.preprocessing._histograms import (
    LearntStep,
    colours,
    cumulative_counts,
    pseudo_inverse,
    replace_levels,
    usable,
)
from urushi.preprocessing._levels import full_scale
from urushi.preprocessing.base import Image
from urushi.preprocessing.grey import grey


def histogram_matching(image: Image, reference_counts: np.ndarray) -> Image:
    """C_t⁻¹(C_s(I)) in each channel, dtype kept; C_t from `cumulative_counts` (C, L) of the reference (S2 eq. 5.7).

    The result has only levels that the reference has: at most 256 if that has 8 bits. Floats are rounded to 65536
    levels. Raises UnreadableImageError if a float image leaves [0, 1].
    """
    shares, reference = (counts / counts[:, -1:] for counts in (cumulative_counts(image), reference_counts))
    return replace_levels(image, np.stack([pseudo_inverse(*pair) for pair in zip(reference, shares, strict=True)]))


@dataclass(frozen=True, kw_only=True)
class HistogramMatching(LearntStep):
    """Takes out differences of exposure; what is stored of the reference is the number of pixels up to each level."""

    reference: Annotated[
        str | None,
        Field(description="path of a reference image, used as it is; none: the training image of median luminance"),
    ] = None

    def apply(self, image: Image) -> Image:
        return histogram_matching(image, self.learnt_for(image))

    def fit(self, images: Iterable[Image]) -> Self:
        """Two passes; memory does not grow with the images. Raises RecipeError if `reference` can't be used."""
        first = next(usable(images), None)
        if first is None:
            return self  # whoever prepares the images says why none is usable
        counts = self._read_counts(first) if self.reference else cumulative_counts(_of_median_luminance(images))
        return self.with_state({"learnt": counts.astype(np.uint32)})

    def _read_counts(self, example: Image) -> np.ndarray:
        where = f"preprocessing.histogram_matching.reference = {self.reference!r}"
        try:
            reference = read_image(str(self.reference))
            counts = cumulative_counts(reference)
        except UnreadableImageError as error:
            raise RecipeError(f"{where}: {error.reason}") from None
        if colours(reference) != colours(example):
            raise RecipeError(f"{where} is a {colours(reference)} image, the training images are {colours(example)}")
        return counts


def _of_median_luminance(images: Iterable[Image]) -> Image:
    """The lower one of two medians; the earlier one of equals."""
    luminances = [grey(image).mean(dtype=np.float64) / full_scale(image.dtype) for image in usable(images)]
    median = np.argsort(luminances, kind="stable")[(len(luminances) - 1) // 2]
    return next(islice(usable(images), int(median), None))
