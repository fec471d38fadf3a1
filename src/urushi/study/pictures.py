"""The plots of a study, as PNG and SVG: from its records, and of single images from one detector of each method."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from urushi.data.dataset import Dataset
from urushi.detector import Detector
from urushi.evaluation import ScoredImage
from urushi.inspection import Inspection
from urushi.reporting.plots import style
from urushi.reporting.plots.evaluation_plots import EvaluationPlots
from urushi.study import curves
from urushi.study.measuring import DETECTORS
from urushi.study.plan import Run, Study
from urushi.study.records import Record
from urushi.study.summary import Summary

FOLDER = "plots"


def write(
    study: Study, summary: Summary, records: Sequence[Record], datasets: dict[str, Dataset], out: Path
) -> dict[str, Path]:
    """Writes every plot that the study has something for below `out`; the PNGs by caption."""
    written = {}
    for caption, figure in curves.pictures(study, summary, records):
        stem = "".join(letter if letter.isalnum() else "_" for letter in caption).lower()
        written[caption], _ = style.write(figure, out / FOLDER / stem)
    return written | _of_images(study, records, datasets, out, out / FOLDER)


_SHOWN = {
    "reconstructions": "the first of each kind",
    "most_certain": "most certain hits and mistakes",
    "decisions_by_defect": "decisions at the detector's own threshold",
    "scores": "scores",
    "luminance": "brightness before preprocessing",
    "latent_histograms": "latents of good test images",
    "latent_map": "latent map",
}


def _of_images(
    study: Study, records: Sequence[Record], datasets: dict[str, Dataset], out: Path, plots: Path
) -> dict[str, Path]:
    """The plots of the first repeat of each data set and method at its chosen value; PNGs that matter by caption."""
    measured = {(record.data, record.method, record.value) for record in records if record.seed == 0}
    shown: dict[str, Path] = {}
    for run in study.runs():
        is_chosen = run.seed == 0 and run.value == study.chosen(run.method.name)
        file = out / DETECTORS / f"{run.name}.urushi"
        if is_chosen and (run.data.name, run.method.name, run.value) in measured and file.is_file():
            shown |= dict(_of_detector(run, Detector.load(file), datasets[run.data.name], plots / run.name))
    return shown


def _of_detector(run: Run, detector: Detector, dataset: Dataset, folder: Path) -> Iterator[tuple[str, Path]]:
    samples, images = dataset.test(), []
    plots = EvaluationPlots(latents=getattr(detector.backend, "latents", None))  # only torch computes them
    for sample, found in zip(samples, detector.inspect_many([s.path for s in samples]), strict=True):
        if isinstance(found, Inspection):
            plots.add(found, sample.label, sample.defect)
            images.append(
                ScoredImage(found.source, sample.label, sample.defect, found.score, found.decision, found.p_value)
            )
    title = f"{run.data.name}, {run.method.name}" + ("" if run.value is None else f" {run.value}")
    written, _ = plots.write(folder, images)
    yield from ((f"{title}: {_SHOWN[path.stem]}", path) for path in written if path.stem in _SHOWN)
