"""What the records say of claims: whether a stated ordering holds, does not, or cannot be decided.

Repeats are paired: the difference of two places in each repeat, on the same test images, and Student's interval of
its mean. A claim holds if every comparison holds at 95 %; it does not if one is contradicted at 95 % for all of them
together (Bonferroni). With fewer than two repeats nothing is decided: one fit says nothing of another.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from urushi.evaluation.intervals import CONFIDENCE, Interval, student
from urushi.study.plan import Claim, Place, Study, label_of
from urushi.study.records import Record
from urushi.study.summary import Summary
from urushi.study.table import NONE, Table

Verdict = Literal["holds", "does not", "not decidable"]
_TITLE = "What was claimed, and what was found"


def verdict(differences: Sequence[np.ndarray], within: float | None = None) -> Verdict:
    """Of differences (n,) of each comparison, one per repeat, which a claim says are above 0, or less than `within`."""
    if not differences or min(map(len, differences)) < 2:
        return "not decidable"
    low, high = (-within, within) if within else (0.0, np.inf)
    if all(low < one[0] and one[1] < high for one in map(student, differences)):
        return "holds"
    strict = 1 - (1 - CONFIDENCE) / len(differences)
    apart = (student(one, strict) for one in differences)
    return "does not" if any(one[1] < low or one[0] > high for one in apart) else "not decidable"


@dataclass(frozen=True)
class Judged:
    """What was found of a claim: the verdict, and the differences (n,) of each comparison, paired."""

    verdict: Verdict
    comparisons: tuple[tuple[Place, Place, np.ndarray], ...]

    @property
    def n_pairs(self) -> int:
        """Of the comparison that has the fewest."""
        return min(len(found) for *_, found in self.comparisons)

    @property
    def differences(self) -> str:
        """Each comparison with the mean difference and its interval."""
        several = len({above.data for above, *_ in self.comparisons}) > 1
        return "; ".join(
            f"{f'{above.data} ' if several else ''}{_name(above, below)}: {_shown(found)}"
            for above, below, found in self.comparisons
        )


def judged(claim: Claim, figures_at: Callable[[Place], Mapping[Any, float]]) -> Judged:
    """The claim, judged by the figure that each place has in each repeat, or whatever else both sides share."""
    found = tuple((above, below, _paired(figures_at(above), figures_at(below))) for above, below in claim.pairs())
    return Judged(verdict([one for *_, one in found], claim.within), found)


def verdict_table(study: Study, summary: Summary, records: Sequence[Record]) -> Table:
    """A line for each claim: the verdict, and each difference with its interval."""
    rows = tuple(_row(claim, judged(claim, partial(_by_repeat, study, summary, records))) for claim in study.claims)
    note = (
        "*Difference*: what is said to be higher less the other, paired over repeats, with its 95 % interval "
        "(Student). Test images are the same in all repeats: no interval says anything of other ones. *Does not*: at "
        "least one comparison is contradicted, at 95 % for the whole claim. Below two repeats nothing is decided."
    )
    return Table(_TITLE, ("claim", "verdict", "of", "repeats", "difference"), rows, note)


def _row(claim: Claim, found: Judged) -> tuple[str, ...]:
    return (claim.statement, found.verdict, claim.source, str(found.n_pairs), found.differences)


def _paired(above: Mapping[Any, float], below: Mapping[Any, float]) -> np.ndarray:
    """(n,) of what both have."""
    both = [above[key] - below[key] for key in sorted(above.keys() & below.keys())]
    return np.array([one for one in both if np.isfinite(one)])


def _by_repeat(study: Study, summary: Summary, records: Sequence[Record], place: Place) -> Mapping[int, float]:
    own = next((r for r in records if (r.data, r.method) == (place.data, place.method)), None)
    if own is None:
        return {}
    value = study.chosen(own.method) if place.value is None else place.value
    rule, score = label_of(study.thresholds[0]), place.score or next(iter(own.scores))
    found = summary.by_repeat.get((own.data, own.method, value, score, rule, place.ratio), {})
    figure = place.figure or "roc_auc"
    return {seed: figures[figure] for seed, figures in found.items() if figure in figures}


def _name(above: Place, below: Place) -> str:
    """What both have in common once, and then what tells them apart."""
    one, other = above.model_dump(exclude_none=True), below.model_dump(exclude_none=True)
    same = [str(one[key]) for key in one if key != "data" and one[key] == other.get(key)]
    sides = ([str(side[key]) for key in side if one.get(key) != other.get(key)] for side in (one, other))
    return " ".join([*same, " − ".join(" ".join(side) for side in sides)])


def _shown(found: np.ndarray) -> str:
    if len(found) < 2:
        return NONE if not len(found) else f"{found[0]:+.3f}"
    interval: Interval = student(found)
    return f"{found.mean():+.3f} ({interval[0]:+.3f} … {interval[1]:+.3f})"
