"""Keep the pictures of the worst images, and no more of them than will be shown; those of others go into a folder."""

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from urushi.errors import InputError
from urushi.inspection import Inspection, Region, View
from urushi.reporting.heat_map import heat_layer
from urushi.reporting.outline import contours, outline
from urushi.reporting.picture_folder import PictureFolder
from urushi.reporting.pictures import (
    data_uri,
    display_size_of_area,
    from_data_uri,
    resize_image,
    resize_map,
    rgb_bytes,
    webp,
)

SIDE_PX = 256  # of a square picture; others have as many pixels
_SMALL_PX = 128  # of heat maps without a card, which are smooth, and of which there may be very many
_MOST_BOXES = 50  # more boxes than this hide the part they point at
_ELONGATED, _BAND = 1.8, 3.6  # how much longer than high is broad, and so wide that it takes the whole width


@dataclass(frozen=True)
class Card:
    """One image of the gallery, pictures encoded; `outcome` is 'missed', 'false alarm', 'found', 'passed' or ''."""

    number: int  # of the image among all that were inspected, from 0
    source: str
    decision: str
    score: float
    in_thresholds: float | None  # the score in units of the threshold
    p_value: float
    label: str | None
    outcome: str
    original_size: tuple[int, int]  # height, width in px
    view: View
    size: tuple[int, int]  # height, width in px as shown
    image: str  # data URI, like the next two
    reconstruction: str | None
    caption: str  # of it
    heat: str
    regions: tuple[Region, ...]  # the first ones, largest peak first
    n_regions: int
    ignored: tuple[str, ...]  # contours of what counts for nothing, as SVG paths in px of the view
    ignored_share: float
    truth: tuple[str, ...]  # contours of the true mask, as SVG paths in px of the original
    defect_type: str | None
    explanation: str | None  # why the score is high, where the regions do not show it
    caution: str | None  # why the threshold may not hold for it

    @property
    def shape(self) -> str:
        """Say whether the picture is 'wide', 'broad', 'tall', 'tall narrow' or 'even', which decides the layout."""
        height, width = self.size
        if height > _ELONGATED * width:
            return "tall narrow" if height > _BAND * width else "tall"
        return "wide" if width > _BAND * height else "broad" if width > _ELONGATED * height else "even"

    @property
    def label_px(self) -> float:
        """Give the size of the numbers beside the boxes, in px of the original, by the width it is shown at."""
        return (
            self.view.width
            * {"wide": 0.014, "broad": 0.026, "even": 0.052, "tall": 0.07, "tall narrow": 0.1}[self.shape]
        )

    @property
    def n_hidden_regions(self) -> int:
        """Count the regions that are not boxed."""
        return self.n_regions - len(self.regions)


class Gallery:
    """The cards of the `n_shown` worst images: missed defects first, then the others, highest scores first.

    What has no card goes into `folder`, where there is one.
    """

    def __init__(self, n_shown: int, folder: PictureFolder | None = None) -> None:
        self.masks: Mapping[str, Path] = {}  # true ones, by source
        if n_shown < 0:
            raise InputError(f"A report shows 0 images or more, not {n_shown}.")
        self._n_shown, self._folder = n_shown, folder
        self._n_offered = 0
        self._heap: list[tuple[tuple[bool, float, int], Card]] = []  # mildest card on top

    def offer(self, inspection: Inspection, label: str | None, outcome: str) -> None:
        """Keep the pictures of an inspection if it is among the worst so far."""
        number = self._n_offered
        self._n_offered += 1
        # Missed defects have low scores, yet they are what an evaluation is read for. Of equals, the earlier stays.
        rank = (outcome == "missed", inspection.score, -number)
        if len(self._heap) < self._n_shown:
            heapq.heappush(self._heap, (rank, self._card(number, inspection, label, outcome)))
        elif self._heap and rank > self._heap[0][0]:
            _, mildest = heapq.heapreplace(self._heap, (rank, self._card(number, inspection, label, outcome)))
            self._put_aside(mildest.number, lambda: (from_data_uri(mildest.image), from_data_uri(mildest.heat)))
        else:
            self._put_aside(number, lambda: (webp(_picture(inspection)), webp(_heat(inspection, _SMALL_PX))))

    def _put_aside(self, number: int, pictures: Callable[[], tuple[bytes, bytes]]) -> None:
        if self._folder is not None:
            self._folder.add(number, *pictures())

    def _card(self, number: int, inspection: Inspection, label: str | None, outcome: str) -> Card:
        mask = self.masks.get(inspection.source)
        return _card(number, inspection, label, outcome, () if mask is None else outline(mask, inspection))

    def cards(self) -> list[Card]:
        """List the kept cards, worst first."""
        return [card for _, card in sorted(self._heap, key=lambda entry: entry[0], reverse=True)]


def _card(number: int, inspection: Inspection, label: str | None, outcome: str, truth: tuple[str, ...]) -> Card:
    rebuilt, view, size = inspection.rebuilt_picture, inspection.view, _size(inspection)
    return Card(
        number=number,
        source=inspection.source,
        decision=inspection.decision,
        score=inspection.score,
        in_thresholds=inspection.in_thresholds,
        p_value=inspection.p_value,
        label=label,
        outcome=outcome,
        original_size=inspection.original_size,
        view=view,
        size=size,
        image=data_uri(_picture(inspection)),
        reconstruction=None if rebuilt is None else data_uri(resize_image(rgb_bytes(rebuilt), size)),
        caption="most similar good image" if inspection.shows_similar else "reconstruction",
        heat=data_uri(_heat(inspection)),
        regions=inspection.regions[:_MOST_BOXES],
        n_regions=len(inspection.regions),
        ignored=() if inspection.ignored is None else contours(inspection.ignored, (view.height, view.width)),
        ignored_share=inspection.ignored_share,
        truth=truth,
        defect_type=inspection.defect_type,
        explanation=inspection.explanation,
        caution=inspection.caution,
    )


def _size(inspection: Inspection, side_px: int = SIDE_PX) -> tuple[int, int]:
    return display_size_of_area((inspection.view.height, inspection.view.width), side_px)


def _picture(inspection: Inspection) -> np.ndarray:
    return resize_image(rgb_bytes(inspection.picture), _size(inspection))


def _heat(inspection: Inspection, side_px: int = SIDE_PX) -> np.ndarray:
    is_normal = inspection.decision == "normal"
    shown = resize_map(inspection.anomaly_map, _size(inspection, side_px))
    return heat_layer(shown, inspection.map_scale, is_normal=is_normal)
