"""The plots that commands leave behind beside their printed lines."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from urushi.cli import _console
from urushi.errors import InputError

if TYPE_CHECKING:
    from urushi.data.samples import Sample
    from urushi.detector import Detector
    from urushi.evaluation import Evaluation
    from urushi.inspection import Inspection, Unreadable

    _Result = tuple[Sample, Inspection | Unreadable]


class PlotWriter:
    """Writes the plots of an evaluation as PNG and SVG into a folder; raises InputError if it cannot be made."""

    def __init__(self, folder: Path, detector: "Detector") -> None:
        from urushi.reporting.plots.evaluation_plots import EvaluationPlots

        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder} cannot be made: {error.strerror}; give --plots another place") from None
        latents = getattr(detector.backend, "latents", None)  # only torch computes them
        self.folder, self.plots = folder, EvaluationPlots(latents=latents)

    def tap(self, results: "Iterable[_Result]") -> "Iterator[_Result]":
        """The same results, seen on their way."""
        from urushi.inspection import Inspection

        for sample, result in results:
            if isinstance(result, Inspection):
                self.plots.add(result, sample.label, sample.defect)
            yield sample, result

    def close(self, found: "Evaluation") -> None:
        """Writes the plots; says where they are, and why one could not be drawn."""
        written, absent = self.plots.write(self.folder, found.images)
        for name, reason in absent.items():
            _console.note(f"no plot {name}: {reason}")
        _console.note(f"{len(written)} plots in {self.folder}")


def write_training(folder: Path, title: str, trained: Mapping[str, Any]) -> None:
    """The page and learning curves of a training run into its folder; what cannot be drawn is said, and no more."""
    from urushi.reporting.plots.learning_curves import learning_curves_figure, read_learning_curves
    from urushi.reporting.plots.style import write
    from urushi.reporting.training_page import write_training_page

    try:
        write(learning_curves_figure(read_learning_curves(folder)), folder / "learning_curves")
        page = write_training_page(folder, title, trained)
    except InputError as error:
        _console.note(f"no page of the training: {error}")
    else:
        _console.note(f"how it was trained: {page}")


def curves_for_report(found: "Evaluation") -> dict[str, str]:
    """ROC and precision over recall as SVG by caption; none where matplotlib or one class of images is missing."""
    from urushi.reporting.plots.operating_curves import precision_recall_figure, roc_figure
    from urushi.reporting.plots.style import svg

    repeats = [([image.score for image in found.images], [image.label for image in found.images])]
    curves = {"this test set": repeats}
    try:
        return {"ROC": svg(roc_figure(curves)), "Precision–recall": svg(precision_recall_figure(curves))}
    except InputError as error:
        _console.note(f"no curves in the report: {error}")
        return {}
