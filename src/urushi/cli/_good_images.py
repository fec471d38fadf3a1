"""Good images from a folder: those of a data set's training part, or all of a folder that has no such part."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from urushi.cli import _console
from urushi.cli._datasets import note_found, note_problems, note_taken
from urushi.printable import counted, printable

if TYPE_CHECKING:
    from urushi.data.dataset import Dataset
    from urushi.data.samples import Sample

_MOST_PROBLEMS = 3  # that are listed where nothing is left to learn from


class GoodImages(NamedTuple):
    """The good training images of a folder, what a card says of them, and all that lies there."""

    paths: list[Path]
    facts: dict[str, Any]
    samples: "Sequence[Sample]"


def good_images(good: Path, layout: str | None, good_folders: Sequence[str]) -> GoodImages:
    """Those to learn from; raises DatasetError where there are none."""
    from urushi.data.dataset import find_dataset
    from urushi.data.pages import file_of
    from urushi.errors import DatasetError

    dataset = find_dataset(good, layout=layout, good_folders=good_folders)
    note_taken(dataset)
    samples = dataset.normal_training()
    if not samples:
        note_problems(dataset.problems[:_MOST_PROBLEMS])
        raise DatasetError(f"{good} has no good training images; `urushi doctor {good}` shows what it has")
    note_found(len(samples), "good image", [good])
    note_problems(dataset.problems)
    if spare := dataset.validation():
        _console.note(
            f"note: {counted(len(spare), 'validation image is', 'validation images are')} left out: the fit "
            "holds out some of its own"
        )
    _refuse_masks(dataset)
    openable = [sample for sample in samples if _is_openable(file_of(sample.path))]
    facts: dict[str, Any] = {
        "folder": printable(str(good.resolve())),
        "layout": dataset.layout,
        "fingerprint": dataset.fingerprint(openable),
    }
    facts |= {"good_folders": list(good_folders)} if good_folders else {}
    return GoodImages([sample.path for sample in samples], facts, dataset.samples)


def note_scans(paths: Sequence[Path]) -> None:
    """A line where their names tell that they are scans of products, which a fit takes for independent."""
    from urushi.data.proposed_groups import scans_by_name

    if said := scans_by_name([path.as_posix() for path in paths]):
        _console.note(f"note: {printable(said)}")


def _is_openable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.R_OK)


def _refuse_masks(dataset: "Dataset") -> None:
    """Raises DatasetError where a folder of images only is one of masks; notes where its name says defects."""
    from urushi.data.masklike import look_like_masks
    from urushi.data.names import is_surely_of_masks, meaning
    from urushi.errors import DatasetError

    if dataset.layout != "flat":
        return
    root, name = dataset.root, dataset.root.resolve().name
    by_name = is_surely_of_masks(name)
    if by_name or look_like_masks([sample.path for sample in dataset.normal_training()]):
        seen = "its name says so" if by_name else "nearly all of them are black with one other level"
        raise DatasetError(
            f"the images in {root} look like masks of defects: {seen}. Give the folder of images of good parts; if "
            "these are good parts, put them into a folder train/good and give the one that holds train"
        )
    if meaning(name).kind == "defect":
        _console.note(f"note: {printable(str(root))}: its images count as good, but its name says defects")
