"""What inspecting one image gives: the decision and everything that explains it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from urushi.inspection.turning import beyond_original, is_turned, turned_back, whole_original
from urushi.printable import Summarised

Decision = Literal["normal", "unsure", "anomalous"]  # unsure only where the threshold has a band
CautionKind = Literal["tiles", "depth", "learnt", "unlike", "alignment"]
Beside = Literal["image", "windows", "residual"]  # what some methods and scores weigh beside the map

_DECIDED: dict[Beside, str] = {
    "image": "The image as a whole decided: its statistics are unlike those of good images.",
    "residual": "The image as a whole decided: its reconstruction leaves more, or less, than those of good images.",
    "windows": "Windows of the image decided, not single places: their statistics are unlike those of good images.",
}
_HIGHEST = "No place of the map is above the limit of regions; the box marks the highest."


@dataclass(frozen=True)
class Region:
    """A connected part of the anomaly map, in pixels of the original image."""

    x: int
    y: int
    width: int
    height: int
    area_px: int
    peak: float  # highest map value inside


class View(NamedTuple):
    """The part of the original image that the model saw, in its pixels; preprocessing may have cropped or padded it."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class MapScale:
    """The fixed colour scale of a detector's maps, taken from held-out normal images, never from the image shown."""

    low: float  # median of normal maps: the dark end
    high: float  # the bright end; region_threshold lies halfway
    region_threshold: float  # above it, a pixel belongs to a region

    def in_limits(self, value: float) -> float | None:
        """A value of the map in units of the region threshold; None where that is not positive."""
        return value / self.region_threshold if self.region_threshold > 0 else None


@dataclass(frozen=True)
class Caution:
    """Why the threshold may not hold for one image: it is larger than those behind it, of another bit depth, one of
    them, or unlike them."""

    kind: CautionKind
    text: str  # whole sentences


def as_bright(image: np.ndarray, light_factor: float) -> np.ndarray:
    """A prepared image (…) in [0, 1] as bright as it was read; what was brightened stays so: more is seen."""
    return image if light_factor >= 1 else np.minimum(image / np.float32(light_factor), 1)


