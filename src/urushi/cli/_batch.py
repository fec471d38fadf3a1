"""Decisions on a whole batch of images, which need all scores before the first one is made."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from urushi.calibration import Threshold, check_false_discovery_rate, false_discovery_threshold
from urushi.cli import _console
from urushi.inspection import Inspection, Unreadable

if TYPE_CHECKING:
    from urushi.detector import Detector

_NO_PICTURE = np.empty((0, 0), np.float32)


def decide_together(
    detector: "Detector", results: Iterable[Inspection | Unreadable], rate: float
) -> "tuple[Detector, Iterator[Inspection | Unreadable]]":
    """The detector with the threshold of this batch, and the results decided by it, without maps.

    Any band of the detector is left out: the rate is one of images that are called anomalous. Raises CalibrationError,
    before an image is inspected, if the held-out normals are too few for the rate.
    """
    held_out = detector.held_out
    check_false_discovery_rate(rate, held_out.normals.n_independent)
    kept = [_without_pictures(result) for result in results]
    scores = [result.score for result in kept if isinstance(result, Inspection)]
    if not scores:
        return detector, iter(kept)
    threshold = held_out.qualified(false_discovery_threshold(scores, held_out.scores, rate, groups=held_out.groups))
    _console.note(f"threshold of this batch {threshold.value:.6g}: {threshold.explanation}")
    ways = detector.ways.with_threshold(detector.backend, threshold)
    return replace(detector, ways=ways), (_decided(result, threshold) for result in kept)


def _without_pictures(result: Inspection | Unreadable) -> Inspection | Unreadable:
    """What is small of a result: maps of a whole batch would fill the memory."""
    if isinstance(result, Unreadable):
        return result
    return replace(result, image=_NO_PICTURE, anomaly_map=_NO_PICTURE, reconstruction=None)


def _decided(result: Inspection | Unreadable, threshold: Threshold) -> Inspection | Unreadable:
    if isinstance(result, Unreadable):
        return result
    decision = threshold.decide(result.score)
    return replace(result, threshold=threshold.value, warn_threshold=threshold.warn_value, decision=decision)
