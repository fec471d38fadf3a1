"""Which pixels of a mask are a defect, by its levels, colours, palette and transparency; refuses what is ambiguous."""

import cv2
import numpy as np

from urushi.data._pixels import RefusalError

_MOST_IDS = 16  # so many levels may be labels, even where their regions are thin
_FAINT = 16  # of 255; in a JPEG, levels up to here can't be told from its noise
_HIGHEST_ID = 20  # beside which 255 usually means 'ignore'
_END = 8  # levels within an eighth of the range from its ends are ground or defect, between them edges
_FLAT = 32  # in a JPEG, neighbours within so small a part of the range are alike …
_MOST_FLAT = 0.1  # … as in labels a sixth of them and more is, in soft edges a hundredth
_UNIFORM = 0.8  # of the border, at least, has the colour of a ground that is not black


def by_levels(levels: np.ndarray, *, is_lossy: bool) -> np.ndarray:
    """A mask (H, W) of any depth as bool.

    Two levels and labels: all but 0; soft edges and noise: above half of the highest level. Raises RefusalError.
    """
    found = _distinct(levels)
    low, high = found[0], found[-1]
    if low < 0 and (found.size > 2 or high <= 0):
        raise RefusalError(f"the mask has negative levels (from {low:g}); write 0 where there is no defect")
    if is_lossy and high > 0:
        return _of_jpeg(levels, high)
    if not ((found > 0) & (found < high)).any():
        return np.asarray(levels > 0)
    if _has_labels(levels, found):
        return _of_labels(levels, found)
    return _above_half(levels, high)


def grey_of(pixels: np.ndarray) -> np.ndarray:
    """Colours (H, W, 3) as one level each: the brightest channel, or on a light ground the distance from it."""
    if pixels.ndim == 2:
        return pixels
    first, second, third = cv2.split(pixels)
    brightest, darkest = cv2.max(cv2.max(first, second), third), cv2.min(cv2.min(first, second), third)
    near = brightest.max() / _END
    if cv2.subtract(brightest, darkest).max() <= near:
        return brightest
    edge = border(pixels).astype(np.float32)
    ground = np.median(edge, axis=0)
    if ground.max() <= near:
        return brightest
    _require_ground(edge, ground, pixels, near)
    return np.asarray(np.abs(pixels.astype(np.float32) - ground).max(axis=2))


