"""Every recipe on the same defects: the one that is found worst, a middling one, and one that is missed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from urushi.data.dataset import Dataset
from urushi.data.samples import Sample
from urushi.detector import Detector
from urushi.errors import UnreadableImageError
from urushi.inspection import Inspection
from urushi.printable import counted
from urushi.reporting.heat_map import overlay
from urushi.reporting.outline import outline
from urushi.reporting.pictures import data_uri, display_size, resize_image, rgb_bytes
from urushi.study.comparison.figures import first_scores, labels_of, threshold_of
from urushi.study.measuring import DETECTORS
from urushi.study.plan import Run
from urushi.study.records import Record

_LONG_SIDE_PX = 256


@dataclass(frozen=True)
class Shown:
    """What one recipe makes of a defect."""

    recipe: str
    picture: str  # a data URI
    score: float
    threshold: float
    decision: str


@dataclass(frozen=True)
class Example:
    """One defect, as it is and as every recipe sees it."""

    data: str
    why: str  # it was chosen
    source: str  # below the data set
    kind: str
    picture: str
    size: tuple[int, int]  # height, width in px, of which the truth is in
    truth: tuple[str, ...]  # its mask as paths for SVG
    shown: tuple[Shown, ...]


def examples(
    runs: Sequence[Run], records: Sequence[Record], datasets: Mapping[str, Dataset], out: Path
) -> Iterator[Example]:
    """Up to three of each data set, chosen by the scores of the first repeat alone, with the detectors below `out`."""
    first = {(run.data.name, run.method.name): run for run in runs if run.seed == 0}
    for data, dataset in datasets.items():
        own = [one for one in records if one.data == data and one.seed == 0]
        if own:
            yield from _of_data(dataset, own, [first[data, one.method] for one in own], out / DETECTORS)


def _of_data(dataset: Dataset, records: Sequence[Record], runs: Sequence[Run], folder: Path) -> Iterator[Example]:
    found = [threshold_of(run.recipe.threshold, one) for run, one in zip(runs, records, strict=True)]
    limits = {one.method: np.inf if t is None else t.value for one, t in zip(records, found, strict=True)}
    samples = {str(sample.path.relative_to(dataset.root)): sample for sample in dataset.test()}
    reasons = chosen(records, limits)
    seen: dict[str, dict[str, Inspection]] = {source: {} for source in reasons}
    for run in runs:
        detector = Detector.load(folder / f"{run.name}.urushi")  # one at a time: some fill the memory
        for source in reasons:
            with suppress(UnreadableImageError):  # it was read a moment ago: it has gone meanwhile
                seen[source][run.method.name] = detector.inspect(samples[source].path)
    for source, why in reasons.items():
        if seen[source]:
            yield _example(runs[0].data.name, why, source, samples[source], seen[source])


def chosen(records: Sequence[Record], thresholds: Mapping[str, float]) -> dict[str, str]:
    """Sources of defects, and why: by the share of good images that score below each, on average over recipes."""
    common = sorted(set.intersection(*(set(_defects(one)) for one in records)))
    ease = {source: float(np.mean([_defects(one)[source][1] for one in records])) for source in common}
    missed = {s: [one.method for one in records if _defects(one)[s][0] <= thresholds[one.method]] for s in common}
    ordered = sorted(common, key=lambda source: (ease[source], source))
    if not ordered:
        return {}
    found = {ordered[0]: "hardest for all recipes together"}
    found.setdefault(ordered[len(ordered) // 2], "of middling difficulty")
    others = [source for source in ordered if source not in found and missed[source]]
    some = [source for source in others if len(missed[source]) < len(records)] or others
    if some:
        most = max(some, key=lambda source: len(missed[source]))
        found[most] = f"missed by {counted(len(missed[most]), 'recipe')} of {len(records)}"
    return found


def _defects(record: Record) -> dict[str, tuple[float, float]]:
    """By source of each defect: its score, and the share of good test images that score below it, ties half."""
    scores, labels = first_scores(record), labels_of(record)
    normal = scores[labels == 0]
    share = [float(((normal < score) + 0.5 * (normal == score)).mean()) for score in scores]
    rows = zip(record.sources, labels, scores, share, strict=True)
    return {source: (float(score), below) for source, label, score, below in rows if label == 1}


def _example(data: str, why: str, source: str, sample: Sample, found: Mapping[str, Inspection]) -> Example:
    first = next(iter(found.values()))
    whole = first.view.height >= first.original_size[0] - 1 and first.view.width >= first.original_size[1] - 1
    size = display_size((first.view.height, first.view.width), _LONG_SIDE_PX)
    truth = outline(sample.mask, first) if sample.mask is not None and whole else ()
    picture = data_uri(resize_image(rgb_bytes(first.picture), size))
    shown = tuple(_shown(recipe, one) for recipe, one in found.items())
    return Example(data, why, source, str(sample.defect), picture, first.original_size, truth, shown)


def _shown(recipe: str, found: Inspection) -> Shown:
    parts = (found.picture, found.anomaly_map, found.map_scale, found.regions, found.view)
    picture = data_uri(overlay(*parts, long_side_px=_LONG_SIDE_PX, ignored=found.ignored))
    return Shown(recipe, picture, found.score, found.threshold, found.decision)
