"""The plots of a study, as PNG and SVG: from its records, and of single images from one detector of each method."""

from collections.abc import Sequence
from pathlib import Path

from urushi.data.dataset import Dataset
from urushi.reporting.plots import style as plot_style
from urushi.study import _curves, _images
from urushi.study.plan import Study
from urushi.study.records import Record
from urushi.study.summary import Summary

FOLDER = "plots"


def write(
    study: Study, summary: Summary, records: Sequence[Record], datasets: dict[str, Dataset], out: Path
) -> dict[str, Path]:
    """Writes every plot that the study has something for below `out`; the PNGs by caption."""
    written = {}
    for caption, figure in _curves.pictures(study, summary, records):
        stem = "".join(letter if letter.isalnum() else "_" for letter in caption).lower()
        written[caption], _ = plot_style.write(figure, out / FOLDER / stem)
    return written | _images.write(study, records, datasets, out, out / FOLDER)
