"""What to do after an evaluation, told from its results and the detector's held-out scores."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from urushi.calibration.conformal import Conformal
from urushi.errors import CalibrationError
from urushi.printable import counted, printable

if TYPE_CHECKING:
    from urushi.calibration import HeldOut
    from urushi.detector import Detector
    from urushi.evaluation import Evaluation

_RATES = (0.01, 0.02, 0.05, 0.1, 0.2)  # of false alarms, that are looked at


class _Count(NamedTuple):
    """What a threshold does on the test images."""

    n_missed: int
    n_false_alarms: int


def next_step(detector: "Detector", found: "Evaluation", file: Path) -> str:
    """One line: the good images or the rate that would change most on these images, or that nothing would."""
    now = _count(found, detector.threshold.value)
    if now == (0, 0):
        return "every defect was found without a false alarm: the threshold needs no change on these images"
    if now.n_missed:
        return _about_suspects(detector, found, now) or _about_missed(detector, found, now, file)
    return _about_alarms(detector, found, now, file)


def _count(found: "Evaluation", threshold: float) -> _Count:
    above = [(image.label, image.score > threshold) for image in found.images]
    return _Count(above.count((1, False)), above.count((0, True)))


def _about_suspects(detector: "Detector", found: "Evaluation", now: _Count) -> str | None:
    """Whether good images that look like no good ones raise the threshold, so that defects are missed."""
    suspects = [one for one in detector.card["fit"].get("suspicious", []) if not one["is_left_out"]]
    out, scores = [one["score"] for one in suspects], detector.held_out.scores
    kept = [place for place, score in enumerate(scores) if score not in out]
    n_out, rate = len(scores) - len(kept), detector.threshold.false_alarm_rate
    if not n_out or rate is None or (threshold := _threshold(detector.held_out, rate, kept)) is None:
        return None
    n_more = now.n_missed - _count(found, threshold).n_missed
    if n_more < 1:
        return None
    return (
        f"{n_out} of the good images it was fitted on look as if they were none, and without them {n_more} of "
        f"{counted(now.n_missed, 'missed defect')} would be found: `urushi fit` names them; look at them, or fit with "
        "--set split.leave_out_suspicious=true"
    )


def _about_missed(detector: "Detector", found: "Evaluation", now: _Count, file: Path) -> str:
    for rate, threshold in _others(detector):
        then = _count(found, threshold)
        if then.n_missed < now.n_missed:
            return (
                f"{now.n_missed - then.n_missed} of {counted(now.n_missed, 'missed defect')} would be found at a "
                f"false-alarm rate of {100 * rate:g} %, with "
                f"{counted(then.n_false_alarms - now.n_false_alarms, 'more false alarm')} on these images: "
                f"{_command(file, rate)}"
            )
    return (
        f"no false-alarm rate up to {100 * _RATES[-1]:g} % would find any of "
        f"{counted(now.n_missed, 'missed defect')}: look at them with --report; another recipe may see them"
    )


def _about_alarms(detector: "Detector", found: "Evaluation", now: _Count, file: Path) -> str:
    for rate, threshold in reversed(list(_others(detector))):
        then = _count(found, threshold)
        if then.n_false_alarms < now.n_false_alarms and not then.n_missed:
            return (
                f"at a false-alarm rate of {100 * rate:g} % {then.n_false_alarms} instead of {now.n_false_alarms} good "
                f"images would be called anomalous, and still every defect be found: {_command(file, rate)}"
            )
    n = detector.held_out.normals.n_independent
    what = "held-out products" if detector.held_out.groups else "held-out images"
    return (
        f"every defect was found, with {counted(now.n_false_alarms, 'false alarm')}; no lower rate that {n} {what} "
        "allow does better on these images"
    )


def _others(detector: "Detector") -> Iterator[tuple[float, float]]:
    """Rates with their thresholds, the lowest rate first."""
    for rate in _RATES:
        threshold = _threshold(detector.held_out, rate)
        if threshold is not None:
            yield rate, threshold


def _threshold(held_out: "HeldOut", rate: float, kept: Sequence[int] | None = None) -> float | None:
    """That of all its images, or of some, by their places."""
    kept = range(len(held_out.scores)) if kept is None else kept
    scores = [held_out.scores[place] for place in kept]
    groups = [held_out.groups[place] for place in kept] if held_out.groups else ()
    try:
        return Conformal(false_alarm_rate=rate).fit(scores, groups=groups).value
    except CalibrationError:
        return None


def _command(file: Path, rate: float) -> str:
    return f"`urushi calibrate {printable(str(file))} --false-alarm-rate {rate:g}`"
