"""The plots of a study, as PNG and SVG."""

from collections.abc import Sequence
from pathlib import Path

from urushi.data.dataset import Dataset
from urushi.study.plan import Study
from urushi.study.records import Record
from urushi.study.summary import Summary


def write(
    study: Study, summary: Summary, records: Sequence[Record], datasets: dict[str, Dataset], out: Path
) -> dict[str, Path]:
    """Writes every plot that the study has something for below `out`; the PNGs by caption."""
    return {}
