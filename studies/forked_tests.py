"""Runs chosen tests in forks of a process that has loaded the heavy packages, so that a run begins within a second.

Started by `studies.mutants` as a script, with the tree's Python in the tree's folder; it imports nothing of either.
A job is one line of JSON on stdin, {test: seconds allowed} in the order to run; its verdict is one line on stdout. In
the run that measures coverage this file is a pytest plugin: it notes what each test took and the fixtures it shares.
"""

import contextlib
import importlib
import importlib.util
import json
import os
import signal
import sys
import time
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any, TextIO

import pytest

with contextlib.suppress(ImportError):  # only the run that measures it has it
    from coverage import Coverage

# Nothing of the project, and nothing that starts threads (onnxruntime, openvino): a fork has the thread that forked.
HEAVY = "torch numpy cv2 pydantic hypothesis torchmetrics lightning kornia diffusers safetensors.torch skimage.metrics "
HEAVY += "sklearn.cluster scipy.stats scipy.ndimage matplotlib.pyplot"
OPTIONS = ["-x", "-q", "-n", "0", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
OPTIONS += ["-W", "ignore:Module already imported"]
COLLECTION_SECONDS = 600
NO_TESTS = 5  # pytest's exit code


class Chosen:
    """pytest plugin of a fork: only these tests, in this order; tells each start and each failure."""

    def __init__(self, tests: Iterable[str], messages: TextIO) -> None:
        self.places, self.messages = {test: place for place, test in enumerate(tests)}, messages

    def tell(self, kind: str, test: str) -> None:
        print(json.dumps([kind, test]), file=self.messages, flush=True)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted((i for i in items if i.nodeid in self.places), key=lambda item: self.places[item.nodeid])

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.tell("start", nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.tell("killed", report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.tell("killed", report.nodeid)


def judged(limits: dict[str, int], temporary: Path) -> dict[str, Any]:
    """Whether all these tests pass ("survived"), one fails or crashes ("killed") or takes too long ("timeout")."""
    start, (reading, writing) = time.monotonic(), os.pipe()
    if (child := os.fork()) == 0:
        os.close(reading)
        run(list(limits), os.fdopen(writing, "w"), temporary)
    os.close(writing)
    with os.fdopen(reading) as messages:
        outcome, test = watched(messages, limits)
    stop(child)
    return {"outcome": outcome, "test": test, "seconds": round(time.monotonic() - start, 2)}


def run(tests: list[str], messages: TextIO, temporary: Path) -> None:
    os.setsid()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for stream in (1, 2):  # what pytest says of the latest job, to look at
        os.dup2(os.open(temporary.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    os.ftruncate(1, 0)
    chosen, files = Chosen(tests, messages), dict.fromkeys(test.partition("::")[0] for test in tests)
    code = pytest.main([*OPTIONS, f"--basetemp={temporary}", *files], plugins=[chosen])
    chosen.tell("survived" if code in (0, NO_TESTS) else "killed", "")  # a failure has been told already
    os._exit(0)


def watched(messages: TextIO, limits: dict[str, int]) -> tuple[str, str]:
    running = ""
    signal.alarm(COLLECTION_SECONDS)
    try:
        for line in messages:
            kind, test = json.loads(line)
            if kind != "start":
                return kind, test
            running = test
            signal.alarm(limits[test])
    except TimeoutError:
        return "timeout", running
    finally:
        signal.alarm(0)
    return "killed", running  # the process is gone without a word


def stop(child: int) -> None:
    """Ends a fork and what its tests have started."""
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def ring(*_: object) -> None:
    raise TimeoutError


def main(source: Path, temporary: Path) -> None:
    for name in HEAVY.split():
        importlib.import_module(name)
    package = importlib.util.find_spec("urushi")
    if package is None or not Path(str(package.origin)).is_relative_to(source) or "urushi" in sys.modules:
        raise SystemExit(f"urushi would be imported from {package and package.origin}, not from {source}")
    if (n := len(list(Path("/proc/self/task").iterdir()))) > 1:
        raise SystemExit(f"{n} threads run already, a fork may hang")
    signal.signal(signal.SIGALRM, ring)
    for line in sys.stdin:
        print(json.dumps(judged(json.loads(line), temporary)), flush=True)


_NOTED: dict[str, dict[str, Any]] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: Any) -> None:
    """As a plugin: the fixtures that the test may share with others."""
    fixtures = item._fixtureinfo.name2fixturedefs.values()
    item.user_properties.append(("shared", [name_of(one) for *_, one in fixtures if is_shared(one)]))


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any, request: Any) -> Generator[None, Any, Any]:
    """What a shared fixture runs covers all tests that have the fixture, not only the first."""
    if not is_shared(fixturedef) or (running := Coverage.current()) is None:
        return (yield)
    _CONTEXTS.append(name_of(fixturedef))
    running.switch_context(_CONTEXTS[-1])
    try:
        return (yield)
    finally:
        _CONTEXTS.pop()
        running.switch_context(_CONTEXTS[-1] if _CONTEXTS else f"{request._pyfuncitem.nodeid}|setup")


_CONTEXTS: list[str] = []  # of the shared fixtures being set up, the innermost last


def name_of(fixture: Any) -> str:
    return f"fixture {fixture.baseid}::{fixture.argname}"


def is_shared(fixture: Any) -> bool:
    return bool(fixture.scope != "function" and fixture.baseid.startswith("tests"))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    noted = _NOTED.setdefault(report.nodeid, {"setup": 0.0, "rest": 0.0, "passed": True})
    noted["setup" if report.when == "setup" else "rest"] += report.duration
    noted["passed"] = noted["passed"] and report.passed
    noted["shared"] = dict(report.user_properties)["shared"]


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):
        Path(os.environ["TESTS_NOTED_IN"]).write_text(json.dumps(_NOTED), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
