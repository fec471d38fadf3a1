"""The images of a file: one for most, one for each page, frame or slice of others, called stack.tif#1, stack.tif#2 …"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from urushi.data._files import listing_of
from urushi.data._pages import located
from urushi.data._quiet import quiet_decoders
from urushi.data.images import ImageSource, Stated
from urushi.data.samples import Problem

P = TypeVar("P", str, Path)


def file_of(path: Path) -> Path:
    """The file in which an image lies: itself, or stack.tif of stack.tif#2."""
    return located(path)[0]


def as_file_name(path: Path) -> Path:
    """What an image may be called where it becomes a file: stack_2.tif for the page stack.tif#2, else as it is."""
    whole, _, number = path.name.rpartition("#")
    name = Path(whole)
    return path.with_name(f"{name.stem}_{number}{name.suffix}") if name.suffix and number.isdecimal() else path


def images_of(sources: Iterable[ImageSource], notice: Callable[[Problem], None] | None = None) -> Iterator[ImageSource]:
    """Each source, and where one is a file of several images, each of these, by name and as they are asked for.

    What cannot be looked at, what is in memory and what is one page already stays what it is. `notice` is told what of
    a file is no image of its own: smaller copies, as thumbnails are.
    """
    for source in sources:
        stated = Stated.of(source)
        if isinstance(stated.source, (str, Path)):
            names = images_in_file(stated.source, notice)  # type: ignore[type-var]
            yield from (replace(stated, source=name) for name in names) if stated is source else names
        else:
            yield source


def images_in_file(path: P, notice: Callable[[Problem], None] | None = None) -> Iterator[P]:
    """The names of the images in one file; see `images_of`."""
    with quiet_decoders():
        found = listing_of(Path(path))
    if found.left_out and notice:
        notice(Problem(Path(path), f"{found.left_out} of its images left out"))
    names = (type(path)(f"{path}#{number}") for number in found.numbers)
    # A file that is called like a page would be taken for it; reading the whole then says that it holds several.
    if len(found.numbers) == 1 or any(os.path.lexists(f"{path}#{number}") for number in found.numbers):
        yield path
    else:
        yield from names
