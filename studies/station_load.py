"""A station under load: how many images a second, how long each takes, what is refused, and does memory grow?

    python -m studies.station_load --detector exported.urushi --images FOLDER --clients 32 --seconds 60 --requests 20000

Clients in another process of this machine each send one image after the other, as files lie in the folder, for so many
seconds; then again until so many requests were answered, while the memory of the station is looked at. Beside it stands
`urushi inspect` on such files, without its start. Results: `results/station_load.json` and its page.
"""

import asyncio
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks import command_line, record

from studies.station_kills import PROGRAM, RESULTS, Served, token_of
from urushi.data.folders import find_images

Answer = tuple[int, float]  # status, seconds


class Sender(asyncio.Protocol):
    """Sends images one after the other over one connection, and looks at no more of an answer than its status.

    It computes on the cores that are measured, so it is made of little: requests are bytes that were made before.
    """

    def __init__(self, requests: list[bytes], numbers: Iterator[int], goes_on: Callable[[int], bool]) -> None:
        self.answers, self.ended = list[Answer](), asyncio.get_running_loop().create_future()
        self._requests, self._numbers, self._goes_on = requests, numbers, goes_on
        self._start, self._got = 0.0, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, separator, body = self._got.partition(b"\r\n\r\n")
        if separator and len(body) >= int(value_of(head, b"content-length")):
            status = int(head[9:12])
            self.answers.append((status, time.perf_counter() - self._start))
            wait = float(value_of(head, b"retry-after")) if status == 429 else 0.0
            asyncio.get_running_loop().call_later(wait, self._send) if wait else self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(error or ConnectionError("the station has closed a connection"))

    def _send(self) -> None:
        if not self._goes_on(number := next(self._numbers)):
            self.ended.set_result(self.answers)
            self._transport.close()
            return
        self._got, self._start = b"", time.perf_counter()
        self._transport.write(self._requests[number % len(self._requests)])


def value_of(head: bytes, name: bytes) -> bytes:
    return next(line.partition(b":")[2] for line in head.split(b"\r\n") if line.lower().startswith(name + b":"))


def requests_of(token: str, detector: str, images: list[bytes]) -> list[bytes]:
    head = f"POST /v1/detectors/{detector}/inspections HTTP/1.1\r\nHost: station\r\nAuthorization: Bearer {token}\r\n"
    kind = "Content-Type: application/octet-stream\r\n"
    return [f"{head}{kind}Content-Length: {len(image)}\r\n\r\n".encode() + image for image in images]


def answered(url: str, requests: list[bytes], n_clients: int, goes_on: Callable[[int], bool]) -> dict[str, Any]:
    """Figures of clients that send side by side, while it goes on."""
    numbers, start, cpu = count(), time.monotonic(), time.process_time()

    async def all_of() -> list[Answer]:
        (host, _, port), loop = urlsplit(url).netloc.partition(":"), asyncio.get_running_loop()
        new = partial(Sender, requests, numbers, goes_on)
        senders = [await loop.create_connection(new, host, int(port)) for _ in range(n_clients)]
        return [answer for _, sender in senders for answer in await sender.ended]

    answers = asyncio.run(all_of())
    client = 1000 * (time.process_time() - cpu) / len(answers)
    return {**figures(answers, time.monotonic() - start), "client_ms_per_image": client}


def figures(answers: list[Answer], seconds: float) -> dict[str, Any]:
    taken = sorted(1000 * seconds for status, seconds in answers if status < 300)
    cuts = statistics.quantiles(taken, n=100)
    return {
        "statuses": {str(status): n for status, n in sorted(Counter(status for status, _ in answers).items())},
        "images_per_second": len(taken) / seconds,
        "milliseconds": {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98]},
    }


class Memory:
    """What a process has in memory, once a second."""

    def __init__(self, pid: int) -> None:
        self.mebibytes, self._pid, self._stop = list[float](), pid, threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(1):
            lines = Path(f"/proc/{self._pid}/status").read_text().splitlines()
            found = next(line for line in lines if line.startswith("VmRSS:"))
            self.mebibytes.append(int(found.split()[1]) / 1024)


def inspected(detector: Path, files: list[Path], n: int) -> float:
    """Images a second of `urushi inspect`, without its start, which is that of a run on one image."""

    def seconds(n: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            for number in range(n):
                file = files[number % len(files)]
                shutil.copy(file, Path(folder) / f"{number:06d}{file.suffix}")
            start = time.perf_counter()
            subprocess.run([*PROGRAM, "inspect", str(detector), folder], check=False, stdout=subprocess.DEVNULL)
            return time.perf_counter() - start

    return (n - 1) / (seconds(n) - seconds(1))


def measure(options: Any) -> dict[str, Any]:
    files = [found for found in find_images([options.images]) if isinstance(found, Path)]
    images = [path.read_bytes() for path in files]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "station"
        token, served = token_of(folder, "load"), Served(folder, options.detector)
        requests = requests_of(token, options.detector.stem, images)
        try:
            end = time.monotonic() + options.seconds
            load = answered(served.url, requests, options.clients, lambda _: time.monotonic() < end)
            memory = Memory(served.process.pid)
            long = answered(served.url, requests, options.clients, lambda number: number < options.requests)
            memory.close()
        finally:
            served.end(signal.SIGTERM)
    alone = inspected(options.detector, files, round(load["images_per_second"] * options.seconds / 3))
    return {"n_images": len(files), "load": load, "long": long, "memory": memory.mebibytes, "inspect": alone}


def page(study: dict[str, Any]) -> str:
    load, cores = study["load"], study["environment"]["n_usable_cores"]
    return "\n".join(
        [
            "# A station under load",
            "",
            f"{study['clients']} clients on the same {cores} cores, each with one image after the other, of "
            f"{study['n_images']}; with fsync of files and history, as in use.",
            "",
            "| for | images/s | p50 ms | p95 ms | p99 ms | answers |",
            "|---|---|---|---|---|---|",
            row(f"{study['seconds']} s", load),
            row(f"{study['requests']} requests", study["long"]),
            "",
            f"`urushi inspect` on the same images, without its start: {study['inspect']:.1f} images/s, so the station "
            f"has **{load['images_per_second'] / study['inspect']:.2f}** of it.",
            "",
            f"Memory of the station over the requests, MiB, the mean of each tenth: {tenths(study['memory'])}.",
            "",
            f"Commit {study['environment']['commit']}; load average before: "
            f"{study['environment']['load_average_1_min_before']}.",
        ]
    )


def row(name: str, one: dict[str, Any]) -> str:
    taken = " | ".join(f"{one['milliseconds'][part]:.0f}" for part in ("p50", "p95", "p99"))
    answers = ", ".join(f"{n} x {status}" for status, n in one["statuses"].items())
    return f"| {name} | {one['images_per_second']:.1f} | {taken} | {answers} |"


def tenths(values: list[float]) -> str:
    size = max(len(values) // 10, 1)
    return ", ".join(f"{statistics.fmean(values[i : i + size]):.0f}" for i in range(0, len(values), size))


def main() -> None:
    parser = command_line.parser(__doc__, RESULTS, clients=32, seconds=60, requests=20_000)
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    options = parser.parse_args()
    asked = {"clients": options.clients, "seconds": options.seconds, "requests": options.requests}
    environment = record.environment()
    record.publish(options.results, "station_load", {"environment": environment, **asked, **measure(options)}, page)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
