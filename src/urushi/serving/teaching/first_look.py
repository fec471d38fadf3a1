"""What there is to see of a detector that has just been learnt: defects planted into good images, and good ones alone.

python -m urushi.serving.teaching.first_look DETECTOR GOOD_FOLDER FOLDER
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, Field

from urushi.data.appearance import content_of
from urushi.data.dataset import find_dataset
from urushi.data.images import read_image
from urushi.data.progress import tracked
from urushi.data.stream import stream
from urushi.detector import Detector
from urushi.errors import InputError, UnreadableImageError, UrushiError
from urushi.evaluation.intervals import wilson
from urushi.inspection import Inspection
from urushi.inspection.results import View
from urushi.printable import printable
from urushi.serving.evidence import thumbnail_of
from urushi.serving.teaching.planting import STRENGTHS, planted
from urushi.serving.teaching.twin import FEWEST, Twin, twin_of

FACTS = "look.json"
_N_SHOWN, _N_ROWS = 6, 4
_SECONDS = 60.0
_SEED = 0
_MOST_CHARACTERS = 500
Box = tuple[float, float, float, float]


class Picture(BaseModel):
    """A picture under its heat map, and what the detector says of it."""

    file: str
    name: str = Field(description="Of the good image.")
    is_anomalous: bool
    score_in_thresholds: float | None
    box: Box | None = Field(default=None, description="Of the planted defect: x, y, width, height, in shares.")


class Strength(BaseModel):
    """How many defects of a strength were found, with a 95 % interval."""

    strength: float = Field(description="1: as it is drawn; 0.5: half of it shines through.")
    n: int
    n_found: int
    low: float
    high: float


class Row(BaseModel):
    """One planted defect, from clear to faint."""

    kind: str
    pictures: list[Picture]


class FirstLook(BaseModel):
    """At a detector that was just learnt."""

    n_learnt: int = Field(default=0, description="Images that were learnt for it; it shows others.")
    n_unseen: int = 0
    n_false_alarms: int = Field(default=0, description="Of the unseen good images as they are.")
    strengths: list[Strength] = []
    planted: list[Row] = []
    held_out: list[Picture] = Field(default=[], description="Good images with the highest held-out scores, and these.")
    left_out: list[str] = Field(default=[], description="Why an image, or all of it, could not be tried.")


class _Look:
    """One that is being taken, by a detector that has not seen some images."""

    def __init__(self, twin: Twin, place: Path, seconds: float) -> None:
        self.detector, self.unseen, n_learnt = twin
        self.place, self.seconds = place, seconds
        self.found, self.is_found = FirstLook(n_learnt=n_learnt), list[list[bool]]()

    def plant(self) -> None:
        """Into unseen images; those that are left out for want of time are any of them."""
        rng, end = np.random.default_rng(_SEED), time.monotonic() + self.seconds
        for source in tracked(self.unseen, "planting defects", len(self.unseen)):
            if self.is_found and time.monotonic() > end:
                break
            try:
                self._plant_into(source, rng)
            except (InputError, UnreadableImageError) as error:
                self.found.left_out.append(printable(f"{source.name}: {error}")[:_MOST_CHARACTERS])
        counted = zip(STRENGTHS, zip(*self.is_found, strict=True), strict=False)
        self.found.strengths = [_counted(strength, found) for strength, found in counted]

    def _plant_into(self, source: Path, rng: np.random.Generator) -> None:
        image, row, is_found = read_image(source), Row(kind="", pictures=[]), list[bool]()
        for one in planted(self.detector, image, rng):
            is_found.append(one.found.decision == "anomalous")
            if len(self.found.planted) < _N_ROWS:
                name = f"planted-{len(self.found.planted)}-{len(row.pictures)}"
                row.pictures.append(self._picture(name, source, one.found, one.box))
                row.kind = one.kind
        self.is_found.append(is_found)
        self.found.planted += [row] if row.pictures else []
        self.found.n_unseen += 1
        self.found.n_false_alarms += self.detector.inspect(image).decision == "anomalous"

    def show(self, odd: Sequence[tuple[Path, float]]) -> None:
        """Good images under their heat maps, with their held-out scores."""
        limit = self.detector.threshold.value
        for number, (source, score) in enumerate(odd):
            found = self._picture(f"held_out-{number}", source, self.detector.inspect(source))
            found.is_anomalous, found.score_in_thresholds = score > limit, score / limit if limit > 0 else None
            self.found.held_out.append(found)

    def _picture(self, name: str, source: Path, found: Inspection, box: Sequence[int] | None = None) -> Picture:
        file = f"{name}.webp"
        (self.place / file).write_bytes(thumbnail_of(found))
        return Picture(
            file=file,
            name=source.name,
            is_anomalous=found.decision == "anomalous",
            score_in_thresholds=found.in_thresholds,
            box=None if box is None else _within(box, found.view),
        )


def look(detector: Detector, sources: Sequence[Path], place: Path, *, seconds: float = _SECONDS) -> FirstLook:
    """Writes its facts and pictures into a new folder; after so many seconds no further defect is planted.

    Raises InputError where none can be taken.
    """
    odd = _oddest(detector, sources)[: len(sources) // FEWEST]  # which a twin does without, too
    twin = twin_of(detector, sources, [source for source, _ in odd])
    place.mkdir()
    taken = _Look(twin, place, seconds)
    taken.plant()
    taken.show(odd)
    (place / FACTS).write_text(taken.found.model_dump_json(), "utf-8")
    return taken.found


def main(detector: str, good: str, place: str) -> None:
    """Takes one of a detector file and the folder that it was learnt from; says how far it is."""
    sources = [sample.path for sample in find_dataset(Path(good), layout="flat").normal_training()]
    look(Detector.load(detector), sources, Path(place))


def _oddest(detector: Detector, sources: Sequence[Path]) -> list[tuple[Path, float]]:
    """Those with the highest held-out scores, which the detector file has by what stands for their pixels."""
    held_out = detector.held_out
    score_of = dict(zip(held_out.contents, held_out.scores, strict=False))
    worst = sorted(score_of, key=lambda content: -score_of[content])[:_N_SHOWN]
    contents = stream(_content, sources, ahead=8)
    places = dict(zip(tracked(contents, "looking for the oddest good images", len(sources)), sources, strict=True))
    return [(places[content], score_of[content]) for content in worst if content in places]


def _counted(strength: float, is_found: Sequence[bool]) -> Strength:
    n, n_found = len(is_found), sum(is_found)
    low, high = wilson(n_found, n)
    return Strength(strength=strength, n=n, n_found=n_found, low=low, high=high)


def _within(box: Sequence[int], view: View) -> Box:
    """Pixels of the original as shares of what the model saw of it."""
    x, y, width, height = box
    return (x - view.x) / view.width, (y - view.y) / view.height, width / view.width, height / view.height


def _content(source: Path) -> str:
    try:
        return content_of(read_image(source))
    except UnreadableImageError:
        return ""


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except UrushiError as error:
        sys.exit(f"error: {error}")
