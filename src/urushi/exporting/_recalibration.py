"""Held-out scores and a threshold of its own for a graph that computes with other numbers."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from urushi.calibration import Calibration, HeldOut, ThresholdRule
from urushi.errors import CalibrationError, ExportError
from urushi.inspection.regions import inspected
from urushi.runtime.backend import Backend, Output

_SAME = 1e-3  # of the scores' deviation: PyTorch itself moves so far from one batch size to another


@dataclass(frozen=True)
class Recalibration:
    """Good images, and how they were scored in float."""

    held_out: HeldOut
    rule: Callable[[], ThresholdRule]
    reference: Backend
    outputs: Callable[[Backend], Iterable[Output]]  # of the good images one by one, each as a whole
    is_apart: bool  # whether the other graph was made without these images
    ignored: np.ndarray | None = None  # (H, W) bool: what of their maps does not count

    def of(self, backend: Backend) -> Calibration:
        """That of another backend; raises ExportError if the rule finds no threshold without labelled defects.

        If the images are those held out of the fit, their scores are taken. Else, as where folds were scored by fits
        that are gone, the held-out scores are moved by the median change of these images.
        """
        found = self._looks(self.outputs(backend))
        if not np.isfinite(found).all():
            raise ExportError("it gives scores that are no numbers")
        held_out = _replaced(self.held_out, self._in_order(found)) if self._are_those_held_out else self._moved(found)
        try:
            return Calibration(held_out, held_out.fitted(self.rule()))
        except CalibrationError as error:
            raise ExportError(f"it needs a threshold of its own: {error}") from None

    @cached_property
    def _in_float(self) -> np.ndarray:
        return self._looks(self.outputs(self.reference))

    @property
    def _are_those_held_out(self) -> bool:
        ours, theirs = np.sort(self._in_float[:, 0]), np.sort(self.held_out.scores)
        is_split = self.held_out.method == "split" and self.is_apart and len(ours) == len(theirs)
        return is_split and bool(np.allclose(ours, theirs, rtol=1e-4, atol=_SAME * float(np.std(theirs))))

    def _in_order(self, found: np.ndarray) -> np.ndarray:
        """As the fit held them out, whatever the order in which they came: each by its score in float."""
        places = np.empty(len(found), dtype=int)
        places[np.argsort(self.held_out.scores, kind="stable")] = np.argsort(self._in_float[:, 0], kind="stable")
        return np.asarray(found[places])

    def _moved(self, found: np.ndarray) -> HeldOut:
        before = np.transpose([self.held_out.scores, self.held_out.map_peaks, self.held_out.map_medians])
        change = np.median(found - self._in_float, axis=0)
        return replace(_replaced(self.held_out, before + change), is_moved=True)

    def _looks(self, outputs: Iterable[Output]) -> np.ndarray:
        """Score, and highest and median value of the map, of each image: (n, 3)."""
        rows = [row for output in outputs for row in output.rows()]
        maps = [inspected(row.anomaly_map, self.ignored) for row in rows]
        looks = [(row.score, values.max(), np.median(values)) for row, values in zip(rows, maps, strict=True)]
        return np.array(looks, dtype=float)


def _replaced(held_out: HeldOut, looks: np.ndarray) -> HeldOut:
    scores, peaks, medians = (tuple(column) for column in looks.T.tolist())
    return replace(held_out, scores=scores, map_peaks=peaks, map_medians=medians)
