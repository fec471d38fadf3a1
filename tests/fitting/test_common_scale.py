"""Scores of folds whose trainings differ in scale, brought to that of the final fit."""

import numpy as np
import pytest

from urushi.calibration.conformal import Conformal
from urushi.fitting._common_scale import on_scale
from urushi.fitting._held_out import Scored

RATE = 0.05


def rows(values, scale=1.0, offset=0.0):
    return [Scored(offset + scale * v, 2 * scale * v, offset, ()) for v in values]


def test_what_another_fit_would_have_given():
    found, own, other = [3.0, 1.0], [1.0, 2.0, 4.0, 8.0], [0.5, 1.0, 2.0, 4.0]
    moved = on_scale(rows(found, 2, 5), rows(own, 2, 5), rows(other, 3, -1))
    assert np.array([row.score for row in moved]) == pytest.approx(3 * np.array(found) / 2 - 1)
    assert np.array([row.peak for row in moved]) == pytest.approx(6 * np.array(found) / 2)
    assert [row.median for row in moved] == [-1, -1]  # it does not vary


def test_a_fit_on_its_own_scale_changes_nothing():
    values = np.random.default_rng(0).gamma(3, size=20)
    moved = on_scale(rows(values), rows(values[:10]), rows(values[:10]))
    assert np.array([row.score for row in moved]) == pytest.approx(values)


def false_alarms(rng, *, moves):
    """The true rate at a stated one of 5 %: a fit for each of five folds of 100 images, and the last one, of all."""
    images, crossed, last_scale = rng.gamma(8, size=100), [], np.exp(0.4 * rng.normal())
    last = rows(images * rng.normal(1, 0.1, 100) * 0.8, last_scale)
    for part in np.array_split(np.arange(100), 5):
        scale, others = np.exp(0.4 * rng.normal()), np.setdiff1d(np.arange(100), part)
        own = rows(images[others] * rng.normal(1, 0.1, len(others)) * 0.8, scale)  # rebuilt a little too well
        found = rows(images[part] * rng.normal(1, 0.1, len(part)), scale)
        crossed += on_scale(found, own, last) if moves else found
    threshold = Conformal(false_alarm_rate=RATE).fit([row.score for row in crossed]).value
    new = last_scale * rng.gamma(8, size=2000) * rng.normal(1, 0.1, 2000)
    return float((new > threshold).mean())


@pytest.mark.thorough
def test_the_stated_rate_holds_where_fits_differ_in_scale():
    rng = np.random.default_rng(0)
    as_they_are, moved = (np.array([false_alarms(rng, moves=m) for _ in range(100)]) for m in (False, True))
    assert moved.mean() <= RATE * 1.1
    assert (moved > 2 * RATE).mean() <= 0.08
    assert (as_they_are > 2 * RATE).mean() > 0.15  # what it is there for
