"""What shows why a decision fell: anomaly map, the image as the model saw it, and its reconstruction."""

import io
import threading
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np

from urushi.data.appearance import FULL_SCALES
from urushi.data.writing import png
from urushi.detector import Detector
from urushi.errors import NotFoundError
from urushi.inspection import Inspection, MapScale, Region
from urushi.inspection.regions import inspected
from urushi.inspection.results import View
from urushi.reporting.heat_map import heat_layer, overlay
from urushi.reporting.pictures import display_size, resize_image, rgb_bytes, webp

HAS_RECONSTRUCTION = "has_reconstruction"
AS_HELD_OUT = "as_held_out"  # what of this is not in the map
DIFFERENCE_FULL = 0.25  # share of full scale that is shown as white, the same for all images and detectors
_SMALL_PX, _SMALL_BYTES = 240, 12_000  # of a thumbnail
_MAP, _IMAGE, _RECONSTRUCTION, _IGNORED = "map.npy", "image.png", "reconstruction.png", "ignored.png"


Made = TypeVar("Made")


@dataclass(frozen=True)
class Evidence:
    """The pictures of one inspection: the map as it was kept, the others as the same detector makes them again."""

    anomaly_map: np.ndarray  # (H, W) float32
    ignored: np.ndarray | None  # (H, W) bool
    has_reconstruction: bool  # not where the method rebuilds no pixels
    _seen: Callable[[], np.ndarray]
    _rebuilt: Callable[[], np.ndarray | None]

    @property
    def image(self) -> np.ndarray:
        """(H, W, 3) uint8, as the model saw it; raises what keeps it from being made again."""
        return self._seen()

    @property
    def reconstruction(self) -> np.ndarray | None:
        """The same; None where there is none."""
        return self._rebuilt() if self.has_reconstruction else None


def packed(found: Inspection) -> bytes:
    """What cannot be made again from the image, as a zip of a NumPy file and, where something is ignored, a PNG file.

    To encode the pictures as well takes a third of the time of inspecting.
    """
    members = {_MAP: _npy(found.anomaly_map)}
    if found.ignored is not None:
        members[_IGNORED] = png(found.ignored)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def unpacked(
    content: bytes, details: Mapping[str, Any], detector: Callable[[], Detector], original: Callable[[], Path]
) -> Evidence:
    """The pictures of what was `packed`; files of an older Urushi have image and reconstruction in them."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    ignored = members.get(_IGNORED)
    anomaly_map = np.load(io.BytesIO(members[_MAP]), allow_pickle=False)
    places = None if ignored is None else _picture(ignored)[..., 0] > 0
    if _IMAGE in members:
        rebuilt = None if _RECONSTRUCTION not in members else _picture(members[_RECONSTRUCTION])
        image = _picture(members[_IMAGE])
        return Evidence(anomaly_map, places, rebuilt is not None, lambda: image, lambda: rebuilt)
    return Evidence(
        anomaly_map,
        places,
        details[HAS_RECONSTRUCTION],
        _once(lambda: rgb_bytes(detector().picture(original()))),
        _once(lambda: _reconstruction_of(detector().inspect(original()))),
    )


def details_of(found: Inspection) -> dict[str, Any]:
    """The values of an inspection that are kept beside its pictures, and that draw the overlay."""
    as_held_out = {"content": found.content}
    shown = {"view": found.view._asdict(), HAS_RECONSTRUCTION: found.reconstruction is not None}
    return {**found.to_json(), "light": dict(found.light), **shown, AS_HELD_OUT: as_held_out}


def as_held_out(evidence: Evidence, details: Mapping[str, Any]) -> dict[str, Any]:
    """Of a good image, what a threshold learns from it beside its score."""
    counted = inspected(evidence.anomaly_map, evidence.ignored)
    return {"map_peak": float(counted.max()), "map_median": float(np.median(counted)), **details[AS_HELD_OUT]}


def map_png(evidence: Evidence, details: Mapping[str, Any]) -> bytes:
    """The heat map alone, transparent where it is dark, on the detector's fixed scale."""
    scale, is_normal = MapScale(**details["map_scale"]), not details["regions"]
    return png(heat_layer(evidence.anomaly_map, scale, is_normal=is_normal))


def difference_png(evidence: Evidence, _details: Mapping[str, Any]) -> bytes:
    """How far the image is from its reconstruction in any channel: black for equal, white from `DIFFERENCE_FULL` on.

    Raises NotFoundError without a reconstruction.
    """
    apart = cv2.absdiff(evidence.image, _rebuilt(evidence)).max(axis=2).astype(np.float32)
    return png(np.rint(np.minimum(apart / DIFFERENCE_FULL, 255)).astype(np.uint8))


def seen_png(evidence: Evidence, _details: Mapping[str, Any]) -> bytes:
    """The image as the model saw it, not darker than it came; size and contrast may be other."""
    return png(evidence.image)


def reconstruction_png(evidence: Evidence, _details: Mapping[str, Any]) -> bytes:
    """The reconstruction, or the most similar good image; raises NotFoundError without one."""
    return png(_rebuilt(evidence))


def overlay_png(evidence: Evidence, details: Mapping[str, Any]) -> bytes:
    """The image under its heat map, with boxes round its regions."""
    return png(_overlay(evidence, details))


def thumbnail(evidence: Evidence, details: Mapping[str, Any]) -> bytes:
    """The same as a small WebP file, for pages with many."""
    return webp(_overlay(evidence, details, long_side_px=_SMALL_PX), _SMALL_BYTES)


def scaled(image: np.ndarray, most_px: int) -> np.ndarray:
    """A decoded image as (h, w, 3) uint8 RGB, its longer side `most_px` at most."""
    pixels = rgb_bytes((image if image.ndim == 3 else image[..., None]) / FULL_SCALES[str(image.dtype)])
    return resize_image(pixels, display_size(pixels.shape[:2], min(most_px, max(pixels.shape[:2]))))


def thumbnail_of(found: Inspection) -> bytes:
    """The same of an inspection that is not kept."""
    shown = Evidence(
        found.anomaly_map,
        found.ignored,
        found.reconstruction is not None,
        lambda: rgb_bytes(found.picture),
        lambda: _reconstruction_of(found),
    )
    return thumbnail(shown, details_of(found))


def _once(make: Callable[[], Made]) -> Callable[[], Made]:
    """Makes it for who asks first, and again only if that failed; who asks meanwhile waits."""
    making, made = threading.Lock(), list[Made]()

    def found() -> Made:
        with making:
            if not made:
                made.append(make())
            return made[0]

    return found


def _rebuilt(evidence: Evidence) -> np.ndarray:
    if evidence.reconstruction is None:
        raise NotFoundError("this detector rebuilds features, no pixels: it has no picture of what is normal")
    return evidence.reconstruction


def _overlay(evidence: Evidence, details: Mapping[str, Any], long_side_px: int = 512) -> np.ndarray:
    regions = [Region(**{name: one[name] for name in Region.__dataclass_fields__}) for one in details["regions"]]
    scale, view = MapScale(**details["map_scale"]), View(**details["view"])
    image = evidence.image.astype(np.float32) / 255
    how: dict[str, Any] = {"long_side_px": long_side_px, "ignored": evidence.ignored}
    return overlay(image, evidence.anomaly_map, scale, regions, view, **how)


def _reconstruction_of(found: Inspection) -> np.ndarray | None:
    return None if (rebuilt := found.rebuilt_picture) is None else rgb_bytes(rebuilt)


def _npy(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return buffer.getvalue()


def _picture(content: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR))[..., ::-1]
