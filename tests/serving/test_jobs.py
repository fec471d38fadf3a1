"""Jobs: what they make, how they are followed and ended, and what a restart makes of them."""

import sys
import time

import cv2
import pytest
from test_inspections import refused

from urushi.errors import ConflictError
from urushi.serving import jobs
from urushi.serving.jobs import Asked, Jobs

FIT = Asked(kind="fit", detector="new", source="exported", reason="test")
SLEEPER = (sys.executable, "-c", "import sys, time; print('scoring: 40 of 200', flush=True); time.sleep(60)")


@pytest.fixture
def sleeping(monkeypatch):
    """Commands that say something and then go on for a minute."""
    monkeypatch.setattr(jobs, "_PROGRAM", SLEEPER)


def until(holds, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_running_job_says_how_far_it_is_and_ends_when_it_is_cancelled(connected, pngs, sleeping):
    client = connected()
    client.inspect("exported", pngs[:3])
    begun = client.begin("fit", "new", "test", source="exported")
    assert begun.state in ("waiting", "running")
    waiting = client.begin("export", "exported", "test")
    until(lambda: client.job(begun.id).share == 0.2)
    process = client.station.jobs._process
    assert client.cancel(waiting.id).state == "cancelled"
    client.cancel(begun.id)
    assert process.poll() is not None
    states = [one.state for one in client.followed(begun.id)]
    assert states[-1] == "cancelled"
    assert refused(client.cancel, begun.id).status == 409
    assert [path.name for path in client.station.objects.incoming.iterdir()] == []
    assert {"new"}.isdisjoint(one.name for one in client.detectors())
    assert [one.action for one in client.changes(limit=4)] == ["cancel", "cancel", "job", "job"]


def test_what_was_running_when_a_station_ended_is_interrupted(opened, connected, pngs, sleeping):
    client = connected()
    client.inspect("exported", pngs[:3])
    begun = [client.begin("fit", "new", "test", source="exported") for _ in range(2)]
    until(lambda: client.job(begun[0].id).state == "running" and client.job(begun[0].id).message)
    process = client.station.jobs._process
    client.station.close()
    assert process.poll() is not None
    again = opened()
    assert [again.jobs.get(one.id).state for one in begun] == ["interrupted", "interrupted"]


def test_what_was_running_when_a_station_was_killed_is_interrupted_as_well(opened):
    station = opened()
    records = (station.database, station.objects, station.history, station.detectors)
    station.jobs.close()  # nobody does what is begun now
    job = station.jobs.begin(FIT, "test")
    assert station.jobs.get(job.id).state == "waiting"
    again = Jobs(*records, station.teaching, station.comparisons, station.jobs.looks)
    assert again.get(job.id).state == "interrupted"
    with pytest.raises(ConflictError, match="is interrupted already"):
        again.cancel(job.id, "test")
    again.close()


def test_jobs_that_cannot_be_done_say_why(connected):
    client = connected()
    assert refused(client.begin, "fit", "new", "x", source="other").status == 404
    assert refused(client.begin, "fit", "new", "x", source="exported", recipe="../../x.toml").status == 422
    assert refused(client.begin, "fit", "../x", "x", source="exported").status == 422
    assert refused(client.begin, "rm", "new", "x").status == 422
    failed = client.begin("fit", "new", "x", source="exported")
    last = list(client.followed(failed.id))[-1]
    assert (last.state, last.message[:33]) == ("failed", "no inspection is known to be good")
    assert refused(connected(client.station, role="review").begin, "fit", "new", "x").status == 403


def test_the_message_of_a_command_that_fails_is_that_of_its_job(connected, pngs, monkeypatch):
    monkeypatch.setattr(jobs, "_PROGRAM", (sys.executable, "-c", "import sys; print('error: no'); sys.exit(2)"))
    client = connected()
    client.inspect("exported", pngs[:1])
    last = list(client.followed(client.begin("fit", "new", "x", source="exported").id))[-1]
    assert (last.state, last.message) == ("failed", "error: no")


@pytest.mark.slow
def test_a_fit_on_good_inspections_is_a_detector_that_inspects(connected, textures):
    client = connected()
    images = [cv2.imencode(".png", cv2.resize(image + 1, (64, 64)))[1].tobytes() for image in textures]
    found = client.inspect("exported", images)
    for one in found:
        client.judge(one.id, "ok")
    begun = client.begin("fit", "new", "first", source="exported", recipe="pixel-pca")
    last = list(client.followed(begun.id))[-1]
    assert (last.state, last.version) == ("done", 1), last.message
    new = client.detector("new")
    assert new.card["fit"]["n_images"] == 12
    assert "ONNX" in new.runs_in
    assert client.inspect("new", images[:1])[0].detector == "new"
