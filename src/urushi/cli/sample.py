"""urushi sample: images that a generative method makes of noise."""

from pathlib import Path
from typing import Annotated

import typer

from urushi.cli._places import require_file_place
from urushi.cli._running import require_detector
from urushi.printable import counted, in_px


def sample(
    detector: Annotated[Path, typer.Argument(metavar="DETECTOR", help="A detector file of a generative method.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The PNG to write.")],
    n: Annotated[int, typer.Option("--number", "-n", min=1, max=400, help="How many.")] = 16,
    seed: Annotated[int, typer.Option(min=0, help="Of the first; the next have the next.")] = 0,
    height: Annotated[int | None, typer.Option(min=1, help="In px; else as fitted.")] = None,
    width: Annotated[int | None, typer.Option(min=1, help="In px; else as fitted.")] = None,
) -> None:
    """Make images of noise. They show what the method believes that good parts look like."""
    require_file_place(output, "-o")
    require_detector(detector)
    from urushi.applications.generation import Generator
    from urushi.cli._grid import write_grid
    from urushi.detector import Detector

    generator = Generator.of(Detector.load(detector, runtime="torch"), height, width)
    write_grid(output, generator.sample(n, seed))
    last = f" … {seed + n - 1}" if n > 1 else ""
    print(f"{output}: {counted(n, 'image')} of {in_px((generator.height_px, generator.width_px))}, seed {seed}{last}")
