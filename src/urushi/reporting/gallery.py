"""Keep the pictures of the worst images, and no more of them than will be shown."""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from urushi.errors import InputError
from urushi.inspection import Inspection, Region, View
from urushi.reporting.heat_map import heat_layer
from urushi.reporting.outline import contours, outline
from urushi.reporting.pictures import data_uri, display_size, resize_image, resize_map, rgb_bytes

LONG_SIDE_PX = 256
_MOST_BOXES = 50  # more boxes than this hide the part they point at
_ELONGATED = 1.8


@dataclass(frozen=True)
class Card:
    """One image of the gallery, pictures encoded; `outcome` is 'missed', 'false alarm', 'found', 'passed' or ''."""

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
        """Say whether the picture is 'wide', 'tall' or 'even', which decides the layout."""
        height, width = self.size
        return "wide" if width > _ELONGATED * height else "tall" if height > _ELONGATED * width else "even"

    @property
    def label_px(self) -> float:
        """Give the size of the numbers beside the boxes, in px of the original, by the width it is shown at."""
        return self.view.width * {"wide": 0.025, "even": 0.052, "tall": 0.07}[self.shape]

    @property
    def n_hidden_regions(self) -> int:
        """Count the regions that are not boxed."""
        return self.n_regions - len(self.regions)


class Gallery:
    """The cards of the `n_shown` worst images: missed defects first, then the others, highest scores first."""

    def __init__(self, n_shown: int) -> None:
        self.masks: Mapping[str, Path] = {}  # true ones, by source
        if n_shown < 0:
            raise InputError(f"A report shows 0 images or more, not {n_shown}.")
        self._n_shown = n_shown
        self._n_offered = 0
        self._heap: list[tuple[tuple[bool, float, int], Card]] = []  # mildest card on top

    def offer(self, inspection: Inspection, label: str | None, outcome: str) -> None:
        """Keep the pictures of an inspection if it is among the worst so far."""
        self._n_offered += 1
        # Missed defects have low scores, yet they are what an evaluation is read for. Of equals, the earlier stays.
        rank = (outcome == "missed", inspection.score, -self._n_offered)
        if len(self._heap) < self._n_shown:
            heapq.heappush(self._heap, (rank, self._card(inspection, label, outcome)))
        elif self._heap and rank > self._heap[0][0]:
            heapq.heapreplace(self._heap, (rank, self._card(inspection, label, outcome)))

    def _card(self, inspection: Inspection, label: str | None, outcome: str) -> Card:
        mask = self.masks.get(inspection.source)
        return _card(inspection, label, outcome, () if mask is None else outline(mask, inspection))

    def cards(self) -> list[Card]:
        """List the kept cards, worst first."""
        return [card for _, card in sorted(self._heap, key=lambda entry: entry[0], reverse=True)]


def _card(inspection: Inspection, label: str | None, outcome: str, truth: tuple[str, ...]) -> Card:
    view = inspection.view
    size = display_size((view.height, view.width), LONG_SIDE_PX)
    rebuilt = inspection.reconstruction
    is_normal = inspection.decision == "normal"
    heat = heat_layer(resize_map(inspection.anomaly_map, size), inspection.map_scale, is_normal=is_normal)
    return Card(
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
        image=data_uri(resize_image(rgb_bytes(inspection.image), size)),
        reconstruction=None if rebuilt is None else data_uri(resize_image(rgb_bytes(rebuilt), size)),
        caption="most similar good image" if inspection.shows_similar else "reconstruction",
        heat=data_uri(heat),
        regions=inspection.regions[:_MOST_BOXES],
        n_regions=len(inspection.regions),
        ignored=() if inspection.ignored is None else contours(inspection.ignored, (view.height, view.width)),
        ignored_share=inspection.ignored_share,
        truth=truth,
        defect_type=inspection.defect_type,
        explanation=inspection.explanation,
        caution=inspection.caution,
    )
