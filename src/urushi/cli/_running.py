"""Options of every command that runs a detector: which runtime, where, with how many threads."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from urushi.cli import _console
from urushi.runtime.names import Precision, Runtime

if TYPE_CHECKING:
    from urushi.detector import Detector

RuntimeOption = Annotated[
    Runtime | None, typer.Option(help="What runs the network; without it, the fastest that is here.")
]
PrecisionOption = Annotated[Precision | None, typer.Option(help="Of the exported graph.")]
DeviceOption = Annotated[str, typer.Option(help="Where PyTorch computes: cpu, cuda, mps.")]
ThreadsOption = Annotated[
    int | None, typer.Option("--threads", min=1, max=1024, help="Computing threads; without it, one per core.")
]


def require_detector(path: Path) -> None:
    """Raises DetectorFileError for what is none, before images are looked for."""
    from urushi.detector_file import archive

    if not archive.is_detector(path):
        archive.read(path)


def load(
    path: Path,
    *,
    runtime: Runtime | None = None,
    precision: Precision | None = None,
    device: str = "cpu",
    n_threads: int | None = None,
    bits: int | None = None,
) -> "Detector":
    """The detector as it was asked for, saying on stderr what it runs in."""
    from concurrent.futures import ThreadPoolExecutor

    from urushi.detector_file import archive

    with ThreadPoolExecutor(1) as beside:  # reading and digesting a large file takes as long as loading what runs it
        content = beside.submit(archive.read, path)
        from urushi.detector import Detector
        from urushi.detector_file import members
        from urushi.runtime.choice import DISTRUSTED, Wish, exports

    if n_threads is not None:
        import cv2

        cv2.setNumThreads(n_threads)
    wish = Wish(runtime, precision, device, n_threads)
    detector = Detector(**members.of_content(path, content.result(), wish), file=path)
    _console.note(f"runs in {detector.backend.description}")
    if any(entry.is_distrusted for entry in exports(detector.card)):
        _console.note(f"note: {DISTRUSTED}; `urushi export --int8` makes one that has")
    return detector.at_bits(bits)
