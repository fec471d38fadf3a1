"""Finds image files below folders, always in the same order, and follows no symbolic link to a folder."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from urushi.data._pages import located
from urushi.data.images import IMAGE_SUFFIXES
from urushi.data.samples import Problem
from urushi.errors import DatasetError

# What macOS and Windows put beside images; `._part.png` is named like an image and is none.
_OF_SYSTEM = {".ds_store", "thumbs.db", "desktop.ini"}
_NAMED_LIKE_AN_IMAGE = "is a directory with the name of an image; rename it"


def find_images(paths: Iterable[Path]) -> Iterator[Path | Problem]:
    """Every path given that is no folder, whatever its suffix, and every image file below the folders given, sorted.

    A folder that cannot be searched, a linked one and one named like an image are yielded as a Problem.
    Raises DatasetError for a path that does not exist.
    """
    wanted = list(paths)
    if missing := [path for path in wanted if not exists(located(path)[0])]:  # before any work, not in the middle of it
        raise DatasetError(f"There is no file or folder {str(missing[0])!r}; check its spelling.")
    for path in wanted:
        if not is_folder(path):
            yield path
        elif has_image_suffix(path):
            yield Problem(path, _NAMED_LIKE_AN_IMAGE)
        else:
            yield from images_below(path)


def count_other_files(paths: Iterable[Path]) -> int:
    """How many files below the folders among paths are not named like images and are therefore left alone."""
    folders = (path for path in paths if is_folder(path) and not has_image_suffix(path))
    entries = (entry for folder in folders for entry in walk(folder))
    return sum(isinstance(entry, Path) and not is_named_like_image(entry) for entry in entries)


def system_files(folder: Path) -> list[Path]:
    """The files below a folder that the operating system put there, sorted."""
    return [entry for entry in walk(folder) if isinstance(entry, Path) and is_of_system(entry)]


def images_below(folder: Path) -> Iterator[Path | Problem]:
    """The image files below one folder, sorted, with a Problem for each folder inside that is not searched."""
    return (entry for entry in walk(folder) if isinstance(entry, Problem) or is_named_like_image(entry))


def walk(folder: Path) -> Iterator[Path | Problem]:
    """Every file below a folder whatever its suffix, sorted, and a Problem for each folder that is not searched."""
    stack: list[Path | Problem] = _listing(folder)[::-1]
    while stack:
        entry = stack.pop()
        if isinstance(entry, Problem) or not is_folder(entry):
            yield entry
        elif entry.is_symlink():
            yield Problem(entry, "is a symbolic link to a directory, which is not followed; give its target")
        elif has_image_suffix(entry):
            yield Problem(entry, _NAMED_LIKE_AN_IMAGE)
        else:
            stack += _listing(entry)[::-1]


def subfolders(folder: Path) -> list[Path]:
    """The folders directly in a folder, sorted; an absent or unreadable one has none."""
    return [entry for entry in _listing(folder) if isinstance(entry, Path) and is_folder(entry)]


def images_in(folder: Path) -> list[Path]:
    """The image files directly in a folder, sorted; an absent or unreadable one has none."""
    files = [entry for entry in _listing(folder) if isinstance(entry, Path) and not is_folder(entry)]
    return [file for file in files if is_named_like_image(file)]


def has_image_suffix(path: Path) -> bool:
    """Whether a name ends like that of an image, in small or capital letters."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def is_named_like_image(path: Path) -> bool:
    """Whether the name of a file is that of an image."""
    return has_image_suffix(path) and not is_of_system(path)


def is_of_system(path: Path) -> bool:
    """Whether a name is that of a file that the operating system puts into folders."""
    return path.name.startswith("._") or path.name.lower() in _OF_SYSTEM


def is_folder(path: Path) -> bool:
    """Whether a path is a folder; one out of reach is none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_file(path: Path) -> bool:
    """Whether a path is a regular file; one out of reach is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def exists(path: Path) -> bool:
    """Whether there is something at a path, be it a broken link or out of reach."""
    try:
        path.lstat()
    except PermissionError:
        return True  # reading it will say so
    except (OSError, ValueError):
        return False
    return True


def _listing(folder: Path) -> list[Path | Problem]:
    try:
        return list[Path | Problem](sorted(folder.iterdir()))
    except OSError as error:
        return [Problem(folder, f"cannot be searched: {(error.strerror or str(error)).lower()}")]
