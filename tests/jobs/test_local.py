"""Jobs in processes of their own: what they give, why they give nothing, and that none outlives who wants it."""

import operator
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from urushi.errors import InputError
from urushi.jobs import Job, LocalEngine, run_job


def refuse() -> None:
    raise InputError("there is nothing to learn from")


def start_another_and_wait(file: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    file.write_text(f"{os.getpid()} {child.pid}")
    time.sleep(60)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def eventually(happens: object, seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while not happens() and time.monotonic() < end:  # type: ignore[operator]
        time.sleep(0.02)
    return happens()  # type: ignore[operator,no-any-return]


def test_a_job_gives_its_value_and_how_much_memory_it_took() -> None:
    found = run_job(Job("sum", partial(operator.add, 1, 2)))
    assert (found.state, found.value) == ("done", 3)
    assert found.peak_memory is None or found.peak_memory > 2**20


@pytest.mark.parametrize(
    ("work", "reason"),
    [
        (refuse, "there is nothing to learn from"),
        (partial(operator.truediv, 1, 0), "unexpected ZeroDivisionError: division by zero"),
        (os.abort, "its process was ended by SIGABRT"),
        (partial(os._exit, 7), "its process ended with status 7 before it was done"),
    ],
)
def test_what_a_job_failed_of_is_said(work: object, reason: str) -> None:
    found = run_job(Job("bad", work))  # type: ignore[arg-type]
    assert (found.state, found.reason, found.value) == ("failed", reason, None)


def test_the_jobs_after_a_bad_one_are_run() -> None:
    jobs = [Job("bad", os.abort), Job("slow", partial(time.sleep, 60), 0.2), Job("good", partial(operator.add, 1, 1))]
    begun: list[str] = []
    found = [(job.name, one.state) for job, one in LocalEngine().run(jobs, lambda job: begun.append(job.name))]
    assert found == [("bad", "failed"), ("slow", "stopped"), ("good", "done")]
    assert begun == ["bad", "slow", "good"]


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_job_over_its_budget_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    found = run_job(Job("slow", partial(start_another_and_wait, tmp_path / "pids"), 1.0))
    assert found.state == "stopped"
    assert found.reason == "stopped: its 1 s were used up"
    for pid in map(int, (tmp_path / "pids").read_text().split()):
        assert eventually(lambda pid=pid: not is_running(pid))


PARENT = """
import sys
from functools import partial
from pathlib import Path
sys.path.insert(0, {folder!r})
from test_local import start_another_and_wait
from urushi.jobs import Job, run_job
if __name__ == "__main__":
    run_job(Job("slow", partial(start_another_and_wait, Path({pids!r}))))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.thorough
def test_a_job_ends_when_who_wants_it_is_killed(tmp_path: Path) -> None:
    pids, script = tmp_path / "pids", tmp_path / "parent.py"
    script.write_text(PARENT.format(folder=str(Path(__file__).parent), pids=str(pids)))
    parent = subprocess.Popen([sys.executable, script])
    assert eventually(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    for pid in map(int, pids.read_text().split()):
        assert eventually(lambda pid=pid: not is_running(pid))


UNGUARDED = """
import operator
from functools import partial
from urushi.jobs import Job, run_job
print(run_job(Job("sum", partial(operator.add, 1, 2))).value)
"""


@pytest.mark.thorough
def test_a_script_that_runs_jobs_is_not_run_again_in_each(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(UNGUARDED)
    found = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True, timeout=60)
    assert (found.stdout, found.stderr) == ("3\n", "")
