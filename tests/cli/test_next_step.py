"""What is said to be done after an evaluation follows from its scores and the held-out ones."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from urushi.calibration import HeldOut
from urushi.calibration.conformal import Conformal
from urushi.cli._next_step import next_step

HELD_OUT = tuple(float(score) for score in range(1, 100))  # at 5 % the threshold is 95, at 10 % 90, at 1 % 99


def said(good: list[float], defective: list[float], *, rate: float = 0.05, suspicious: tuple[float, ...] = ()) -> str:
    scores = (*HELD_OUT[: len(HELD_OUT) - len(suspicious)], *suspicious)
    suspects = [{"image": 0, "score": score, "is_left_out": False} for score in suspicious]
    detector = SimpleNamespace(
        held_out=HeldOut(scores, scores, scores, "split"),
        threshold=Conformal(false_alarm_rate=rate).fit(scores),
        card={"fit": {"suspicious": suspects}},
    )
    images = [
        SimpleNamespace(label=label, score=score) for label, some in enumerate((good, defective)) for score in some
    ]
    return next_step(detector, SimpleNamespace(images=images), Path("part.urushi"))


@pytest.mark.parametrize(
    ("good", "defective", "expected"),
    [
        ([1, 2], [200], "every defect was found without a false alarm"),
        (
            [1, 93],
            [200, 92, 5],
            "1 of 2 missed defects would be found at a false-alarm rate of 10 %, with 1 more false alarm on these "
            "images: `urushi calibrate part.urushi --false-alarm-rate 0.1`",
        ),
        ([1], [5, 6], "no false-alarm rate up to 20 % would find any of 2 missed defects"),
        (
            [97, 98],
            [200],
            "at a false-alarm rate of 2 % 0 instead of 2 good images would be called anomalous, and still every defect "
            "be found: `urushi calibrate part.urushi --false-alarm-rate 0.02`",
        ),
        ([300], [400], "no lower rate that 99 held-out images allow does better"),
    ],
    ids=["nothing", "a higher rate", "another recipe", "a lower rate", "more images"],
)
def test_the_next_step_is_counted_on_the_test_images(good, defective, expected):
    assert expected in said(good, defective)


def test_good_images_that_look_like_none_are_named_where_they_hide_defects():
    odd = (500.0, 501.0, 502.0, 503.0, 504.0)
    assert said([1], [200], rate=0.02, suspicious=odd).startswith(
        "5 of the good images it was fitted on look as if they were none, and without them 1 of 1 missed defect "
    )
    assert "look as if they were none" not in said([1], [200], rate=0.1, suspicious=odd)
