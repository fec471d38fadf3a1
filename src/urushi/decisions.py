"""From what the network says of an image to the decision on it, and to what explains the decision."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from urushi.calibration import Calibration
from urushi.data.familiar import Familiar
from urushi.inspection import Beside, Caution, Inspection, MapScale
from urushi.inspection.regions import find_places, middle_of
from urushi.preprocessing import Pipeline, Prepared
from urushi.recipe import Part
from urushi.runtime.backend import Row
from urushi.runtime.tiling import TileGrid


@dataclass(frozen=True)
class Decisions:
    """Of one detector as it is run now."""

    calibration: Calibration
    pipeline: Pipeline
    score: Part
    fit: Mapping[str, Any]  # what the card says of it
    familiar: Familiar | None
    grid: TileGrid | None

    @cached_property
    def map_scale(self) -> MapScale:
        """The fixed colour scale of all maps."""
        return self.calibration.held_out.map_scale()

    @property
    def beside_map(self) -> Beside | None:
        """What the score weighs beside the map: by itself, or where it counts what the method does."""
        if self.score.options.get("pooling") is not None:
            return None
        if self.score.name == "residual_statistics":
            return "residual"
        return self.fit.get("beside_map") if self.score.name == "feature" else None

    @property
    def far(self) -> float:
        """Above it lies the median of a map of something else."""
        return self.calibration.held_out.far if self.beside_map == "image" else self.map_scale.region_threshold

    def inspections(self, images: Sequence[Prepared], rows: Sequence[Row]) -> list[Inspection]:
        """The decisions on prepared images from what the network has said of each, in order."""
        p = self.calibration.held_out.normals.p_values([row.score for row in rows]).tolist()
        return [found.as_it_lay() for found in map(self._inspection, images, rows, p)]

    def _inspection(self, item: Prepared, row: Row, p_value: float) -> Inspection:
        threshold, scale, ignored = self.calibration.threshold, self.map_scale, self.pipeline.ignored_places
        return Inspection(
            source=item.source,
            score=row.score,
            threshold=threshold.value,
            warn_threshold=threshold.warn_value,
            decision=threshold.decide(row.score),
            p_value=p_value,
            places=find_places(row.anomaly_map, scale.region_threshold, item.to_original, item.original_size, ignored),
            original_size=item.original_size,
            to_original=item.to_original,
            image=item.pixels.transpose(1, 2, 0),
            anomaly_map=row.anomaly_map,
            map_scale=scale,
            reconstruction=None if row.reconstruction is None else row.reconstruction.transpose(1, 2, 0),
            shows_similar="n_pictures" in self.fit,
            beside_map=self.beside_map,
            cautions=tuple(self._cautions(item, row.anomaly_map)),
            ignored=ignored,
            brightness=item.appearance.brightness,
            light=item.appearance.light,
            content=item.appearance.content,
            light_factor=item.light_factor,
        )

    def _cautions(self, item: Prepared, anomaly_map: np.ndarray) -> Iterator[Caution]:
        if self.grid and (text := self.calibration.held_out.caution(self.grid.n_tiles(anomaly_map.shape))):
            yield Caution("tiles", text)
        yield from (Caution("alignment", doubt) for doubt in item.doubts)
        if self.familiar is not None:
            is_far = bool(middle_of(anomaly_map, self.pipeline.ignored_places) > self.far)
            yield from self.familiar.cautions(item.appearance, is_far=is_far)
