"""Test images with the same pixels: each counts, but they are fewer images than their number says."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from urushi.inspection import Unreadable


class Seen(NamedTuple):
    """One test image by its source, and what stands for its pixels; "" where that is not known."""

    source: str
    label: int
    content: str


def repeats(images: Sequence[Seen]) -> tuple[Unreadable, ...]:
    """The images with the pixels of one whose source comes first, which the reason names; sorted by source."""
    groups: defaultdict[str, list[Seen]] = defaultdict(list)
    for image in sorted(images):
        if image.content:
            groups[image.content].append(image)
    return tuple(sorted((one for group in groups.values() for one in _named(group)), key=lambda one: one.source))


def _named(group: list[Seen]) -> Iterator[Unreadable]:
    first, *others = group
    for image in others:
        contrary = "" if image.label == first.label else ", which has another label"
        yield Unreadable(image.source, f"the same pixels as {first.source}{contrary}")
