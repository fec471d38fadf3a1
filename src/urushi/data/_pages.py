"""Which pictures of a file are images of their own, and what they are called: stack.tif#1, stack.tif#2 …

A page that is a smaller copy of another, as thumbnails and the levels of a pyramid are, is no image of its own.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

from PIL.ImageFile import ImageFile
from PIL.MpoImagePlugin import MpoImageFile

from urushi.data._pixels import RefusalError
from urushi.data._tiff import Directory, directories
from urushi.printable import counted

MAX_PAGES = 10_000
MAX_FRAMES = 1000  # of an animation, each of which needs all before it
_NAMED = re.compile(r"(?P<file>.+)#(?P<number>[1-9]\d{0,8})", re.DOTALL)

Size = tuple[int, int]  # width, height in px


@dataclass(frozen=True)
class Listing:
    """The pictures of a file that are images of their own, by their numbers from 1, and what else there is."""

    numbers: Sequence[int] = (1,)
    left_out: str = ""  # such as "2 smaller copies"

    def chosen(self, file: Path, number: int | None) -> int:
        """The picture that is meant by a file's name alone (None) or by a number; raises RefusalError."""
        n, first = len(self.numbers), f"{file.name}#{self.numbers[0]}"
        if number is None and n > 1:
            raise RefusalError(
                f"holds {counted(n, 'image')}; inspect_many and folders take each, and {first} is the first"
            )
        if number is not None and number not in self.numbers:
            said = f", and {self.left_out} besides" if self.left_out else ""
            raise RefusalError(f"there is no image {number} in it; it holds {n}{said}; {first} is the first")
        return self.numbers[0] if number is None else number


def located(path: Path) -> tuple[Path, int | None]:
    """File and number of a page called stack.tif#2; where a file has this name itself, that file is meant."""
    match = _NAMED.fullmatch(path.name)
    if match is None or os.path.lexists(path):
        return path, None
    file = path.with_name(match["file"])
    return (file, int(match["number"])) if os.path.lexists(file) else (path, None)


def tiff_pages(path: Path) -> tuple[Directory, ...]:
    """The directories of a TIFF, looked up once while it does not change; raises RefusalError if there are too many."""
    status = path.stat()
    found = _directories(path, (status.st_ino, status.st_mtime_ns, status.st_size))
    if len(found) > MAX_PAGES:
        raise RefusalError(f"holds more than {MAX_PAGES} images; split it into several files")
    return found


def listing_of_tiff(pages: Sequence[Directory]) -> Listing:
    """Every page but copies; raises RefusalError where copies are all that the main chain holds."""
    n_inner = sum(page.n_inner for page in pages)
    marked = {number for number, page in enumerate(pages, 1) if page.is_reduced and not page.damage}
    if len(marked) == len(pages):
        if n_inner:
            raise RefusalError("holds a thumbnail, and its image in an inner directory (SubIFD); save it as plain TIFF")
        marked = set()
    sizes = {number: (page.width, page.height) for number, page in enumerate(pages, 1) if number not in marked}
    copies = marked | _copies({number: size for number, size in sizes.items() if all(size)})
    inner = f"{n_inner} inner {'picture (SubIFD)' if n_inner == 1 else 'pictures (SubIFDs)'}" if n_inner else ""
    numbers = tuple(number for number in range(1, len(pages) + 1) if number not in copies)
    return Listing(numbers or (1,), _besides(len(copies), inner))


def listing_of_frames(n: int, most: int = MAX_PAGES) -> Listing:
    """Every frame; raises RefusalError if there are too many."""
    if n > most:
        raise RefusalError(f"holds {counted(n, 'image')}, more than {most}; split it into several files")
    return Listing(range(1, n + 1))


def listing_of_jpeg(image: ImageFile) -> Listing:
    """Every picture of a Multi-Picture Format but thumbnails and other smaller copies."""
    n = getattr(image, "n_frames", 1)
    if n == 1:
        return Listing()
    kinds = [str(entry["Attribute"]["MPType"]) for entry in image.mpinfo[0xB002]]  # type: ignore[attr-defined]
    sizes = {number: _size(image, number) for number in range(1, n + 1)}
    image.seek(0)
    lost = {number for number, size in sizes.items() if size is None and "Multi-Frame" not in kinds[number - 1]}
    copies = lost | {number for number in sizes if "Thumbnail" in kinds[number - 1]}
    copies |= _copies({number: size for number, size in sizes.items() if size and number not in copies})
    return Listing(tuple(number for number in sizes if number not in copies) or (1,), _besides(len(copies)))


def as_multi_picture(image: ImageFile) -> ImageFile:
    """A JPEG that says it holds several pictures as a file of several; one that says so wrongly stays what it is."""
    if "mpoffset" in image.info and image.fp is not None:
        with suppress(Exception):  # decoders raise nearly every exception there is on a damaged file
            return MpoImageFile(image.fp)
    return image


def listed(find: Callable[[], Listing]) -> Listing:
    """What a listing finds; a file that cannot be read is one image, which says so when it is."""
    try:
        return find()
    except Exception:  # decoders raise nearly every exception there is on a damaged file
        return Listing()


@lru_cache(maxsize=8)
def _directories(path: Path, stamp: tuple[int, ...]) -> tuple[Directory, ...]:  # noqa: ARG001  a changed file is another
    with path.open("rb") as file:
        return tuple(islice(directories(file), MAX_PAGES + 1))


def _copies(sizes: dict[int, Size]) -> set[int]:
    """Which pictures are smaller copies of the largest, to judge by their sizes alone.

    Such a one has the same proportions, at most half the sides and a size that no other has; and it comes first, or
    there is only one of the largest size.
    """
    if not sizes:
        return set()
    counts, largest = Counter(sizes.values()), max(sizes.values(), key=lambda size: size[0] * size[1])
    small = {number for number, size in sizes.items() if counts[size] == 1 and _is_copy(size, largest)}
    return small if counts[largest] == 1 else small & {min(sizes)}


def _is_copy(size: Size, largest: Size) -> bool:
    (width, height), (full_width, full_height) = size, largest
    is_alike = abs(width * full_height - height * full_width) <= max(full_width, full_height)  # up to one pixel
    return is_alike and 2 * width <= full_width and 2 * height <= full_height


def _besides(n_copies: int, inner: str = "") -> str:
    copies = f"{n_copies} smaller cop{'y' if n_copies == 1 else 'ies'}" if n_copies else ""
    return " and ".join(part for part in (copies, inner) if part)


def _size(image: ImageFile, number: int) -> Size | None:
    try:
        image.seek(number - 1)
    except Exception:  # as above
        return None
    return image.size
