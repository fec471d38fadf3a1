"""Colour an anomaly map on its detector's fixed scale: the same value has the same colour in every image."""

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np

from urushi.errors import InputError
from urushi.inspection import MapScale, Region, View
from urushi.reporting.pictures import display_size, resize_image, resize_map, rgb_bytes

OVERLAY_OPACITY = 0.85  # of the bright end; the dark end is transparent
_MOST_NORMAL = 0.25  # of the scale: dark, and nearly transparent
_LAST_COLOUR = 225  # inferno ends in a pale yellow that is lost on bright parts: stop at gold
_HATCH_PX = 16  # from stripe to stripe
_BOX_OUTER, _BOX_INNER = (20, 20, 20), (255, 255, 255)  # light on dark, so that it shows on any picture


def heat_map(anomaly_map: np.ndarray, scale: MapScale, *, is_normal: bool = False) -> np.ndarray:
    """Colour a map (H, W) as (H, W, 3) uint8 RGB: `low` black, `region_threshold` in the middle, `high` gold.

    Values beyond the scale are clipped; in a normal image, those beyond half way to `region_threshold`. Raises
    InputError if the map is not two-dimensional.
    """
    return np.ascontiguousarray(heat_layer(anomaly_map, scale, is_normal=is_normal)[..., :3])


def heat_layer(anomaly_map: np.ndarray, scale: MapScale, *, is_normal: bool = False) -> np.ndarray:
    """Colour a map (H, W) as (H, W, 4) uint8 RGBA whose opacity rises with the value, to be laid over the image.

    The colours follow the decision: a normal image does not glow, whatever its map.
    """
    places = np.minimum(scale_fraction(anomaly_map, scale), _MOST_NORMAL if is_normal else 1)
    return np.asarray(_colours()[np.rint(places * 255).astype(np.uint8)])


def overlay(
    image: np.ndarray,
    anomaly_map: np.ndarray,
    scale: MapScale,
    regions: Sequence[Region],
    view: View,
    *,
    long_side_px: int = 512,
    ignored: np.ndarray | None = None,
) -> np.ndarray:
    """Blend image (H, W, C) in [0, 1] and heat map, box the regions, hatch what is ignored: (h, w, 3) uint8 RGB.

    Without regions the image is a normal one. The picture has the aspect ratio of the `view`, which like `regions` is
    given in pixels of the original image.
    """
    size = display_size((view.height, view.width), long_side_px)
    layer = heat_layer(resize_map(anomaly_map, size), scale, is_normal=not regions)
    alpha = layer[..., 3:].astype(np.float32) / 255 * OVERLAY_OPACITY
    blend = resize_image(rgb_bytes(image), size) * (1 - alpha) + layer[..., :3] * alpha
    picture = np.ascontiguousarray(np.rint(blend).astype(np.uint8))
    _hatch(picture, ignored)
    _draw_boxes(picture, regions, view)
    return picture


def scale_fraction(anomaly_map: np.ndarray, scale: MapScale) -> np.ndarray:
    """Give the place of each value on the fixed scale, in [0, 1]; `region_threshold` is at 0.5."""
    if anomaly_map.ndim != 2:
        raise InputError(
            f"An anomaly map has the shape (H, W), not {anomaly_map.shape}: pass one channel of one image."
        )
    knots = [scale.low, scale.region_threshold, scale.high]
    # A value that is not a number must not pass for normal, so it takes the bright end.
    values = np.nan_to_num(anomaly_map.astype(np.float64), nan=np.inf)
    return np.asarray(np.interp(values, knots, [0.0, 0.5, 1.0]))


def colour_stops(n_stops: int = 17) -> list[tuple[float, str]]:
    """List the colours of the scale from dark to bright as (place in [0, 1], '#rrggbb'), for a colour bar."""
    places = np.linspace(0, 1, n_stops)
    return [(float(p), "#{:02x}{:02x}{:02x}".format(*_colours()[round(p * 255), :3])) for p in places]


@cache
def _colours() -> np.ndarray:
    ramp = np.rint(np.linspace(0, _LAST_COLOUR, 256)).astype(np.uint8)[:, None]  # (256, 1) in any OpenCV
    colours = cv2.applyColorMap(ramp, cv2.COLORMAP_INFERNO)[:, 0, ::-1]
    place = np.linspace(0, 1, 256)
    # Steep round the region threshold: normal texture stays as it is, and what passes the threshold is plain to see.
    opacity = place**2 * (3 - 2 * place)
    return np.column_stack([colours, np.rint(255 * opacity).astype(np.uint8)])  # (256, 4) RGBA


def _hatch(picture: np.ndarray, ignored: np.ndarray | None) -> None:
    """Halves the light of what is ignored, (H, W) bool, but for stripes."""
    if ignored is None:
        return
    height, width = picture.shape[:2]
    within = cv2.resize(ignored.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST).view(bool)
    is_stripe = np.add.outer(np.arange(height), np.arange(width)) % _HATCH_PX < _HATCH_PX // 4
    picture[within & ~is_stripe] //= 2


def _draw_boxes(picture: np.ndarray, regions: Sequence[Region], view: View) -> None:
    scale_y, scale_x = picture.shape[0] / view.height, picture.shape[1] / view.width
    for region in regions:
        left, top = region.x - view.x, region.y - view.y
        start = (round(left * scale_x), round(top * scale_y))
        end = (round((left + region.width) * scale_x) - 1, round((top + region.height) * scale_y) - 1)
        cv2.rectangle(picture, start, end, _BOX_OUTER, 3)
        cv2.rectangle(picture, start, end, _BOX_INNER, 1)
