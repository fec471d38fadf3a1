"""urushi benchmark: how fast a detector is on this machine, by runtime and precision."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from urushi.cli import _console
from urushi.cli._datasets import note_problems
from urushi.cli._running import ThreadsOption, require_detector

if TYPE_CHECKING:
    from urushi.applications.benchmarking import Speed

_N_NOISE = 16
_COLUMNS = ("runtime", "images/s", "network alone", "p50 ms", "p95 ms", "p99 ms", "load s", "peak MB")


def benchmark(
    detector: Annotated[Path, typer.Argument(metavar="DETECTOR", help="A detector file.")],
    images: Annotated[list[Path] | None, typer.Argument(metavar="IMAGES", help="Images or folders of them.")] = None,
    n_threads: ThreadsOption = None,
    seconds: Annotated[float, typer.Option(min=0.1, max=600, help="How long each figure is measured.")] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure throughput, latency and memory of a detector. From the file to the decision, in all that can run it.

    Without IMAGES, smooth noise of the size that the network takes is written to a temporary folder: real images of
    another size or format take longer or shorter to decode.
    """
    require_detector(detector)
    from urushi.applications import benchmarking

    found = []
    with _images(detector, images or []) as paths:
        for way in benchmarking.ways(detector):
            speed = benchmarking.measure(detector, paths, way, n_threads=n_threads, seconds=seconds)
            _console.note(f"measured {speed.description}")
            found.append((" ".join(way), speed))
    if as_json:
        print(json.dumps({"format": 1, "results": [speed.to_json() for _, speed in found]}, indent=1))
    else:
        _console.table(_COLUMNS, [_row(name, speed) for name, speed in found])
        _console.note("images/s and p50 … p99 of one image alone go from the file on disk to the decision")


def _row(name: str, speed: "Speed") -> tuple[str, ...]:
    rates = (speed.images_per_second, speed.network_images_per_second, *speed.latency_ms.values())
    memory = "unknown" if speed.peak_memory_mb is None else f"{speed.peak_memory_mb:.0f}"
    return (name, *(f"{rate:.1f}" for rate in rates), f"{speed.load_seconds:.2f}", memory)


@contextmanager
def _images(detector: Path, given: list[Path]) -> Iterator[list[Path]]:
    """The images that were given, or noise in a folder that is gone afterwards."""
    if given:
        from urushi.data.dataset import Problem
        from urushi.data.names import Names
        from urushi.data.parts import find_parts
        from urushi.errors import DatasetError

        entries, left_out = find_parts(given, Names())
        note_problems(left_out)
        paths = [found for found in entries if not isinstance(found, Problem)]
        if not paths:
            raise DatasetError(f"no images below {', '.join(map(str, given))}; give images or a folder that holds some")
        yield paths
        return
    with tempfile.TemporaryDirectory(prefix="urushi-") as folder:
        yield list(_noise(detector, Path(folder)))


def _noise(detector: Path, folder: Path) -> Iterator[Path]:
    import cv2
    import numpy as np
    from PIL import Image

    from urushi.detector_file import archive

    _, height, width = archive.read(detector)[1]["fit"]["image_shape"]
    rng = np.random.default_rng(0)
    for number in range(_N_NOISE):
        path = folder / f"{number:02}.png"
        noise = cv2.GaussianBlur(rng.integers(0, 256, (height, width, 3)).astype(np.float32), (0, 0), 3)
        Image.fromarray(cv2.normalize(noise, noise, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)).save(path)
        yield path