def by_palette(index: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """A mask with a palette: the index counts, or the grey level where all colours in use are grey and one is black.

    Programs that reduce colours order a palette at will, so the other reading counts where it alone spares the border.
    """
    levels = colours.max(axis=2)
    is_grey = bool((colours == colours[:, :, :1]).all())
    by_index = index > 0
    if levels.min() > 0 or levels.max() == 0 or (not is_grey and border(by_index).mean() <= 0.5):
        _refuse_ignored(_distinct(index))
        return by_index
    by_colour = by_levels(levels, is_lossy=False)
    first, second = (by_colour, by_index) if is_grey else (by_index, by_colour)
    return second if border(first).mean() > 0.5 >= border(second).mean() else first


def by_alpha(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """A mask whose transparency varies: what is visible, and marked too where several colours are visible."""
    if (pixels == pixels[:1, :1]).all():
        return by_levels(alpha, is_lossy=False)
    if alpha.min() > 0:
        return by_levels(grey_of(pixels), is_lossy=False)
    visible = by_levels(alpha, is_lossy=False)
    seen = pixels[visible]
    if (seen == seen[:1]).all():
        return visible
    return np.asarray(by_levels(np.where(visible, grey_of(pixels), 0), is_lossy=False) & visible)


def border(pixels: np.ndarray) -> np.ndarray:
    """The outermost pixels, one after the other."""
    sides = (pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1])
    return np.concatenate(sides)


def _distinct(levels: np.ndarray) -> np.ndarray:
    if levels.dtype.kind != "u":
        return np.unique(levels)
    n_levels = 1 << (8 * levels.dtype.itemsize)
    counts = cv2.calcHist([np.ascontiguousarray(levels)], [0], None, [n_levels], [0, n_levels])
    return np.flatnonzero(counts)


def _of_jpeg(levels: np.ndarray, high: float) -> np.ndarray:
    if high <= _FAINT:
        raise RefusalError(f"a JPEG can't hold levels as close as 0…{high:g}; save the mask as PNG")
    if _share_flat(levels, _between(levels, high), high / _FLAT) > _MOST_FLAT:
        raise RefusalError("a JPEG with areas of levels between black and bright, maybe labels; save the mask as PNG")
    return _above_half(levels, high)


def _of_labels(levels: np.ndarray, found: np.ndarray) -> np.ndarray:
    if found[0] > 0:
        raise RefusalError(f"no pixel of the mask is 0 ({_listed(found)}), so its ground is unclear; write 0 there")
    _refuse_ignored(found)
    return np.asarray(levels > 0)


def _refuse_ignored(found: np.ndarray) -> None:
    labels = found[(found > 0) & (found < 255)]
    if found[-1] == 255 and labels.size and labels.size == labels[-1] <= _HIGHEST_ID:
        raise RefusalError(
            f"the mask has 255 beside {_listed(labels)}, which may mean 'ignore' or a defect; "
            "write 0 or the number of a defect instead"
        )


def _above_half(levels: np.ndarray, high: float) -> np.ndarray:
    if _between(levels, high).mean() > 0.5:
        raise RefusalError("most of its pixels are neither black nor bright; it looks like a picture, not like a mask")
    return np.asarray(levels > high / 2)


def _has_labels(levels: np.ndarray, found: np.ndarray) -> bool:
    """Whether levels between ground and the highest are regions of their own, not edges or noise."""
    high = found[-1]
    if high < _MOST_IDS and (found == np.rint(found)).all():
        return True
    if found.size <= _MOST_IDS:
        return not _is_noise(found, high) and not _is_graded(levels, high)
    return not _is_noise(levels, high) and _is_flat(levels, high)


def _is_noise(values: np.ndarray, high: float) -> bool:
    """Whether what is neither 0 nor the highest level lies beside both of them, and little of it between."""
    inner = values[(values > 0) & (values < high)]
    is_low, is_high = inner < high / _END, inner > high - high / _END
    return bool(is_low.any() and is_high.any() and (is_low | is_high).mean() > 0.75)


def _is_graded(levels: np.ndarray, high: float) -> bool:
    """Whether most pixels between have both a lower and a higher neighbour."""
    values, around = levels.astype(np.float32), np.ones((3, 3), np.uint8)
    is_step = (cv2.erode(values, around) < values) & (values < cv2.dilate(values, around))
    return bool(is_step[(levels > 0) & (levels < high)].mean() > 0.5)


def _is_flat(levels: np.ndarray, high: float) -> bool:
    """Whether most pixels between are like all their neighbours."""
    return _share_flat(levels, (levels > 0) & (levels < high), 0) > 0.5


def _share_flat(levels: np.ndarray, where: np.ndarray, tolerance: float) -> float:
    """Of the pixels there, which share differs from none of its neighbours by more than a tolerance."""
    values, around = levels.astype(np.float32), np.ones((3, 3), np.uint8)
    is_same = cv2.dilate(values, around) - cv2.erode(values, around) <= tolerance
    return float(is_same[where].mean()) if where.any() else 0.0


def _between(levels: np.ndarray, high: float) -> np.ndarray:
    """Which pixels are neither ground nor as bright as the defect."""
    return np.asarray((levels > high / _END) & (levels < high - high / _END))


def _require_ground(edge: np.ndarray, ground: np.ndarray, pixels: np.ndarray, near: float) -> None:
    share = (np.abs(edge - ground).max(axis=1) <= near).mean()
    is_white = ground.min() >= pixels.max() - near
    if share < _UNIFORM or (not is_white and (pixels.max(axis=2) <= near).any()):
        raise RefusalError("in this coloured mask the ground is unclear; make it black, with the defects in colour")


def _listed(found: np.ndarray) -> str:
    return ", ".join(f"{level:g}" for level in found[:4]) + (" …" if found.size > 4 else "")
