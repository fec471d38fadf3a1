"""Jobs on Ray: what they give is what they give here, and a worker that is killed costs time only."""

import operator
import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from urushi.distributed import RayEngine
from urushi.errors import InputError, MissingPackageError
from urushi.jobs import Job, LocalEngine

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Ray's own warnings


def killing_its_worker_once(file: Path) -> str:
    """Kills the worker that started this process the first time, and is done the second."""
    if file.exists():
        return "done the second time"
    file.write_text("")
    from multiprocessing import parent_process

    os.kill(parent_process().pid, signal.SIGKILL)
    time.sleep(60)
    return "never"


def outcomes(engine, jobs):
    begun = []
    found = {job.name: one for job, one in engine.run(jobs, lambda job: begun.append(job.name))}
    assert sorted(begun) == sorted(found)
    return {name: (one.state, one.value, one.reason) for name, one in found.items()}


def test_jobs_give_what_they_give_here(cluster):
    jobs = [Job(f"sum {n}", partial(operator.add, n, n)) for n in range(5)]
    jobs += [
        Job("bad", os.abort),
        Job("slow", partial(time.sleep, 60), 1.0),
        Job("zero", partial(operator.truediv, 1, 0)),
    ]
    assert RayEngine().n_parallel == 2
    assert outcomes(RayEngine(), jobs) == outcomes(LocalEngine(), jobs)


def test_a_worker_that_is_killed_loses_nothing(cluster, tmp_path):
    jobs = [Job("killer", partial(killing_its_worker_once, tmp_path / "once")), Job("sum", partial(operator.add, 1, 1))]
    assert outcomes(RayEngine(), jobs) == {"killer": ("done", "done the second time", ""), "sum": ("done", 2, "")}


def killing_its_worker() -> None:
    from multiprocessing import parent_process

    os.kill(parent_process().pid, signal.SIGKILL)
    time.sleep(60)


def test_work_that_kills_every_worker_is_given_up_and_the_others_go_on(cluster):
    found = outcomes(RayEngine(), [Job("killer", killing_its_worker), Job("sum", partial(operator.add, 1, 1))])
    assert found["sum"] == ("done", 2, "")
    assert found["killer"][0] == "failed"
    assert "its worker was lost, and 3 new ones after it" in found["killer"][2]


def test_a_cluster_that_does_not_answer_is_an_error(monkeypatch):
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **_: (_ for _ in ()).throw(ConnectionError("nobody there")))
    with pytest.raises(InputError, match=r"Ray cannot be used at 127\.0\.0\.1:1: nobody there"):
        _ = RayEngine(address="127.0.0.1:1").n_parallel


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("urushi.catalogue.extras.is_installed", lambda _: False)
    with pytest.raises(MissingPackageError, match=r"this needs ray.*\[ray\]"):
        _ = RayEngine().n_parallel
