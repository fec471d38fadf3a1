"""Images that are nearly the same: scans of one product, moved by a little and with other noise.

A perceptual hash, a thumbnail of which light and contrast are taken away, finds the few images that may be; then the
highest correlation of their finer detail over small shifts decides. The limit is strict: parts that are merely alike,
as screws that lie in one direction, are not to be named.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import cv2
import numpy as np
from numpy.typing import NDArray

_HASH_PX, _DETAIL_PX = 16, 128
_FINE, _COARSE = 0.7, 2.0  # px of the detail: deviations of the two blurs between which it lies
_MOST_SHIFT_PX = 4  # of the detail
_N_NEIGHBOURS = 8
_NEAR = 0.92  # different screws that lie alike reach 0.88
_ALIKE = 0.8  # where unrelated images reach this, as solar cells do, nothing tells scans from parts
_N_PAIRS = 400  # of which half tell how alike unrelated images are
_BLOCK = 512

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Imprint:
    """What is compared of one image."""

    thumbnail: FloatArray  # (256,) of mean 0 and deviation 1
    detail: NDArray[np.int8]  # (128, 128), the largest is ±127

    @classmethod
    def of(cls, image: np.ndarray) -> "Imprint":
        """Of (H, W) or (H, W, 3) of any depth."""
        small = cv2.resize(image, (_DETAIL_PX, _DETAIL_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
        small = small if small.ndim == 2 else small.mean(axis=2)
        thumbnail = cv2.resize(small, (_HASH_PX, _HASH_PX), interpolation=cv2.INTER_AREA).ravel()
        thumbnail = thumbnail - thumbnail.mean()
        detail = cv2.GaussianBlur(small, (0, 0), _FINE) - cv2.GaussianBlur(small, (0, 0), _COARSE)
        scale = float(np.abs(detail).max()) or 1.0
        return cls(thumbnail / (float(thumbnail.std()) or 1.0), np.round(127 * detail / scale).astype(np.int8))


def near_duplicates(imprints: Sequence[Imprint]) -> list[tuple[int, int]]:
    """Pairs i < j that show one product, as far as a shift of 3 % of the side and noise go; each with few others.

    None of fewer than three images, nor where all images are nearly as alike as scans are.
    """
    if len(imprints) < 3:
        return []
    details, thumbnails = [one.detail for one in imprints], np.stack([one.thumbnail for one in imprints])
    if _unrelated(details, thumbnails) >= _ALIKE:
        return []
    found = set[tuple[int, int]]()
    for i, others in enumerate(_neighbours(thumbnails)):
        others = [j for j in others if (min(i, j), max(i, j)) not in found]
        near = _correlations(details[i], [details[j] for j in others]) >= _NEAR
        found |= {(min(i, j), max(i, j)) for j, is_near in zip(others, near, strict=True) if is_near}
    return sorted(found)


def connected(pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Groups of what is joined by pairs, directly or not, each ascending."""
    group: dict[int, list[int]] = {}
    for i, j in pairs:
        one, other = group.setdefault(i, [i]), group.setdefault(j, [j])
        if one is not other:
            one += other
            group |= dict.fromkeys(other, one)
    return sorted({id(members): sorted(members) for members in group.values()}.values())


def _unrelated(details: Sequence[NDArray[np.int8]], thumbnails: FloatArray) -> float:
    """What pairs reach whose thumbnails are farther apart than those of half of them, but for one in a hundred."""
    pairs = np.random.default_rng(0).integers(0, len(details), (_N_PAIRS, 2))
    apart = np.linalg.norm(thumbnails[pairs[:, 0]] - thumbnails[pairs[:, 1]], axis=1)
    far = pairs[(apart >= np.median(apart)) & (pairs[:, 0] != pairs[:, 1])]
    distinct, places = np.unique(np.sort(far, axis=1), axis=0, return_inverse=True)  # few images are drawn often
    of_one = groupby(distinct.tolist(), key=lambda pair: pair[0])
    reached = [float(c) for i, those in of_one for c in _correlations(details[i], [details[j] for _, j in those])]
    return float(np.quantile(np.take(reached, places.ravel()), 0.99)) if reached else 1.0


def _neighbours(thumbnails: FloatArray) -> Iterator[list[int]]:
    """Of each image the nearest others, from products of whole blocks: thousands of images take seconds."""
    squares = np.square(thumbnails).sum(axis=1)
    n = min(_N_NEIGHBOURS, len(thumbnails) - 1)
    for start in range(0, len(thumbnails), _BLOCK):
        block = thumbnails[start : start + _BLOCK]
        distances = squares - 2 * block @ thumbnails.T
        distances[np.arange(len(block)), start + np.arange(len(block))] = np.inf
        yield from np.argpartition(distances, n - 1, axis=1)[:, :n].tolist()


def _correlations(one: NDArray[np.int8], others: Sequence[NDArray[np.int8]]) -> FloatArray:
    """The highest over shifts, in [-1, 1], (n,); images of one level all over correlate with none."""
    if not others:
        return np.empty(0, np.float32)
    details = np.stack([one, *others]).astype(np.float32)
    spectra = np.fft.rfft2(details / np.maximum(np.linalg.norm(details, axis=(1, 2), keepdims=True), 1e-6))
    over_shifts = np.fft.irfft2(spectra[1:] * np.conj(spectra[0]), s=one.shape)
    reach = np.r_[-_MOST_SHIFT_PX : _MOST_SHIFT_PX + 1]
    return np.asarray(over_shifts[:, reach[:, None], reach].max(axis=(1, 2)), dtype=np.float32)
