"""Monitors normal images of one version of a detector: a test for each statistic, and an alarm that says what moved."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from urushi.data.appearance import LIGHT
from urushi.detector import Detector
from urushi.printable import counted
from urushi.serving.drift.martingale import Martingale, Spread, Way

SCORE = "score"
STATISTICS = (SCORE, *LIGHT)
IMAGES_PER_FALSE_ALARM = 100_000
N_REFERENCE = 100  # values that a statistic is compared with at least, before bets begin
_MOST_REFERENCE = 1000
_ALSO = 0.01  # of the evidence that raises the alarm: what has moved, too, as light moves several statistics at once
_ROUND = 5000  # normal images, after which the bets begin again, against the first of all values
_WORDS = {
    SCORE: "the score of normal images",
    "dark": "the level of the darkest pixels",
    "bright": "the level of the brightest pixels",
    "right": "the share of light in the right half",
    "below": "the share of light in the lower half",
}

State = Literal["learning", "watching", "alarm"]


@dataclass(frozen=True)
class Moved:
    """A statistic that has changed."""

    statistic: str
    way: Way
    before: Spread  # of the reference
    after: Spread  # since the likeliest start of the change
    n_images: int  # since then

    @property
    def words(self) -> str:
        """A sentence without its full stop."""
        name, old, new = _WORDS.get(self.statistic, self.statistic), self.before, self.after
        if self.way == "apart":
            spans = (f"{one.low:.3g} … {one.high:.3g}" for one in (old, new))
            return "{} varies more: half of it was in {}, and is in {}".format(name, *spans)
        return f"{name} has moved {self.way}, from {old.middle:.3g} to {new.middle:.3g}"

    @classmethod
    def of(cls, name: str, test: Martingale) -> "Moved":
        """What a test has found."""
        return cls(name, test.way, Spread.of(test.reference), Spread.of(test.changed), len(test.changed))


@dataclass
class Monitor:
    """At most one false alarm in `images_per_false_alarm` normal images on average, over all statistics together.

    That holds as long as the images are exchangeable: what comes next does not depend on when it comes. After an alarm
    it stands still.
    """

    seed: int  # of what breaks ties
    tests: dict[str, Martingale]
    images_per_false_alarm: float = IMAGES_PER_FALSE_ALARM
    n_images: int = 0
    moved: tuple[Moved, ...] = field(default=())

    @classmethod
    def begun(cls, references: Mapping[str, list[float]], seed: int) -> "Monitor":
        """With what is known of each statistic; the first images complete it where that is little."""
        return cls(seed, {name: Martingale(references.get(name, ())) for name in STATISTICS})

    def again(self, seed: int, *, same_reference: bool) -> "Monitor":
        """A new test: against the same reference, or against the images that come next."""
        return self.begun({name: test.reference for name, test in self.tests.items()} if same_reference else {}, seed)

    def see(self, values: Mapping[str, float]) -> bool:
        """One normal image more; whether it raises the alarm."""
        if self.moved:
            return False
        self.n_images += 1
        chances = np.random.default_rng([self.seed, self.n_images]).random(len(self.tests))
        for name, chance in zip(self.tests, chances.tolist(), strict=True):
            if name in values:
                self.tests[name] = _with(self.tests[name], float(f"{values[name]:.6g}"), chance)
        if max(map(self.evidence, self.tests)) >= 1:
            self.moved = tuple(Moved.of(name, self.tests[name]) for name in self.tests if self.evidence(name) >= _ALSO)
        return bool(self.moved)

    @property
    def state(self) -> State:
        """Whether it watches already, and has found something."""
        if self.moved:
            return "alarm"
        return "learning" if any(map(_is_learning, self.tests.values())) else "watching"

    @property
    def message(self) -> str | None:
        """What moved, in a sentence; None without an alarm."""
        if not self.moved:
            return None
        since = counted(max(one.n_images for one in self.moved), "normal image")
        return f"{'; '.join(one.words for one in self.moved)}; in the last {since}"

    def evidence(self, name: str) -> float:
        """Of a statistic; 1 raises the alarm."""
        return self.tests[name].evidence / self._limit

    def to_json(self) -> dict[str, Any]:
        """The inverse of `from_json`."""
        tests = {name: test.to_json() for name, test in self.tests.items()}
        moved = [vars(one) for one in self.moved]
        return {"seed": self.seed, "n_images": self.n_images, "tests": tests, "moved": moved}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Monitor":
        """As it was."""
        tests = {name: Martingale.from_json(data["tests"][name]) for name in STATISTICS}
        return cls(data["seed"], tests, n_images=data["n_images"], moved=tuple(map(_moved, data["moved"])))

    @property
    def _limit(self) -> float:
        return self.images_per_false_alarm * len(self.tests)


def references(detector: Detector) -> dict[str, list[float]]:
    """What a detector's file says of good images that are no other than normal images of the line will be.

    These are those that it scored as new ones and calls normal. Scores of folds are of other fits than the one that
    inspects, so they are none, nor are those that were moved to another precision. Several images of one product are
    more alike than those of the line.
    """
    held_out, limit = detector.held_out, detector.threshold.value
    found: dict[str, list[float]] = {}
    if held_out.groups:
        return found
    if held_out.method == "split" and not held_out.is_moved:
        found[SCORE] = [score for score in held_out.scores if score < limit]
    if detector.learnt is not None and held_out.contents:
        below = {c for c, score in zip(held_out.contents, held_out.scores, strict=True) if score < limit}
        lights = [one.light for one in detector.learnt.appearances if one.content in below]
        found |= {name: [light[name] for light in lights if name in light] for name in LIGHT}
    return {name: list(_some(values)) for name, values in found.items()}


def _some(values: list[float]) -> Iterator[float]:
    """Evenly chosen in their order; the choice must not depend on the values."""
    n = min(len(values), _MOST_REFERENCE)
    yield from (values[len(values) * number // n] for number in range(n))


def _with(test: Martingale, value: float, chance: float) -> Martingale:
    if _is_learning(test):
        return Martingale([*test.reference, value])
    if len(test.values) >= _ROUND:
        test = Martingale([*test.reference, *test.values][:_MOST_REFERENCE])
    test.add(value, chance)
    return test


def _is_learning(test: Martingale) -> bool:
    return len(test.reference) < N_REFERENCE


def _moved(data: Mapping[str, Any]) -> Moved:
    return Moved(**{**data, "before": Spread(*data["before"]), "after": Spread(*data["after"])})
