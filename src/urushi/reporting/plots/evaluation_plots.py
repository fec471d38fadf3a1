"""All plots of one evaluation: fed image by image, with a bounded number of pictures kept, and written at its end."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from urushi.data.samples import GOOD
from urushi.errors import InputError
from urushi.evaluation.bands import Repeat
from urushi.evaluation.evaluation import UNNAMED, ScoredImage
from urushi.inspection import Inspection
from urushi.reporting.plots.certain import MostCertain, certain_figure
from urushi.reporting.plots.confusion import confusion_figure, count_decisions
from urushi.reporting.plots.latent_histograms import latent_histograms_figure
from urushi.reporting.plots.latent_map import latent_map_figure
from urushi.reporting.plots.luminance import luminance_figure
from urushi.reporting.plots.operating_curves import precision_recall_figure, roc_figure
from urushi.reporting.plots.reconstruction_grid import FirstOfEachKind, reconstruction_grid_figure
from urushi.reporting.plots.score_histogram import score_histogram_figure
from urushi.reporting.plots.style import write
from urushi.reporting.plots.thumbnail import Thumbnail

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Latents = Callable[[np.ndarray], np.ndarray]  # images (B, C, H, W) float32 in [0, 1] -> (B, J)
_MOST_MAP_PICTURES, _MAP_PICTURE_PX = 500, 48


class EvaluationPlots:
    """Collects what the plots need: of each image some numbers, of a few images small pictures."""

    def __init__(self, *, latents: Latents | None = None) -> None:
        self._latents_of = latents
        self._examples, self._certain = FirstOfEachKind(), MostCertain()
        self._luminances: dict[str, list[float]] = {GOOD: []}  # by kind, the normal one first
        self._latents: list[np.ndarray] = []
        self._kinds: list[str] = []
        self._map_pictures: list[np.ndarray | None] = []
        self._thresholds: tuple[float, float | None] = (np.inf, None)

    def add(self, inspection: Inspection, label: int, defect: str | None) -> None:
        """Takes what the plots show of one image of label 0 (normal) or 1 (anomalous)."""
        kind = _kind(label, defect)
        self._examples.offer(inspection, kind)
        self._certain.offer(inspection, kind, label)
        if inspection.brightness is not None:
            self._luminances.setdefault(kind, []).append(inspection.brightness)
        self._thresholds = inspection.threshold, inspection.warn_threshold
        if self._latents_of is not None:
            self._latents.append(self._latents_of(inspection.image.transpose(2, 0, 1)[None])[0])
            self._keep_picture(inspection, kind)
            self._kinds.append(kind)

    def write(self, folder: Path, images: Sequence[ScoredImage]) -> tuple[list[Path], dict[str, str]]:
        """Writes each plot as PNG and SVG; returns the PNGs, and by name why a plot could not be drawn.

        `images` are all that were evaluated. Raises InputError if the folder cannot be written.
        """
        written, absent = [], {}
        for name, draw in self._plots(images):
            try:
                figure = draw()
            except InputError as error:
                absent[name] = str(error)
            else:
                written.append(write(figure, folder / name)[0])
        return written, absent

    def _plots(self, images: Sequence[ScoredImage]) -> "Iterator[tuple[str, Callable[[], Figure]]]":
        curves: dict[str, list[Repeat]] = {"this test set": [([i.score for i in images], [i.label for i in images])]}
        threshold, warn_threshold = self._thresholds
        yield "roc", lambda: roc_figure(curves)
        yield "precision_recall", lambda: precision_recall_figure(curves)
        yield "scores", lambda: score_histogram_figure(_by_kind(images), threshold, warn_threshold=warn_threshold)
        yield "confusion", lambda: confusion_figure(count_decisions(images))
        yield "decisions_by_defect", lambda: confusion_figure(count_decisions(images, by_defect=True))
        yield "reconstructions", lambda: reconstruction_grid_figure(self._examples.kept())
        yield "most_certain", lambda: certain_figure(self._certain.kept())
        yield "luminance", lambda: luminance_figure(self._luminances)
        if self._latents:
            pictures, normal = self._map_pictures, [kind == GOOD for kind in self._kinds]
            yield "latent_histograms", lambda: latent_histograms_figure(np.stack(self._latents)[normal])
            yield "latent_map", lambda: latent_map_figure(np.stack(self._latents), self._kinds, pictures=pictures)

    def _keep_picture(self, inspection: Inspection, kind: str) -> None:
        is_kept = len(self._map_pictures) < _MOST_MAP_PICTURES
        small = Thumbnail.of(inspection, kind, long_side_px=_MAP_PICTURE_PX).image if is_kept else None
        self._map_pictures.append(small)


def _kind(label: int, defect: str | None) -> str:
    return GOOD if label == 0 else defect or UNNAMED


def _by_kind(images: Sequence[ScoredImage]) -> dict[str, list[float]]:
    groups: dict[str, list[float]] = {GOOD: []}
    for image in images:
        groups.setdefault(_kind(image.label, image.defect), []).append(image.score)
    return groups
