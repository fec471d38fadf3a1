"""Windows with a hole, so placed that the holes cover an image: what they cut out, and how they are put back."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from urushi.data.covering import starts

HolePosition = Annotated[
    Literal["anywhere", "centre"],
    Field(description="of a hole in its window: as near to the middle as the image's edge allows, or there only"),
]
_LEAST_DEVIATION = 0.02  # five grey levels: the noise of a flat window is not blown up
_Span = tuple[int, int]  # along one axis: where a hole starts, and the window around it


@dataclass(frozen=True)
class Windows:
    """Square windows with square holes; those with a hole in the middle only leave a frame of the image alone.

    Neighbouring holes share at least `overlap` of their side. Where holes overlap, their mean is taken.
    """

    window_px: int
    hole_px: int
    overlap: float
    position: str

    def spans(self, side_px: int) -> list[_Span]:
        """All holes along an axis, evenly spaced, the first and the last as far out as may be."""
        first, last = self._ends(side_px)
        covered_px = last + self.hole_px - first
        return [self._span(first + start, side_px) for start in starts(covered_px, self.hole_px, self.overlap)]

    def draw(self, images: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """n windows of each image at random places, (B·n, C, w, w), and the pixels of their holes (B·n, P)."""
        w = self.window_px
        rows, columns = (self.drawn(side, n * len(images)) for side in images.shape[2:])
        places = zip(rows[:, 1].tolist(), columns[:, 1].tolist(), strict=True)
        cut = [images[number // n, :, y : y + w, x : x + w] for number, (y, x) in enumerate(places)]
        offsets = torch.stack([rows[:, 0] - rows[:, 1], columns[:, 0] - columns[:, 1]], dim=1)
        return torch.stack(cut), self.pixels(offsets.to(images.device))

    def drawn(self, side_px: int, n: int) -> Tensor:
        """n holes at random along an axis, (n, 2) int64 as spans; as often at its ends as when an image is covered."""
        first, last = self._ends(side_px)
        drawn = torch.randint(first - self.hole_px, last + self.hole_px + 1, (n,)).clamp(first, last)
        return torch.tensor([self._span(start, side_px) for start in drawn.tolist()])

    def cut_all(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, N, C, w, w) with the windows row by row."""
        n, channels, height, width = images.shape
        rows, columns = (self._lines(side, images) for side in (height, width))
        found = images.index_select(2, rows).index_select(3, columns)
        w = self.window_px
        blocks = found.reshape(n, channels, len(rows) // w, w, len(columns) // w, w)
        return blocks.permute(0, 2, 4, 1, 3, 5).reshape(n, -1, channels, w, w)

    def all_pixels(self, height: int, width: int) -> Tensor:
        """Of the holes of `cut_all`, (N, P), as `pixels` gives them."""
        offsets = [[y - top, x - left] for y, top in self.spans(height) for x, left in self.spans(width)]
        return self.pixels(torch.tensor(offsets))

    def pixels(self, offsets: Tensor) -> Tensor:
        """Which pixels of its window a hole has, by its upper left corner there: (N, 2) -> (N, P), row by row."""
        steps = torch.arange(self.hole_px, device=offsets.device)
        rows, columns = (offsets[:, axis, None] + steps for axis in (0, 1))
        return (rows[:, :, None] * self.window_px + columns[:, None, :]).flatten(1)

    def put_back(self, images: Tensor, holes: Tensor) -> Tensor:
        """(B, C, H, W) with its pixels replaced by those of the holes (B, N, C, h, h) of `cut_all`."""
        n, channels, height, width = images.shape
        (rows, columns), h = (self._placing(side, images) for side in (height, width)), self.hole_px
        blocks = holes.reshape(n, rows.shape[1] // h, columns.shape[1] // h, channels, h, h)
        laid = blocks.permute(0, 3, 1, 4, 2, 5).reshape(n, channels, rows.shape[1], columns.shape[1])
        covered = rows.sum(dim=1)[:, None] * columns.sum(dim=1)
        return rows @ laid @ columns.T + images * (1 - covered)

    def _ends(self, side_px: int) -> tuple[int, int]:
        """Where the first and the last hole start."""
        margin = (self.window_px - self.hole_px) // 2 if self.position == "centre" else 0
        return margin, side_px - self.hole_px - margin

    def _span(self, start: int, side_px: int) -> _Span:
        wanted = start - (self.window_px - self.hole_px) // 2
        return start, min(max(wanted, 0), side_px - self.window_px)

    def _lines(self, side_px: int, like: Tensor) -> Tensor:
        """The lines of all windows along an axis, one window after the other."""
        found = [top + line for _, top in self.spans(side_px) for line in range(self.window_px)]
        return torch.tensor(found, device=like.device)

    def _placing(self, side_px: int, like: Tensor) -> Tensor:
        """(side, lines of all holes): each line of the image as the mean of the lines of holes that cover it."""
        lines = torch.tensor([start + line for start, _ in self.spans(side_px) for line in range(self.hole_px)])
        placing = torch.zeros(side_px, len(lines))
        placing[lines, torch.arange(len(lines))] = 1
        return (placing / placing.sum(dim=1, keepdim=True).clamp(min=1)).to(like)


def filled(windows: Tensor, holes: Tensor, pixels: Tensor) -> Tensor:
    """Windows (n, C, w, w) with holes (n, C, h, h) put where their pixels (n, P) are."""
    index = pixels[:, None].expand(-1, windows.shape[1], -1)
    return windows.flatten(2).scatter(2, index, holes.flatten(2)).view(windows.shape)


def taken(windows: Tensor, pixels: Tensor, hole_px: int) -> Tensor:
    """What lies in the holes of windows (n, C, w, w), (n, C, h, h)."""
    index = pixels[:, None].expand(-1, windows.shape[1], -1)
    return windows.flatten(2).gather(2, index).reshape(*windows.shape[:2], hole_px, hole_px)


def moments(windows: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of what is seen in each channel of each window, (n, C, 1, 1) each."""
    n = seen.sum(dim=(2, 3), keepdim=True)
    mean = (windows * seen).sum(dim=(2, 3), keepdim=True) / n
    variance = ((windows - mean).square() * seen).sum(dim=(2, 3), keepdim=True) / n
    return mean, (variance + _LEAST_DEVIATION**2).sqrt()
