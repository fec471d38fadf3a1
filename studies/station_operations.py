"""Requests for every operation of a station and of its page, as it is described and otherwise, made by Schemathesis.

What is asked for is mostly not there, so each path is also asked with what `prepared` has put there. Every answer is
read with a limit, jobs that a request has begun are ended at once, and all ends in so many seconds: an operation that
was not got through says so.
"""

import io
import pkgutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import httpx2
import numpy as np
import requests
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.errors import Unsatisfiable
from PIL import Image

from urushi.serving import page
from urushi.serving.jobs import ENDED

HARMLESS, NO_ANSWER = {501, 507}, 0
ANSWER_SECONDS, READ_BYTES = 60.0, 65_536
JOB_SECONDS = 300.0
_N_TAUGHT = 24
QUIETLY: dict[str, Any] = {
    "database": None,
    "deadline": None,
    "verbosity": Verbosity.quiet,
    "phases": [Phase.generate],
    "suppress_health_check": list(HealthCheck),
}


class OutOfTimeError(BaseException):
    """Passes through Hypothesis, which takes an exception for what a test has found."""


@dataclass
class Answered:
    """The answers to requests of one kind."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0
    slowest_seconds: float = 0.0
    is_through: bool = True

    def to_json(self) -> dict[str, Any]:
        times = {"seconds": self.seconds, "slowest_seconds": self.slowest_seconds}
        return {"statuses": dict(sorted(self.statuses.items())), **times, "is_through": self.is_through}


class Counting:
    """What was answered, by kind of request and status, and each answer that is not right."""

    def __init__(self) -> None:
        self.kinds: dict[str, Answered] = {}
        self.wrong: list[dict[str, Any]] = []

    def add(self, kind: str, status: int, what: str, seconds: float = 0.0) -> None:
        found = self.kinds.setdefault(kind, Answered())
        found.statuses[status] += 1
        found.slowest_seconds = max(found.slowest_seconds, seconds)
        if status == NO_ANSWER or (status >= 500 and status not in HARMLESS):
            self.wrong.append({"kind": kind, "status": status, "request": what[:600]})


@dataclass(frozen=True)
class Asking:
    """How a station is asked."""

    url: str
    headers: dict[str, str]
    examples: int
    seed: int

    def client(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, headers=self.headers, timeout=ANSWER_SECONDS, verify=False)


@dataclass(frozen=True)
class There:
    """What stands for things that are there."""

    in_paths: dict[str, dict[str, Any]]  # by how a path begins; the first that fits
    in_fields: dict[str, Any]  # of queries and bodies

    def of_path(self, path: str, names: Iterable[str]) -> dict[str, Any]:
        known = next(values for start, values in self.in_paths.items() if path.startswith(start))
        return {name: known[name] for name in names if name in known}

    def filled(self, case: Any) -> Any:
        """The same request with them in its fields, where it has such."""
        for fields in (case.query, case.body):
            if isinstance(fields, dict):
                fields.update({name: self.in_fields[name] for name in fields if name in self.in_fields})
        return case


def prepared(client: httpx2.Client, image: bytes) -> There:
    """Puts something of each kind there."""
    number = _made(client.post("/v1/detectors/part/inspections", content=image))[0]["id"]
    _made(client.post(f"/v1/inspections/{number}/verdicts", json={"verdict": "ok"}))
    view = _made(client.post("/v1/views", json={"name": "all", "filters": {}}))["id"]
    files = [("image", (f"{at}.png", one)) for at, one in enumerate(_varied(_N_TAUGHT))]
    teaching = _made(client.post("/v1/teaching", files=files[:12]))["id"]
    taught = _made(client.post(f"/v1/teaching/{teaching}/images", files=files[12:]))
    fit = {"kind": "fit", "detector": "part", "teaching": teaching, "recipe": "pixel-pca", "goes_live": False}
    learnt = _job(client, fit)
    versions = {"version": 1, "against": {"detector": "part", "number": learnt["version"]}}
    compared = _job(client, {"kind": "compare", "detector": "part", **versions})["id"]
    of_set = {"number": teaching, "kept": next(iter(taught["images"]))}
    paths = {
        "/v1/inspections": {"number": number},
        "/images": {"number": number},
        "/v1/views": {"number": view},
        "/gallery/views": {"number": view},
        "/v1/teaching": of_set,
        "/teach/sets": of_set,
        "/teach/jobs": {"number": learnt["id"], "file": "planted-0-0.webp"},
        "/v1/jobs": {"number": compared},
        "/detectors/comparisons": {"number": compared, "which": 0, "inspected": number},
        "": {"name": "part", "number": 1},
    }
    fields = {"detector": "part", "source": "part", "teaching": teaching, "inspections": [number], "id": [number]}
    fields |= {"number": 1, "first": "part:1", "second": f"part:{learnt['version']}", **versions}
    return There(paths, fields)


def _job(client: httpx2.Client, asked: dict[str, Any]) -> dict[str, Any]:
    """Once it is done."""
    job, end = (
        _made(client.post("/v1/jobs", json=asked | {"reason": "to be asked for"})),
        time.monotonic() + JOB_SECONDS,
    )
    while job["state"] not in ENDED and time.monotonic() < end:
        time.sleep(0.5)
        job = _made(client.get(f"/v1/jobs/{job['id']}"))
    if job["state"] != "done":
        raise RuntimeError(f"the job is {job['state']}: {job['message']}")
    return job


def _made(answer: httpx2.Response) -> Any:
    if not answer.is_success:
        raise RuntimeError(f"{answer.status_code}: {answer.text}")
    return answer.json()


def _varied(n: int) -> Iterator[bytes]:
    """Images to learn from."""
    rng = np.random.default_rng(0)
    for _ in range(n):
        pixels = rng.integers(90, 150, (32, 32)).astype(np.uint8)
        Image.fromarray(pixels).save(buffer := io.BytesIO(), "PNG")
        yield buffer.getvalue()


def of_description(asking: Asking, there: There, seconds: float, counting: Counting, note: Callable[[], None]) -> None:
    """Within so many seconds; one kind of request may take a tenth of those left. What removes comes last."""
    end, waiting = time.monotonic() + seconds, sorted(kinds(asking.url, there), key=lambda one: _removes(one[0]))
    for number, (kind, cases) in enumerate(waiting):
        left = max(end - time.monotonic(), 0.1)
        of_operation(kind, cases, asking, max(left / 10, left / (len(waiting) - number)), counting)
        restore(asking, there)
        note()


def _removes(kind: str) -> bool:
    return kind.startswith("DELETE") or "/removal" in kind


def kinds(url: str, there: There) -> Iterator[tuple[str, Any]]:
    """Requests as they are described and otherwise, and the same of what is there."""
    import schemathesis

    api = schemathesis.openapi.from_url(f"{url}/openapi.json")
    for schema in (api, schemathesis.openapi.from_dict(description_of_page())):
        for operation in (result.ok() for result in schema.get_all_operations()):
            named = there.of_path(operation.path, [parameter.name for parameter in operation.path_parameters])
            for mode in schemathesis.GenerationMode:
                yield f"{operation.label}, {mode.value}", operation.as_strategy(generation_mode=mode)
                drawn = operation.as_strategy(generation_mode=mode, path_parameters=named)
                if mode == schemathesis.GenerationMode.POSITIVE and (operation.query or operation.body):
                    yield f"{operation.label}, {mode.value}, of what is there", drawn.map(there.filled)
                elif named:
                    yield f"{operation.label}, {mode.value}, of what is there", drawn


def description_of_page() -> dict[str, Any]:
    """What the description of a station leaves out: its pages and their forms."""
    app = FastAPI()
    for found in pkgutil.iter_modules(page.__path__, f"{page.__name__}."):
        if (router := getattr(import_module(found.name), "router", None)) is not None:
            for one in (router, *router.routes):
                one.include_in_schema = True
            app.include_router(router)
    return app.openapi()


def of_operation(kind: str, cases: Any, asking: Asking, seconds: float, counting: Counting) -> None:
    """So many requests, or those for which there was time."""
    found, start = counting.kinds.setdefault(kind, Answered()), time.monotonic()

    @seed(asking.seed)
    @settings(max_examples=asking.examples, **QUIETLY)
    @given(case=cases)
    def send(case: Any) -> None:
        try:
            how = case.as_transport_kwargs(base_url=asking.url, headers=asking.headers)
            status, what, taken = answered(how)
        except (ValueError, UnicodeError):  # what no client can send
            return
        counting.add(kind, status, what, taken)
        if case.method.upper() != "GET" and status < 400:
            end_jobs(asking)

    try:
        with limited(seconds), suppress(Unsatisfiable):  # there are operations with nothing to get wrong
            send()
    except (OutOfTimeError, Exception) as error:  # Hypothesis may trip over the former
        if isinstance(error, Exception) and time.monotonic() - start < seconds:
            raise
        found.is_through = False
        end_jobs(asking)
    found.seconds = time.monotonic() - start


def answered(how: dict[str, Any]) -> tuple[int, str, float]:
    """Status, request and seconds; of an answer that need not end, only its beginning is read."""
    start, said = time.monotonic(), f"{how['method']} {how['url']}"
    try:
        with requests.request(**how, stream=True, timeout=ANSWER_SECONDS, allow_redirects=False) as answer:
            next(answer.iter_content(READ_BYTES), b"")
            asked = answer.request
            return answer.status_code, f"{said} {asked.url} {asked.body!r:.300}", time.monotonic() - start
    except (requests.ConnectionError, requests.Timeout) as error:
        return NO_ANSWER, f"{said}: {error}", time.monotonic() - start


def end_jobs(asking: Asking) -> None:
    """Those that wait or run: they would learn for minutes."""
    with asking.client() as client:
        for job in client.get("/v1/jobs", params={"limit": 500}).json():
            if job["state"] not in ENDED:
                client.post(f"/v1/jobs/{job['id']}/cancellation")


def restore(asking: Asking, there: There) -> None:
    """What is there is good again, and no teaching sets stand beside it, of which there may be a few only."""
    with asking.client() as client:
        for number in there.in_fields["inspections"]:
            client.post(f"/v1/inspections/{number}/verdicts", json={"verdict": "ok"})
        for one in client.get("/v1/teaching").json():
            if one["id"] != there.in_fields["teaching"]:
                client.delete(f"/v1/teaching/{one['id']}")


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raises OutOfTimeError after so long, whatever is being done; and again, should somebody catch it."""

    def stop(*_: Any) -> None:
        raise OutOfTimeError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.2)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
