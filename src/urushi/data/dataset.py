"""A data set: which images there are, to which split they belong, and what is wrong with the folder."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from urushi import catalogue
from urushi.data.folders import count_other_files, exists, find_images, is_folder, subfolders
from urushi.data.layouts.base import Layout, Rank
from urushi.data.masks import mask_files
from urushi.data.names import Names, plain
from urushi.data.paged_samples import by_page
from urushi.data.pages import file_of, images_in_file
from urushi.data.parts import parts_below
from urushi.data.samples import GOOD, Problem, Sample, Split
from urushi.data.writing import UNFINISHED
from urushi.errors import DatasetError, RecipeError, UnreadableImageError
from urushi.printable import counted

__all__ = ["GOOD", "Dataset", "Problem", "Sample", "Split", "count_other_files", "find_dataset", "find_images"]

_ROOM = "urushi.data.layouts"
_N_LISTED = 20


@dataclass(frozen=True)
class Dataset:
    """The samples below a folder, sorted by path, and the problems its layout shows without opening any image."""

    root: Path
    layout: str
    samples: tuple[Sample, ...]
    problems: tuple[Problem, ...]
    good_folders: tuple[str, ...] = ()  # names that count as good besides the usual ones

    def normal_training(self) -> tuple[Sample, ...]:
        """The normal samples of the train split."""
        return tuple(sample for sample in self.samples if sample.split == "train" and sample.label == 0)

    def validation(self) -> tuple[Sample, ...]:
        """The samples of the validation split, which most layouts do not have."""
        return tuple(sample for sample in self.samples if sample.split == "validation")

    def test(self) -> tuple[Sample, ...]:
        """The samples of the test split, normal and anomalous."""
        return tuple(sample for sample in self.samples if sample.split == "test")

    def fingerprint(self, samples: Iterable[Sample] | None = None) -> str:
        """SHA-256 in hex over relative paths and contents of the images and masks of some samples (default: all).

        It depends neither on their order nor on where the folder lies. Raises UnreadableImageError.
        """
        chosen = self.samples if samples is None else samples
        files = {file_of(path) for sample in chosen for path in (sample.path, *mask_files(sample.mask))}
        digest = hashlib.sha256()
        for name, path in sorted((_relative(path, self.root), path) for path in files):
            # The digest of fixed length keeps "a" + "bc" and "ab" + "c" apart.
            digest.update(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest() + _file_digest(path))
        return digest.hexdigest()


def find_dataset(root: Path, *, layout: str | None = None, good_folders: Sequence[str] = ()) -> Dataset:
    """The data set below a folder, its layout detected unless given; folders called as one of good_folders are good.

    Raises DatasetError if there is no such folder, if it holds no images or several data sets, if no layout or
    more than one fits, or if no folder is called as one of good_folders.
    """
    _require_folder(root)
    require_good_folders([root], good_folders)
    layouts = _layouts(tuple(good_folders))
    name = layout if layout is not None else _detected(root, layouts)
    if name not in layouts:
        _refuse_unknown(name)
    kind = layouts[name]
    if layout is not None and not kind.matches(root):
        raise DatasetError(f"{str(root)!r} does not have the layout {name!r}; expected: {kind.expects}.")
    found = kind.find(root)
    if not found.samples:
        raise DatasetError(_why_nothing(root, kind.expects, found.problems))
    samples, of_pages = by_page(sorted(found.samples, key=lambda sample: sample.path))
    problems = [*found.problems, *of_pages, *_unfinished(root)]
    problems.sort(key=lambda problem: (problem.path, problem.reason))
    return Dataset(root, name, tuple(samples), tuple(problems), tuple(good_folders))


def datasets_in(root: Path) -> tuple[list[Path], list[Problem]]:
    """The folder itself, or the data sets in it where it holds some, and what else it holds; raises DatasetError."""
    _require_folder(root)
    layouts = [layout for layout in _layouts(()).values() if layout.rank < Rank.fallback]
    inner = [] if any(layout.matches(root) for layout in layouts) else _inner(root, layouts)
    others = [folder for folder in subfolders(root) if folder not in inner] if inner else []
    return inner or [root], [Problem(folder, "is no data set and is left out") for folder in others]


def good_folders_in(root: Path, good_folders: Sequence[str]) -> list[str]:
    """Those of the names that a folder in `root`, or in one of its folders, is called by."""
    there = set(map(plain, _folder_names(root))) if good_folders else set()
    return [name for name in good_folders if plain(name) in there]


def require_good_folders(roots: Sequence[Path], good_folders: Sequence[str]) -> None:
    """Raises DatasetError if none of the roots has a folder called by one of the names."""
    names = sorted(set().union(*map(_folder_names, roots))) if good_folders else []
    for wanted in good_folders:
        if plain(wanted) not in map(plain, names):
            place = " and ".join(repr(str(root)) for root in roots)
            there = ", ".join(map(repr, names[:_N_LISTED])) or "none"
            raise DatasetError(f"{place} has no folder called {wanted!r} to take as good; it has: {there}.")


def _unfinished(root: Path) -> list[Problem]:
    reason = "this folder was not written to its end: some of its images may be missing"
    return [Problem(root / UNFINISHED, reason)] if exists(root / UNFINISHED) else []


def find_defects(root: Path, *, good_folders: Sequence[str] = ()) -> tuple[list[Path], list[Problem]]:
    """All images below a folder of defects, without good ones and masks as far as names say; raises DatasetError."""
    _require_folder(root)
    parts = parts_below(root, Names(good_folders), ("mask", "good"))
    problems = [*parts.problems, *parts.notices(), *parts.label_notices()]
    if not parts.images:
        raise DatasetError(_why_nothing(root, "images of defects", problems))
    return [page for path in parts.images for page in images_in_file(path, problems.append)], problems


@cache
def _layouts(good_folders: tuple[str, ...]) -> dict[str, Layout]:
    return {name: catalogue.load(_ROOM, name, Layout)(Names(good_folders)) for name in catalogue.names(_ROOM)}


def _refuse_unknown(layout: str) -> None:
    try:
        catalogue.load(_ROOM, layout, Layout)
    except RecipeError as error:
        raise DatasetError(str(error)) from error


def _detected(root: Path, layouts: dict[str, Layout]) -> str:
    matching = {name: layout.rank for name, layout in layouts.items() if layout.matches(root)}
    rank = min(matching.values())
    fitting = [name for name, of_it in matching.items() if of_it == rank]
    if len(fitting) > 1:
        raise DatasetError(f"{str(root)!r} fits the layouts {', '.join(fitting)}; name the one that is meant.")
    if rank == Rank.fallback:
        _refuse_several(root, [layout for layout in layouts.values() if layout.rank < rank])
    return fitting[0]


def _refuse_several(root: Path, layouts: list[Layout]) -> None:
    inner = [folder.name for folder in _inner(root, layouts)]
    if inner:
        more = f" and {len(inner) - _N_LISTED} more" if len(inner) > _N_LISTED else ""
        raise DatasetError(
            f"{str(root)!r} holds data sets rather than images: {', '.join(map(repr, inner[:_N_LISTED]))}{more}. "
            f"Give one of them, for example {str(root / inner[0])!r}."
        )


def _inner(root: Path, layouts: list[Layout]) -> list[Path]:
    return [folder for folder in subfolders(root) if any(layout.matches(folder) for layout in layouts)]


def _folder_names(root: Path) -> set[str]:
    """Of the folders in a folder and in those."""
    return {folder.name for one in subfolders(root) for folder in (one, *subfolders(one))}


def _require_folder(root: Path) -> None:
    if not exists(root):
        raise DatasetError(f"There is no folder {str(root)!r}; check the spelling and the working directory.")
    if not is_folder(root):
        raise DatasetError(f"{str(root)!r} is not a folder that can be opened; give the folder that holds the images.")


def _why_nothing(root: Path, expects: str, problems: Sequence[Problem]) -> str:
    if problems:
        shown = "; ".join(f"{str(p.path)!r} {p.reason}" for p in problems[:3])
        return f"{str(root)!r} holds no usable images: {shown}. Expected: {expects}."
    n_others = count_other_files([root])
    holds = f"holds {counted(n_others, 'file')}, none of them an image" if n_others else "is empty"
    return f"{str(root)!r} {holds}; expected: {expects}, as PNG, JPEG, BMP, TIFF, PGM, PPM or WebP."


def _relative(path: Path, root: Path) -> str:
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def _file_digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise UnreadableImageError(str(path), (error.strerror or str(error)).lower()) from error
