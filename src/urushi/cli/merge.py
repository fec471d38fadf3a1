"""urushi merge: one detector from several that learnt from different images, without any image."""

from pathlib import Path
from typing import Annotated

import typer

from urushi.cli import _console
from urushi.cli._datasets import GoodFolderOption, images_in
from urushi.cli._going_on import note_exports, print_threshold
from urushi.cli._places import require_detector_place
from urushi.printable import counted


def merge(
    detectors: Annotated[list[Path], typer.Argument(metavar="DETECTOR", help="Two detector files or more.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The detector file to write.")],
    base: Annotated[
        Path | None, typer.Option(help="The detector from which all of them went on; its images count once.")
    ] = None,
    defects: Annotated[Path | None, typer.Option(help="Images of defects, for threshold rules that need them.")] = None,
    good_folder: GoodFolderOption = [],  # noqa: B006  typer needs a literal default and never changes it
) -> None:
    """Make one detector of several, without any image.

    They have learnt different images by the same recipe, and what they have learnt adds up. The threshold comes from
    the held-out scores of all, by the rule of the first.
    """
    from urushi.detector import Detector
    from urushi.errors import InputError

    if len(detectors) < 2:
        raise InputError("one detector was given; merge takes two or more")
    require_detector_place(output, "-o")
    first, *others = (Detector.load(path, runtime="torch") for path in detectors)
    common = Detector.load(base, runtime="torch") if base else None
    merged = first.merge(*others, base=common, defects=images_in(defects, good_folder))
    merged.save(output)
    note_exports(first, merged)
    if any(other.recipe.threshold != first.recipe.threshold for other in others):
        _console.note(f"note: their threshold rules differ; that of {detectors[0]} is taken")
    print(
        f"{output}: {len(detectors)} detectors merged, {counted(merged.card['fit']['n_training'], 'good image')} learnt"
    )
    print_threshold(first, merged)
