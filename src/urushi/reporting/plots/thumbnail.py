"""The small pictures of one inspected image that plots show, so that the large ones need not be kept."""

from dataclasses import dataclass

import numpy as np

from urushi.inspection import Decision, Inspection, MapScale
from urushi.reporting.heat_map import heat_map
from urushi.reporting.pictures import display_size, resize_image, resize_map, rgb_bytes

LONG_SIDE_PX = 256


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """One inspected image as it is shown, all pictures (h, w, 3) uint8 RGB of one size."""

    kind: str  # 'good' or the kind of the defect
    score: float
    threshold: float
    decision: Decision
    image: np.ndarray
    reconstruction: np.ndarray | None
    heat: np.ndarray  # the anomaly map on the fixed scale
    map_scale: MapScale
    shows_similar: bool = False  # the reconstruction is the most similar good image

    @property
    def caption(self) -> str:
        """What is said above its pictures."""
        return f"{self.kind}\nscore {self.score:.4g}\n{self.decision}"

    @classmethod
    def of(cls, inspection: Inspection, kind: str, *, long_side_px: int = LONG_SIDE_PX) -> "Thumbnail":
        """The pictures of an inspection, with the aspect ratio of the original."""
        is_normal = inspection.decision == "normal"
        size = display_size((inspection.view.height, inspection.view.width), long_side_px)
        rebuilt = inspection.rebuilt_picture
        return cls(
            kind=kind,
            score=inspection.score,
            threshold=inspection.threshold,
            decision=inspection.decision,
            image=resize_image(rgb_bytes(inspection.picture), size),
            reconstruction=None if rebuilt is None else resize_image(rgb_bytes(rebuilt), size),
            heat=heat_map(resize_map(inspection.anomaly_map, size), inspection.map_scale, is_normal=is_normal),
            map_scale=inspection.map_scale,
            shows_similar=inspection.shows_similar,
        )
