"""Whether brightness alone, after a recipe's preprocessing, tells the kinds of images of a data set apart."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from urushi.cli import _console
from urushi.printable import printable

if TYPE_CHECKING:
    from urushi.data.dataset import Sample
    from urushi.evaluation.luminance import LuminanceReport
    from urushi.inspection import Unreadable
    from urushi.preprocessing import Prepared

MOST_OF_A_KIND = 30  # more would hardly move the figure


def prepared_luminances(
    prepare: "Callable[[Path], Prepared | Unreadable]", samples: "Sequence[Sample]"
) -> "LuminanceReport":
    """Of up to 30 images of each kind, evenly chosen; those that cannot be read are passed over."""
    from urushi.data.images import luminance
    from urushi.data.stream import stream
    from urushi.evaluation.luminance import PREPARED, dataset_luminances
    from urushi.inspection import Unreadable

    chosen = list(_some(samples))
    found: dict[tuple[str, str], list[float]] = {}
    for sample, item in zip(chosen, stream(prepare, [one.path for one in chosen]), strict=True):
        if not isinstance(item, Unreadable):
            found.setdefault((sample.split, sample.defect), []).append(luminance(item.pixels))
    return dataset_luminances(found, of=PREPARED)


def warn_of_brightness(prepare: "Callable[[Path], Prepared | Unreadable]", samples: "Sequence[Sample]") -> None:
    """A line on stderr for each kind that prepared brightness alone tells from good images, where defects are known."""
    if any(sample.label == 1 for sample in samples):
        for warning in prepared_luminances(prepare, samples).warnings:
            _console.note(f"warning: {printable(warning)}")


def _some(samples: "Sequence[Sample]") -> "Iterator[Sample]":
    from urushi.data.stream import evenly

    ordered = sorted(samples, key=lambda sample: (sample.split, sample.defect))  # stable within a kind
    for _, group in groupby(ordered, key=lambda sample: (sample.split, sample.defect)):
        yield from evenly(list(group), MOST_OF_A_KIND)
