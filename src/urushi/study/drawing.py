"""Test sets drawn from what a run has measured, and the figures of each: nothing here fits or inspects anything."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from urushi import catalogue
from urushi.calibration import ThresholdRule
from urushi.catalogue import options
from urushi.data.anomaly_ratio import draw, largest_total
from urushi.data.samples import GOOD
from urushi.errors import CalibrationError, InputError
from urushi.evaluation.image_metrics import RANKING, image_figures
from urushi.recipe import Part
from urushi.study.plan import Study, label_of
from urushi.study.records import Record

ERROR_OF = "error of "  # and a kind of image: the share of it that was decided wrongly


@dataclass(frozen=True)
class Measured:
    """The figures of one drawn test set under one score and one threshold rule."""

    data: str
    method: str
    value: Any
    seed: int
    score: str
    rule: str
    ratio: float | None  # None: at the study's own ratio
    figures: dict[str, float]  # NaN where undefined


def measured(study: Study, records: Sequence[Record]) -> Iterator[Measured]:
    """Every figure of every test set: at the study's ratio for all runs, at the other ratios for the chosen values.

    Raises InputError where a test split is too small for a ratio.
    """
    for record in records:
        pools = [_Pool.of(record, study, number) for number in range(study.draws)]
        for score in record.scores:
            yield from _of_score(study, record, pools, score)


def test_sets(study: Study, record: Record) -> list[np.ndarray]:
    """Indices of the images of each test set at the study's own ratio."""
    pools = [_Pool.of(record, study, number) for number in range(study.draws)]
    return [pool.test(study.anomaly_ratio, _total(study, pool, None)) for pool in pools]


@dataclass(frozen=True)
class _Pool:
    """The anomalies kept for threshold rules, and the images that tests are drawn from."""

    kept: np.ndarray  # (k,) indices of images
    rest: np.ndarray  # (n,)
    kinds: list[str]  # of the rest
    seed: int

    @classmethod
    def of(cls, record: Record, study: Study, number: int) -> "_Pool":
        """The same for all methods of a repeat, so that they are compared on the same images."""
        seed = record.seed * study.draws + number
        kinds = np.array(record.kinds)
        rng = np.random.default_rng([seed, 0])
        products = np.array(record.groups or range(len(kinds)))
        kept = [
            own[np.isin(products[own], _drawn(rng, products[own], study.threshold_defects))]
            for kind in sorted(set(record.kinds) - {GOOD})
            if (own := np.flatnonzero(kinds == kind)).size
        ]
        chosen = np.concatenate(kept).astype(int)
        rest = np.flatnonzero(~np.isin(products, products[chosen]))  # no image of their products is tested
        return cls(chosen, rest, kinds[rest].tolist(), seed)

    def test(self, ratio: float, total: int) -> np.ndarray:
        """Indices of a test set."""
        return np.asarray(self.rest[draw(self.kinds, ratio, total, seed=self.seed)])


def _drawn(rng: np.random.Generator, products: np.ndarray, share: float) -> np.ndarray:
    """A share of the distinct products."""
    distinct = np.unique(products)
    return rng.choice(distinct, round(share * len(distinct)), replace=False)


def _of_score(study: Study, record: Record, pools: list[_Pool], score: str) -> Iterator[Measured]:
    is_chosen = record.value == study.chosen(record.method) and score == next(iter(record.scores))
    ratios = study.anomaly_ratios if is_chosen else ()
    for rule in study.thresholds:
        for pool in pools:
            value = _threshold(rule, record, pool, score)
            for ratio in (None, *ratios):
                figures = _figures(
                    record, score, value, pool.test(ratio or study.anomaly_ratio, _total(study, pool, ratio))
                )
                place = (record.data, record.method, record.value, record.seed)
                yield Measured(*place, score, label_of(rule), ratio, figures)


def _total(study: Study, pool: _Pool, ratio: float | None) -> int:
    """One total for all ratios, so that they differ in nothing else (S2 table 5.3)."""
    wanted = study.anomaly_ratios if ratio is not None else (study.anomaly_ratio,)
    total = min(largest_total(pool.kinds, one) for one in wanted)
    if total < 2:
        raise InputError(
            f"no test set has {', '.join(f'{one:.0%}' for one in wanted)} anomalies: there are {len(pool.kinds)} "
            "images to draw from; give more, or other ratios"
        )
    return total


def _threshold(part: Part, record: Record, pool: _Pool, score: str) -> float:
    """From held-out normals and kept anomalies, never from the test set; NaN where the rule refuses."""
    rule = options.build(catalogue.load("urushi.calibration", part.name, ThresholdRule), part.options, "threshold")
    scores = np.array(record.scores[score])
    try:
        defects = scores[pool.kept] if rule.needs_defects else None
        return rule.fit(np.array(record.held_out[score]), defects, groups=record.held_out_groups).value
    except CalibrationError:
        return np.nan


def _figures(record: Record, score: str, threshold: float, test: np.ndarray) -> dict[str, float]:
    scores, kinds = np.array(record.scores[score])[test], np.array(record.kinds)[test]
    labels, called = (kinds != GOOD).astype(int), scores > threshold
    found = image_figures(scores, labels, called, n_resamples=0)
    figures = {name: np.nan if one.value is None else one.value for name, one in found.items()}
    figures |= {f"{ERROR_OF}{kind}": float((called != labels)[kinds == kind].mean()) for kind in np.unique(kinds)}
    if np.isnan(threshold):
        figures = {name: value if name in RANKING else np.nan for name, value in figures.items()}
    return figures | {"threshold": threshold, "n_test": float(len(test))}
