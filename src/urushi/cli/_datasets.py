"""What the commands say about a data set, and the option by which folders are taken as good."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from urushi.cli import _console
from urushi.printable import counted, printable

if TYPE_CHECKING:
    from urushi.data.dataset import Dataset
    from urushi.data.samples import Problem

GoodFolderOption = Annotated[
    list[str],
    typer.Option(
        "--good-folder", metavar="NAME", help="Folders of this name hold good images, whatever it says; repeatable."
    ),
]

BitsOption = Annotated[
    int | None,
    typer.Option(
        "--bits",
        min=1,
        max=16,
        help="Bits a channel of images that use fewer than their files hold, and don't say so: 10 of 16, for example.",
    ),
]

GroupByOption = Annotated[
    str | None,
    typer.Option(
        "--group-by",
        metavar="HOW",
        help="Which images show one product: folder, TABLE.csv:COLUMN, or a pattern of the name: 'item-(\\d+)'.",
    ),
]


def note_problems(problems: "Sequence[Problem]") -> None:
    """Each problem on a line of its own."""
    for problem in problems:
        _console.note(f"note: {printable(f'{problem.path}: {problem.reason}')}")


def note_found(n: int, what: str, places: Sequence[Path], *, of: str = "") -> None:
    """How many images there are, before anything is done with them."""
    _console.note(f"{counted(n, what)}{of} found in {printable(', '.join(map(str, places)))}")


def note_taken(dataset: "Dataset") -> None:
    """Which folders are taken for what, unless they are called as everybody calls them."""
    from urushi.data.taken import is_plain, taken

    if not is_plain(dataset):
        _console.note(f"note: {printable(taken(dataset))}")


def images_in(folder: Path | None, good_folders: Sequence[str] = ()) -> list[Path]:
    """All images of defects below a folder, or none without a folder; raises DatasetError."""
    from urushi.data.dataset import find_defects

    if folder is None:
        return []
    images, problems = find_defects(folder, good_folders=good_folders)
    note_problems(problems)
    return images
