"""What an inspection leaves behind beside its printed lines: counts, overlays and the report."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from urushi.cli import _console
from urushi.data import writing
from urushi.errors import InputError
from urushi.inspection import Cautions, Inspection, Unreadable
from urushi.printable import printable

if TYPE_CHECKING:
    import numpy as np

    from urushi.detector import Detector
    from urushi.reporting.report import DetectorFacts
    from urushi.reporting.report import Evaluation as ReportedEvaluation


class Listener(Protocol):
    """What is told of every result, and when they are over."""

    def add(self, result: Inspection | Unreadable) -> None: ...
    def close(self) -> None: ...


class Tally:
    """Counts what came, and knows the exit status that follows."""

    def __init__(self, *, is_endless: bool = False) -> None:
        self.n_normal = self.n_unsure = self.n_anomalous = self.n_unreadable = 0
        self.cautions, self.is_endless = Cautions(), is_endless

    def add(self, result: Inspection | Unreadable) -> None:
        """Counts one result."""
        if isinstance(result, Unreadable):
            self.n_unreadable += 1
            return
        self.cautions.add(result)
        if self.is_endless and (line := self.cautions.alarm()):
            _console.note(f"warning: {printable(line)}")
        if result.decision == "anomalous":
            self.n_anomalous += 1
        elif result.decision == "unsure":
            self.n_unsure += 1
        else:
            self.n_normal += 1

    def close(self) -> None:
        """The counts in one line on stderr, and what keeps the threshold from holding."""
        unsure = f"{self.n_unsure} unsure, " if self.n_unsure else ""
        _console.note(f"{self.n_normal} normal, {unsure}{self.n_anomalous} anomalous, {self.n_unreadable} not read")
        for line in self.cautions.lines():
            _console.note(f"warning: {printable(line)}")

    def status(self, *, fail_on_anomaly: bool) -> int:
        """3 for an anomaly where asked for (unsure is none), else 1 for images that could not be read, else 0."""
        if fail_on_anomaly and self.n_anomalous:
            return 3
        return 1 if self.n_unreadable else 0


class PictureWriter:
    """Writes a file for each image, numbered, since names in different folders may be the same.

    `draw` makes it of an inspection; by the suffix it is written as a picture, or as the values that it has.
    """

    def __init__(self, folder: Path, what: str, suffix: str, draw: "Callable[[Inspection], np.ndarray]") -> None:
        self.folder, self.what, self.suffix, self.draw, self.n_written = folder, what, suffix, draw, 0
        make_folder(self.folder)
        writing.begin(self.folder)

    def add(self, result: Inspection | Unreadable) -> None:
        """One file per inspected image."""
        if isinstance(result, Unreadable):
            return
        from urushi.data.pages import as_file_name

        stem = re.sub(r"[^\w.-]", "_", as_file_name(Path(result.source)).stem)[:80]
        write = writing.write_image if self.suffix == ".png" else writing.write_values
        write(self.folder / f"{self.n_written:06d}-{stem}{self.suffix}", self.draw(result))
        self.n_written += 1

    def close(self) -> None:
        """Says where they are."""
        writing.finish(self.folder)
        _console.note(f"{self.n_written} {self.what} in {self.folder}")


def map_writer(out: Path, suffix: str) -> PictureWriter:
    """Writes overlays as PNG, or anomaly maps as they were computed as NPY or TIFF."""
    folder, is_picture = out / "maps", suffix == ".png"
    return PictureWriter(folder, "overlays" if is_picture else "anomaly maps", suffix, _overlay if is_picture else _map)


def mask_writer(out: Path) -> PictureWriter:
    """Writes masks of the regions, each in the size of its image."""
    return PictureWriter(out / "masks", "masks", ".png", _mask)


def _overlay(result: Inspection) -> "np.ndarray":
    from urushi.reporting.heat_map import overlay

    return overlay(
        result.picture, result.anomaly_map, result.map_scale, result.regions, result.view, ignored=result.ignored
    )


def _map(result: Inspection) -> "np.ndarray":
    return result.anomaly_map


def _mask(result: Inspection) -> "np.ndarray":
    import numpy as np

    from urushi.inspection.regions import marks, mask_in_original

    if not result.regions:
        return np.zeros(result.original_size, bool)
    marked = marks(result.anomaly_map, result.map_scale.region_threshold, result.ignored)
    return mask_in_original(marked, result.to_original, result.original_size)


class ReportWriter:
    """Collects for the HTML report; `labels` gives the true class by source, where it is known."""

    def __init__(
        self, path: Path, detector: "Detector", title: str = "Inspection", labels: Mapping[str, str] | None = None
    ) -> None:
        from urushi.reporting.picture_folder import PictureFolder
        from urushi.reporting.report import Report

        make_folder(path.parent)
        date = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
        self.path, self.cautions, self.folder = path, Cautions(), PictureFolder(path)
        self.report = Report(title, _facts(detector), labels=labels, date=date, folder=self.folder)

    def add(self, result: Inspection | Unreadable) -> None:
        """One card, or one line of what could not be read."""
        self.cautions.add(result)
        if isinstance(result, Unreadable):
            self.report.add_unreadable(result)
        else:
            self.report.add(result)

    def close(self, evaluation: "ReportedEvaluation | None" = None, plots: Mapping[str, str] | None = None) -> None:
        """Writes the page and says where it is; `plots` are SVG documents by caption."""
        self.report.write(self.path, evaluation=evaluation, plots=plots, warnings=self.cautions.lines())
        beside = f", with {self.folder.folder.name} beside it" if self.folder.is_used else ""
        _console.note(f"report: {self.path}{beside}")


def _facts(detector: "Detector") -> "DetectorFacts":
    """What a report tells about its detector."""
    card: dict[str, Any] = {k: v for k, v in detector.card.items() if k not in ("digests", "fit", "recipe")}
    return {
        "recipe": str(detector.card.get("recipe", "")),
        "model": detector.recipe.model.name,
        "file": None if detector.file is None else str(detector.file),
        "n_training_images": int(detector.card["fit"]["n_training"]),
        "threshold": detector.threshold.value,
        "warn_threshold": detector.threshold.warn_value,
        "threshold_explanation": detector.threshold.explanation,
        "false_alarm_rate": detector.threshold.false_alarm_rate,
        "rate_kind": detector.threshold.rate_kind,
        "calibration_scores": detector.held_out.scores,
        "card": card,
    }


def make_folder(folder: Path) -> None:
    """Makes the folder and those above it; raises InputError if that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error.strerror}; choose another place with --out") from None
