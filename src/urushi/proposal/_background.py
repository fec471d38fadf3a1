"""What surrounds the object in a stack of frames, told by their histogram and their borders."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

_BORDER_PX = 3
_RARE = 0.2  # of its share in the whole image, and the object does not reach the border
_OPENING_PX = 7  # narrower stretches at background level are details of the object


@dataclass(frozen=True)
class Background:
    """What surrounds the object: brighter or darker than `valley`, the emptiest level between the two."""

    tone: Literal["bright", "dark"]
    valley: float  # 0…255, like all levels here

    @property
    def object_is(self) -> Literal["darker", "brighter"]:
        """The object, as the step `crop` calls it."""
        return "darker" if self.tone == "bright" else "brighter"

    def holds(self, levels: np.ndarray, limit: float | None = None) -> np.ndarray:
        """Where levels are those of the background, or beyond another limit."""
        limit = self.valley if limit is None else limit
        return np.asarray(levels > limit if self.tone == "bright" else levels <= limit)


def find_background(frames: np.ndarray) -> tuple[Background | None, str]:
    """What surrounds the object, and why: the side of the valley whose other side is rare at the borders only."""
    valley = _valley(frames)
    everywhere, at_border = ((levels > valley).mean() for levels in (frames, border(frames)))
    if at_border < _RARE * everywhere:
        found, share, of_all = Background("dark", valley), at_border, everywhere
    elif 1 - at_border < _RARE * (1 - everywhere):
        found, share, of_all = Background("bright", valley), 1 - at_border, 1 - everywhere
    else:
        return None, f"No background: levels above and below {valley:.4g} both reach the border of the images."
    levels = f"levels {found.object_is} than {valley:.4g} are {percent(of_all)} of the images"
    return found, f"The background is {found.tone}: {levels}, but {percent(share)} of their border."


def _valley(frames: np.ndarray) -> float:
    """The emptiest level between the modes on both sides of Otsu's threshold; near that if there is one mode only."""
    levels = np.rint(frames).astype(np.uint8).reshape(-1, 1)
    threshold = int(cv2.threshold(levels, 0, 255, cv2.THRESH_OTSU)[0])
    counts = np.bincount(levels[:, 0], minlength=256).astype(np.float64)
    smooth = cv2.GaussianBlur(counts[None], (0, 0), 3, borderType=cv2.BORDER_CONSTANT)[0]
    dark, bright = int(smooth[: threshold + 1].argmax()), threshold + 1 + int(smooth[threshold + 1 :].argmax())
    between = smooth[dark : bright + 1]
    return dark + float(np.flatnonzero(between <= between.min() + 0.5).mean())


def share_lost(frames: np.ndarray, background: Background, cut: float) -> float:
    """The share of the object whose levels a cut through those of the background would turn uniform as well."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_OPENING_PX, _OPENING_PX))
    solid = [cv2.morphologyEx(mask, cv2.MORPH_OPEN, kernel) for mask in background.holds(frames).astype(np.uint8)]
    around = np.array([cv2.dilate(mask, np.ones((3, 3), np.uint8)) for mask in solid]) > 0  # blurred edges are neither
    return float((background.holds(frames, cut) & ~around).sum() / max((~around).sum(), 1))


def border(frames: np.ndarray) -> np.ndarray:
    """The outermost levels of each frame: (n, …)."""
    is_border = np.ones(frames.shape[1:], bool)
    is_border[_BORDER_PX:-_BORDER_PX, _BORDER_PX:-_BORDER_PX] = False
    return np.asarray(frames[:, is_border])


def percent(share: float) -> str:
    """In words of a reason."""
    return "under 1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"