@dataclass(frozen=True, eq=False, repr=False)
class Inspection(Summarised):
    """One inspected image; a higher score is more anomalous, and it is anomalous if score > threshold.

    With `warn_threshold` it is unsure if its score lies above that, but not above the threshold.
    """

    source: str  # path or name
    score: float
    threshold: float
    decision: Decision
    p_value: float  # share of normal images expected to score as high
    places: tuple[Region, ...]  # parts of the map above the region threshold, highest peak first; or the highest place
    original_size: tuple[int, int]  # height, width in px, before preprocessing
    to_original: np.ndarray  # 3×3, pixel corners (x, y, 1) of image and map -> those of the original image
    image: np.ndarray  # (H, W, C) float32 in [0, 1]: what the model saw, turned back where preprocessing turned it
    anomaly_map: np.ndarray  # (H, W) float32
    map_scale: MapScale
    reconstruction: np.ndarray | None  # (H, W, C) float32 in [0, 1]; None where the method rebuilds no pixels
    warn_threshold: float | None = None
    defect_type: str | None = None  # a name, 'unknown' or 'novel', where types were asked for and it is not normal
    shows_similar: bool = False  # the reconstruction is the most similar good image that was kept, rebuilt is nothing
    cautions: tuple[Caution, ...] = ()  # why the threshold may not hold for this image
    beside_map: Beside | None = None  # what counts in the score beside the map
    ignored: np.ndarray | None = None  # (H, W) bool: what counts for nothing, the map is 0 there; None: all counts
    brightness: float | None = None  # mean of the image as it was read, in shares of full scale; None: not known
    light: Mapping[str, float] = field(default_factory=dict)  # of the image as it was read: as `Appearance.light`
    light_factor: float = 1.0  # by which preprocessing has multiplied the levels of the image
    content: str = ""  # stands for the pixels of the original image: equal ones have the same; "" where it is not known

    def summary(self) -> Mapping[str, Any]:
        """The decision and its numbers, without the pictures."""
        return {
            "source": self.source,
            "decision": self.decision,
            "score": self.score,
            "threshold": self.threshold,
            "p_value": self.p_value,
            "n_regions": len(self.regions),
        }

    @property
    def view(self) -> View:
        """What the model saw of the original image."""
        height, width = self.image.shape[:2]
        (left, right), (top, bottom), _ = self.to_original @ np.array([[0, width], [0, height], [1, 1]])
        return View(float(left), float(top), float(right - left), float(bottom - top))

    @property
    def picture(self) -> np.ndarray:
        """The image for people, (H, W, C) float32 in [0, 1]: as bright as it was read where the steps darken it."""
        return as_bright(self.image, self.light_factor)

    @property
    def rebuilt_picture(self) -> np.ndarray | None:
        """The reconstruction, or the most similar good image, in the same light; None without one."""
        return None if self.reconstruction is None else as_bright(self.reconstruction, self.light_factor)

    @property
    def regions(self) -> tuple[Region, ...]:
        """Where an image that is not normal shows it, highest peak first; a normal one has none."""
        return () if self.decision == "normal" else self.places

    @property
    def in_thresholds(self) -> float | None:
        """The score in units of the threshold; None where that is not positive."""
        return self.score / self.threshold if self.threshold > 0 else None

    @property
    def decided_by(self) -> Literal["regions", "whole"] | None:
        """What makes it anomalous or unsure: places above the region threshold, or more than any of them the whole."""
        if not self.regions:
            return None
        if not self._is_above_limit:
            return "whole"
        score, peak = self.in_thresholds, self.map_scale.in_limits(self.places[0].peak)
        is_beside = self.beside_map and score is not None and peak is not None and score > peak
        return "whole" if is_beside else "regions"

    @property
    def explanation(self) -> str | None:
        """In whole sentences why the score is high, where regions do not show it."""
        if self.decided_by != "whole":
            return None
        texts = [_DECIDED[self.beside_map]] if self.beside_map else []
        return " ".join(texts if self._is_above_limit else [*texts, _HIGHEST])

    @property
    def _is_above_limit(self) -> bool:
        return bool(self.places) and self.places[0].peak > self.map_scale.region_threshold

    @cached_property
    def uncounted(self) -> np.ndarray | None:
        """(H, W) bool: what is ignored, or shows nothing of the original as a padded frame does; None: all counts."""
        height, width = self.anomaly_map.shape
        beyond = beyond_original((height, width), self.to_original, self.original_size)
        if beyond is None or self.ignored is None:
            return self.ignored if beyond is None else beyond
        return np.asarray(beyond | self.ignored)

    @property
    def ignored_share(self) -> float:
        """How much of what the model saw counts for nothing, in [0, 1)."""
        return 0.0 if self.ignored is None else float(self.ignored.mean())

    @property
    def caution(self) -> str | None:
        """All cautions in one text, or None."""
        return " ".join(caution.text for caution in self.cautions) or None

    def as_it_lay(self) -> "Inspection":
        """The same with its pictures turned back where preprocessing has turned the image; its regions need not be."""
        if not is_turned(self.to_original):
            return self
        way, rebuilt = (self.to_original, self.original_size), self.reconstruction
        return replace(
            self,
            to_original=whole_original(self.anomaly_map.shape, self.original_size),
            image=turned_back(self.image, *way, 0),
            anomaly_map=turned_back(self.anomaly_map, *way, self.map_scale.low),
            reconstruction=None if rebuilt is None else turned_back(rebuilt, *way, 0),
        )

    def to_json(self) -> dict[str, Any]:
        """The plain values, without the pictures, as in `cli/inspection.schema.json`."""
        return {
            "source": self.source,
            "decision": self.decision,
            "score": self.score,
            "threshold": self.threshold,
            "warn_threshold": self.warn_threshold,
            "p_value": self.p_value,
            "score_in_thresholds": self.in_thresholds,
            "decided_by": self.decided_by,
            "explanation": self.explanation,
            "regions": [self._region_json(region) for region in self.regions],
            "map_scale": asdict(self.map_scale),
            "ignored_share": self.ignored_share,
            "defect_type": self.defect_type,
            "caution": self.caution,
            "caution_kinds": [caution.kind for caution in self.cautions],
            "original_size": {"width": self.original_size[1], "height": self.original_size[0]},
        }

    def _region_json(self, region: Region) -> dict[str, Any]:
        return {**asdict(region), "peak_in_limits": self.map_scale.in_limits(region.peak)}


@dataclass(frozen=True)
class Unreadable:
    """An image that could not be inspected, and why."""

    source: str
    reason: str
