"""An image larger than the network's input, inspected in overlapping tiles whose maps are blended."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np

from urushi.data.covering import starts
from urushi.data.stream import batches, side_by_side
from urushi.printable import in_px
from urushi.recipe import Tiling
from urushi.runtime.backend import Backend, Output

_MOST_AT_ONCE = 1 << 24  # px: 4096 × 4096
Place = tuple[int, int]  # row and column of a tile, of its upper left corner in px


@dataclass(frozen=True)
class TileGrid:
    """Square tiles that cover an image evenly; neighbours share at least `overlap` of a tile.

    A tile's weight falls to nothing towards its edges, where a network sees only half of the surroundings, except at
    the edges of the image. The weights of all tiles add up to one at every pixel; as they are products of one vector
    per axis, no map of them is kept.
    """

    tile_px: int
    overlap: float
    one_pass: bool = False

    @classmethod
    def of(cls, section: Tiling) -> "TileGrid | None":
        """As the recipe asks for; None where images are inspected whole."""
        return cls(section.tile_px, section.overlap, section.one_pass) if section.tile_px else None

    def run(self, backend: Backend, image: np.ndarray, pattern: np.ndarray | None = None) -> Output:
        """The output for one image (C, H, W), each side at least a tile, as a batch of one.

        `pattern` (tile, tile) is what a place within a tile adds to the map by being there, see `pattern_of`.
        The score is the highest of the tiles': a small defect shall not be averaged away in a large image. Memory is
        that of the image and its maps, and of a few tiles. In one pass it is some 200 times that of the image; a tile's
        score then is the mean of the map there.
        """
        if self.one_pass:
            return self._at_once(backend, image)
        rows, columns = (self._axis(side) for side in image.shape[1:])
        canvas = _Canvas(image, np.zeros((self.tile_px, self.tile_px), np.float32) if pattern is None else pattern)
        groups = list(batches(product(rows, columns), backend.batch_size))
        tiles = (np.stack([self.cut(image, (y, x)) for y, x in group]) for group in groups)
        for group, output in zip(groups, side_by_side(backend.run_beside, tiles, backend.n_parallel), strict=True):
            for number, (y, x) in enumerate(group):
                canvas.add(output, number, (y, x), np.outer(rows[y], columns[x]))
        return canvas.output()

    def problem(self, shape: tuple[int, ...]) -> str | None:
        """Why an image (C, H, W) cannot be tiled, or None."""
        if self.one_pass and shape[1] * shape[2] > _MOST_AT_ONCE:
            return f"it is {in_px(shape[1:])}, too large for one pass; fit with tiling.one_pass=false"
        if min(shape[1:]) >= self.tile_px:
            return None
        return f"after preprocessing it is {in_px(shape[1:])}, less than a tile of {self.tile_px} px"

    def places(self, height_px: int, width_px: int) -> list[Place]:
        """The upper left corners of all tiles, row by row."""
        rows, columns = (starts(side, self.tile_px, self.overlap) for side in (height_px, width_px))
        return list(product(rows, columns))

    def n_tiles(self, shape: tuple[int, ...]) -> int:
        """How many tiles an image of (height, width) px has."""
        return len(self.places(*shape))

    def drawn(self, image: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
        """At most n tiles (n, C, tile, tile) to learn from: those of the grid, or as many at random places."""
        height, width = image.shape[1:]
        places = self.places(height, width)
        if len(places) > n:
            tops, lefts = (rng.integers(side - self.tile_px + 1, size=n) for side in (height, width))
            places = list(zip(tops.tolist(), lefts.tolist(), strict=True))
        return np.stack([self.cut(image, place) for place in places])

    def cut(self, image: np.ndarray, place: Place) -> np.ndarray:
        """The tile (C, tile, tile) of an image (C, H, W) whose upper left corner is at a place."""
        y, x = place
        return image[:, y : y + self.tile_px, x : x + self.tile_px]

    def _at_once(self, backend: Backend, image: np.ndarray) -> Output:
        output = backend.run(image[None])
        means = [self.cut(output.anomaly_maps, place).mean() for place in self.places(*image.shape[1:])]
        return output._replace(scores=np.array([np.max(means)], np.float32))  # NaN, if any is

    def _axis(self, side_px: int) -> dict[int, np.ndarray]:
        """The weights (tile,) float32 of the tiles along one axis by where they start."""
        places = starts(side_px, self.tile_px, self.overlap)
        raw = [self._profile(is_first=place == 0, is_last=place == places[-1]) for place in places]
        total = np.zeros(side_px)
        for start, weights in zip(places, raw, strict=True):
            total[start : start + self.tile_px] += weights
        pairs = zip(places, raw, strict=True)
        return {start: (w / total[start : start + self.tile_px]).astype(np.float32) for start, w in pairs}

    def _profile(self, *, is_first: bool, is_last: bool) -> np.ndarray:
        """One in the middle, falling like a raised cosine over the overlap where there is a neighbour."""
        weights, n = np.ones(self.tile_px), round(self.overlap * self.tile_px)
        ramp = np.sin(np.pi / 2 * (np.arange(n) + 0.5) / max(n, 1)) ** 2
        if not is_first:
            weights[:n] *= ramp
        if not is_last:
            weights[self.tile_px - n :] *= ramp[::-1]
        return weights


def pattern_of(outputs: Iterable[Output]) -> np.ndarray:
    """How the mean map of normal tiles differs from place to place, (tile, tile) float32 with a mean of zero.

    A network sees less at the edges of a tile and counts its strides from there, so its residual depends on the place
    even where nothing in the images does. Repeated from tile to tile, that would show as a pattern.
    """
    total, n = np.zeros(()), 0
    for output in outputs:
        total, n = total + output.anomaly_maps.sum(axis=0, dtype=float), n + len(output.anomaly_maps)
    mean = total / n
    pattern: np.ndarray = (mean - mean.mean()).astype(np.float32)
    return pattern


class _Canvas:
    """Sums of weighted tiles."""

    def __init__(self, image: np.ndarray, pattern: np.ndarray) -> None:
        self.shape, self.score, self.pattern = image.shape, -np.inf, pattern
        self.anomaly_map = np.zeros(image.shape[1:], np.float32)
        self.reconstruction: np.ndarray | None = None

    def add(self, output: Output, number: int, place: Place, weights: np.ndarray) -> None:
        """One tile of a batch; `weights` are (tile, tile)."""
        (y, x), (height, width) = place, weights.shape
        window = np.s_[..., y : y + height, x : x + width]
        self.anomaly_map[window] += weights * (output.anomaly_maps[number] - self.pattern)
        self.score = np.maximum(self.score, output.scores[number])  # NaN, if any is
        if output.reconstructions is not None:
            self.reconstruction = (
                np.zeros(self.shape, np.float32) if self.reconstruction is None else self.reconstruction
            )
            self.reconstruction[window] += weights * output.reconstructions[number]

    def output(self) -> Output:
        """What was added, as a batch of one."""
        rebuilt = None if self.reconstruction is None else self.reconstruction[None]
        return Output(rebuilt, self.anomaly_map[None], np.array([self.score], np.float32))
