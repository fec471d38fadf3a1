"""What held-out normal images teach about a detector: all that thresholds, p-values and map colours are made from."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import compress
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, ValidationError

from urushi.calibration._false_discovery import RULE
from urushi.calibration._normals import Normals
from urushi.calibration._p_values import n_needed
from urushi.calibration.base import Threshold, ThresholdRule
from urushi.catalogue import options
from urushi.errors import CalibrationError
from urushi.inspection import MapScale
from urushi.printable import counted

_REGION_RATE = 0.05  # share of normal images that may show a region; for pictures, not for decisions
_FAR = 0.2  # of the highest median: how much farther than that other parts are at least
_FEW = n_needed(0.01)  # with fewer the default rule cannot keep to its own rate
_CROSS = "The rate is approximate: each held-out image was scored by a fit without it, not by the final one."
_MOVED = (
    "The rate is approximate: the held-out scores are those of the graph in float, moved by as much as 8-bit integers "
    "change those of good images in the middle."
)
_BATCH_OF_PRODUCTS = (
    "The share is approximate: several images of one product are no independent ones, in the batch as among the "
    "held-out ones."
)
_EQUAL = "ATTENTION: all held-out images have the same score, so it says nothing of how good parts vary."
_NO_SPREAD = 1e-6  # of the highest: rounding in float32
_OF_IMAGES = ("scores", "map_peaks", "map_medians", "n_tiles", "contents", "summands", "groups")
_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


@dataclass(frozen=True)
class HeldOut:
    """One entry per held-out normal image; kept in the detector file, so that a threshold can be chosen anew."""

    scores: tuple[_Number, ...] = field(repr=False)
    map_peaks: tuple[_Number, ...] = field(repr=False)  # highest value of each image's anomaly map
    map_medians: tuple[_Number, ...] = field(repr=False)
    method: Literal["split", "cross"]  # cross: each image was scored by a fit that had not seen it
    n_tiles: tuple[Annotated[int, Field(strict=True, ge=1)], ...] = field(
        default=(), repr=False
    )  # of each image, where images are tiled
    is_moved: bool = False  # scores and maps are those in float, moved by the median change of another precision
    contents: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")], ...] = field(
        default=(), repr=False
    )  # of each image, what stands for its pixels; files of older versions do not say
    summands: tuple[_Number, ...] = field(default=(), repr=False)  # part of each score that is its descriptor's
    groups: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")], ...] = field(
        default=(), repr=False
    )  # of each image, what stands for its product; none where each is of its own

    @cached_property
    def normals(self) -> Normals:
        """The scores, each with its share of its product."""
        return Normals.of(self.scores, self.groups)

    def fitted(self, rule: ThresholdRule, defect_scores: ArrayLike = ()) -> Threshold:
        """What a rule makes of these scores and of those (m,) of labelled defects; raises CalibrationError."""
        return self.qualified(rule.fit(self.scores, defect_scores, groups=self.groups))

    def map_scale(self) -> MapScale:
        """Colours from the median of normal maps up; a region lies above all that 95 % of normal images show.

        With fewer than 19 of them it lies above all that any of them shows.
        """
        low = float(np.median(self.map_medians))
        peaks = Normals.of(self.map_peaks, self.groups)
        region_threshold, _ = peaks.limit(max(_REGION_RATE, 1 / (peaks.n_independent + 1)))
        return MapScale(low, low + 2 * (region_threshold - low), region_threshold)

    def plus(self, other: "HeldOut") -> "HeldOut":
        """With the images of another, once each; they were scored by different fits.

        Raises CalibrationError if the products of only one of them are known.
        """
        if bool(self.groups) != bool(other.groups):
            raise CalibrationError("of some images it is known which product they show, of others it is not")
        new = other.without(self.contents)
        more = {name: (*getattr(self, name), *getattr(new, name)) for name in _OF_IMAGES}
        return replace(self, **more, method="cross")  # type: ignore[arg-type]

    def without(self, contents: Collection[str]) -> "HeldOut":
        """Without some images."""
        kept = [content not in contents for content in self.contents]
        left = {name: tuple(compress(getattr(self, name), kept)) for name in _OF_IMAGES}
        return replace(self, **left)  # type: ignore[arg-type]

    def with_summands(self, summands: Mapping[str, float]) -> "HeldOut":
        """With scores that some images' descriptors have changed since."""
        new = [summands.get(c, old) for c, old in zip(self.contents, self.summands, strict=True)]
        pairs = zip(self.scores, self.summands, new, strict=True)
        return replace(self, scores=tuple(score - old + now for score, old, now in pairs), summands=tuple(new))

    @cached_property
    def far(self) -> float:
        """Above it lies the median of a map of something else, by a method that tells the whole image beside its map.

        Such a map says where an image is odd, less than how much. The limit is that of regions, or how far the highest
        median of normal maps lies and a margin, whichever is less.
        """
        highest, middle = max(self.map_medians), float(np.median(self.map_medians))
        margin = max(_FAR * abs(highest), (highest - middle) / 2)
        limit = self.map_scale().region_threshold
        return min(limit, highest + margin) if margin > 0 else limit

    @property
    def advice(self) -> str | None:
        """How more images could set the threshold, where few do and folds would help."""
        n, what = self.normals.n_independent, "product" if self.groups else "good image"
        if self.method == "cross" or n >= _FEW:
            return None
        return (
            f"Only {counted(n, f'{what} sets', f'{what}s set')} the threshold, the part that was held out. With "
            "folds all of them would: `urushi fit --set split.n_folds=5`, which fits six times instead of once."
        )

    def qualified(self, threshold: Threshold) -> Threshold:
        """The threshold, saying what these scores make of its promise: once said, it is not said again."""
        if self._are_equal:
            threshold = replace(threshold, explanation=_also(threshold.explanation, _EQUAL))
        is_promise = threshold.rate_kind == "guaranteed" or threshold.warn_rate is not None or threshold.rule == RULE
        remarks = [_CROSS] * (self.method == "cross") + [_MOVED] * self.is_moved
        remarks += [_BATCH_OF_PRODUCTS] * (bool(self.groups) and threshold.rule == RULE)
        if remarks and is_promise:
            kind = "approximate" if threshold.rate_kind == "guaranteed" else threshold.rate_kind
            return replace(threshold, rate_kind=kind, explanation=_also(threshold.explanation, " ".join(remarks)))
        if self.advice and threshold.rate_kind == "guaranteed":
            return replace(threshold, explanation=_also(threshold.explanation, self.advice))
        return threshold

    @property
    def _are_equal(self) -> bool:
        spread = max(self.scores) - min(self.scores)
        return len(self.scores) > 1 and spread <= _NO_SPREAD * max(map(abs, self.scores))

    def caution(self, n_tiles: int) -> str | None:
        """Why the threshold may not hold for an image of so many tiles: of more tiles, the highest is higher."""
        if not self.n_tiles or n_tiles <= max(self.n_tiles):
            return None
        return (
            f"It has {n_tiles} tiles, the images behind the threshold {max(self.n_tiles)} at most: expect more false "
            "alarms than stated. Fit on images of this size."
        )

    def to_json(self) -> dict[str, Any]:
        """The plain values under the names of the fields."""
        plain = asdict(self)
        if not self.groups:
            del plain["groups"]  # as files have always been
        return plain

    @classmethod
    def from_json(cls, data: object) -> "HeldOut":
        """The inverse of `to_json`; raises CalibrationError if something is missing or wrong."""
        try:
            held_out: HeldOut = options.adapter(cls).validate_python(data)
        except ValidationError as error:
            raise CalibrationError(f"the held-out scores are damaged: {error.errors()[0]['msg']}") from None
        if not len(held_out.scores) == len(held_out.map_peaks) == len(held_out.map_medians) > 0:
            raise CalibrationError("the held-out scores are damaged: scores and maps differ in number, or are none")
        if not {len(held_out.contents), len(held_out.summands), len(held_out.groups)} <= {0, len(held_out.scores)}:
            raise CalibrationError("the held-out scores are damaged: scores and images differ in number")
        return held_out


def _also(explanation: str, remark: str) -> str:
    return explanation if remark in explanation else f"{explanation} {remark}"
