"""urushi interpolate: the way from one made image to another, and arithmetic on seeds."""

from pathlib import Path
from typing import Annotated

import typer

from urushi.cli._places import require_file_place
from urushi.cli._running import require_detector
from urushi.printable import counted

_ANIMATED = (".gif", ".apng")


def interpolate(
    detector: Annotated[Path, typer.Argument(metavar="DETECTOR", help="A detector file of a generative method.")],
    output: Annotated[Path, typer.Option("--output", "-o", help=".gif, .apng: animated; .png: frames in a grid.")],
    start: Annotated[int, typer.Option("--from", min=0, metavar="SEED", help="Seed of the first image.")] = 0,
    end: Annotated[int, typer.Option("--to", min=0, metavar="SEED", help="Seed of the last image.")] = 1,
    minus: Annotated[int | None, typer.Option(min=0, metavar="SEED", help="Ends at from − minus + plus.")] = None,
    plus: Annotated[int | None, typer.Option(min=0, metavar="SEED", help="See --minus; --to is not used then.")] = None,
    frames: Annotated[int, typer.Option(min=2, max=400, help="How many images.")] = 24,
    height: Annotated[int | None, typer.Option(min=1, help="In px; else as fitted.")] = None,
    width: Annotated[int | None, typer.Option(min=1, help="In px; else as fitted.")] = None,
) -> None:
    """Move from one made image to another through those between."""
    from urushi.errors import InputError

    if (minus is None) != (plus is None):
        raise InputError("--minus and --plus go together: from − minus + plus")
    if output.suffix.lower() not in (*_ANIMATED, ".png"):
        raise InputError(f"{output}: give -o a name that ends in .gif, .apng or .png")
    require_file_place(output, "-o")
    require_detector(detector)
    from urushi.applications.generation import Generator, arithmetic, between
    from urushi.cli._grid import write_animation, write_grid
    from urushi.detector import Detector

    generator = Generator.of(Detector.load(detector, runtime="torch"), height, width)
    first, last = generator.code(start), generator.code(end)
    if minus is not None and plus is not None:
        last = arithmetic(first, generator.code(minus), generator.code(plus))
    images = generator.images(between(first, last, frames))
    (write_animation if output.suffix.lower() in _ANIMATED else write_grid)(output, images)
    goal = f"seed {end}" if minus is None else f"seeds {start} − {minus} + {plus}"
    print(f"{output}: {counted(frames, 'image')} from seed {start} to {goal}")
