"""How fast a detector is on this machine, in each runtime that its file can be run in, each in a process of its own."""

import signal
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from multiprocessing import active_children, get_context
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any

import numpy as np

from urushi.catalogue.extras import is_installed
from urushi.data.pages import images_in_file
from urushi.data.stream import side_by_side
from urushi.detector import Detector
from urushi.detector_file import archive
from urushi.errors import InputError
from urushi.inspection import Unreadable
from urushi.preprocessing import Prepared
from urushi.runtime.backend import Output
from urushi.runtime.choice import exports
from urushi.runtime.names import Precision, Runtime

_LEAST_ROUNDS = 5
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Speed:
    """What was measured in one runtime; times are from the file on disk to the decision."""

    description: str
    load_seconds: float  # the detector file, in a process that has imported everything but the runtime
    images_per_second: float  # many images, a few at a time
    network_images_per_second: float  # the network alone, fed from memory
    latency_ms: dict[str, float]  # one image alone: p50, p95, p99
    peak_memory_mb: float | None  # of the whole process; None where the system does not tell

    def to_json(self) -> dict[str, Any]:
        """The plain values under the names of the fields."""
        return asdict(self)


def ways(path: Path) -> list[tuple[Runtime, Precision]]:
    """How this file can be run here, in the order in which they would be chosen; raises DetectorFileError."""
    _, card = archive.read(path)
    found: list[tuple[Runtime, Precision]] = [(e.runtime, e.precision) for e in exports(card) if e.is_usable]
    return [*found, ("torch", "fp32")] if is_installed("torch") else found


def measure(
    path: Path, images: Sequence[Path], way: tuple[Runtime, Precision], *, n_threads: int | None, seconds: float
) -> Speed:
    """The speed of one way, in a fresh process, with `seconds` for each figure; raises InputError."""
    runtime, precision = way
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        with _deaf_to_interrupts():
            speed = process.submit(_measure, path, images, runtime, precision, n_threads, seconds)
        try:
            return speed.result()
        except KeyboardInterrupt:
            for child in active_children():
                child.terminate()  # else the pool waits until it has measured everything
            raise


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """A process that is started now leaves it to this one to end both; only a main thread can see to that."""
    if current_thread() is not main_thread():
        yield
        return
    hears = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, hears)


def _measure(
    path: Path,
    images: Sequence[Path],
    runtime: Runtime,
    precision: Precision,
    n_threads: int | None,
    seconds: float,
) -> Speed:
    start = time.perf_counter()
    detector = Detector.load(path, runtime=runtime, precision=precision, n_threads=n_threads)
    load_seconds = time.perf_counter() - start
    readable = _readable(detector, images)
    latencies = sorted(_each(lambda: detector.inspect(next(readable)), seconds))
    quantiles = statistics.quantiles(latencies, n=100, method="inclusive")
    return Speed(
        description=detector.backend.description,
        load_seconds=load_seconds,
        images_per_second=_rate(detector.inspect_many(readable), seconds),
        network_images_per_second=_network_rate(detector, next(readable), seconds),
        latency_ms={f"p{share}": 1000 * quantiles[share - 1] for share in (50, 95, 99)},
        peak_memory_mb=_peak_memory_mb(),
    )


def _readable(detector: Detector, paths: Sequence[Path]) -> Iterator[Path]:
    """Without end those that the detector can inspect."""
    images = [image for path in paths for image in images_in_file(path)]
    readable = [image for image, found in zip(images, detector.inspect_many(images), strict=True) if is_read(found)]
    if not readable:
        raise InputError("none of the images can be inspected by this detector; `urushi inspect` says why")
    return cycle(readable)


def is_read(found: object) -> bool:
    """Whether the result is an inspection."""
    return not isinstance(found, Unreadable)


def _each(call: Callable[[], object], seconds: float) -> Iterator[float]:
    """The time of each call, for so long, but at least five times."""
    end, n_calls = time.perf_counter() + seconds, 0
    while time.perf_counter() < end or n_calls < _LEAST_ROUNDS:
        start = time.perf_counter()
        call()
        yield time.perf_counter() - start
        n_calls += 1


def _rate(results: Iterator[object], seconds: float) -> float:
    """Results per second, once the first few have filled the way."""
    for _ in islice(results, _LEAST_ROUNDS):
        pass
    start = time.perf_counter()
    n_results = sum(1 for _ in _until(results, start + seconds))
    return n_results / (time.perf_counter() - start)


def _until(results: Iterator[object], end: float) -> Iterator[object]:
    for result in results:
        yield result
        if time.perf_counter() >= end:
            return


def _network_rate(detector: Detector, image: Path, seconds: float) -> float:
    """Images per second of the backend alone, called by as many threads as serve it best."""
    prepared = detector.prepare(image)
    assert isinstance(prepared, Prepared)
    batch = [prepared.pixels] * detector.network.batch_size

    def run(images: list[np.ndarray]) -> list[Output]:
        return list(detector.network.outputs(images))

    return len(batch) * _rate(side_by_side(run, cycle([batch]), detector.network.n_parallel), seconds)


def _peak_memory_mb() -> float | None:
    lines = _STATUS.read_text().splitlines() if _STATUS.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), None)
