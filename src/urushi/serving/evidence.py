"""What shows why a decision fell: anomaly map, the image as the model saw it, and its reconstruction, in one file."""

import io
import zipfile
from collections.abc import Mapping
from typing import Any, NamedTuple

import cv2
import numpy as np

from urushi.data.appearance import FULL_SCALES
from urushi.data.writing import png
from urushi.errors import NotFoundError
from urushi.inspection import Inspection, MapScale, Region
from urushi.inspection.regions import inspected
from urushi.inspection.results import View
from urushi.reporting.heat_map import heat_layer, overlay
from urushi.reporting.pictures import display_size, resize_image, rgb_bytes, webp

AS_HELD_OUT = "as_held_out"  # what a threshold learns from a good image beside its score
DIFFERENCE_FULL = 0.25  # share of full scale that is shown as white, the same for all images and detectors
_SMALL_PX, _SMALL_BYTES = 240, 12_000  # of a thumbnail
_MAP, _IMAGE, _RECONSTRUCTION, _IGNORED = "map.npy", "image.png", "reconstruction.png", "ignored.png"


class Evidence(NamedTuple):
    """The pictures of one inspection."""

    anomaly_map: np.ndarray  # (H, W) float32
    image: np.ndarray  # (H, W, 3) uint8
    reconstruction: np.ndarray | None  # the same; None where the method rebuilds no pixels
    ignored: np.ndarray | None  # (H, W) bool


def packed(found: Inspection) -> bytes:
    """The pictures as a zip of a NumPy file and PNG files."""
    members = {_MAP: _npy(found.anomaly_map), _IMAGE: png(rgb_bytes(found.picture))}
    if (rebuilt := found.rebuilt_picture) is not None:
        members[_RECONSTRUCTION] = png(rgb_bytes(rebuilt))
    if found.ignored is not None:
        members[_IGNORED] = png(found.ignored)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def unpacked(content: bytes) -> Evidence:
    """The inverse of `packed`."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    rebuilt, ignored = members.get(_RECONSTRUCTION), members.get(_IGNORED)
    return Evidence(
        np.load(io.BytesIO(members[_MAP]), allow_pickle=False),
        _picture(members[_IMAGE]),
        None if rebuilt is None else _picture(rebuilt),
        None if ignored is None else _picture(ignored)[..., 0] > 0,
    )


def details_of(found: Inspection) -> dict[str, Any]:
    """The values of an inspection that are kept beside its pictures, and that draw the overlay."""
    counted = inspected(found.anomaly_map, found.ignored)
    as_held_out = {"map_peak": float(counted.max()), "map_median": float(np.median(counted)), "content": found.content}
    return {**found.to_json(), "light": dict(found.light), "view": found.view._asdict(), AS_HELD_OUT: as_held_out}


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
    """The image as the model saw it, in which light and contrast may be other than in the image as it came."""
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
    return thumbnail(unpacked(packed(found)), details_of(found))


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


def _npy(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return buffer.getvalue()


def _picture(content: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR))[..., ::-1]
