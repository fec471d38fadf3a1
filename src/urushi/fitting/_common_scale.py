"""Scores of several fits on one scale.

Two trainings of one method differ in where the scores of normal images lie and how far they spread. Thrown together as
they are, those of the widest fit would alone be the highest, and a threshold among them would keep its rate for no fit.
"""

import numpy as np

from urushi.fitting._held_out import Scored


def on_scale(rows: list[Scored], own: list[Scored], other: list[Scored]) -> list[Scored]:
    """What a fit gave, moved as if another fit had given it: by the median and the median deviation of training images.

    `own` are training images of the fit itself, `other` those of the other one. What does not vary stays as it is.
    """
    middle, spread = _location(own)
    other_middle, other_spread = _location(other)
    factor = np.divide(other_spread, spread, out=np.ones(3), where=(spread > 0) & (other_spread > 0))
    moved = (_columns(rows) - middle) * factor + other_middle
    return [row._replace(score=s, peak=p, median=m) for row, (s, p, m) in zip(rows, moved.tolist(), strict=True)]


def _location(rows: list[Scored]) -> tuple[np.ndarray, np.ndarray]:
    columns = _columns(rows)
    middle = np.median(columns, axis=0)
    return middle, np.median(np.abs(columns - middle), axis=0)


def _columns(rows: list[Scored]) -> np.ndarray:
    return np.array([(row.score, row.peak, row.median) for row in rows])
