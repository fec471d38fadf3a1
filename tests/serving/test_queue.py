"""What is accepted is answered; what is too much is not accepted."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from test_inspections import refused

from urushi import Detector
from urushi.errors import BusyError
from urushi.serving.history import About, Received
from urushi.serving.settings import Limits


class Slow:
    """A detector that waits until it is let go."""

    def __init__(self, detector: Detector) -> None:
        self.detector, self.go = detector, threading.Event()

    def inspect(self, path: Path, **how: object) -> object:
        assert self.go.wait(10)
        return self.detector.inspect(path, **how)


@pytest.fixture
def slow(opened, pngs):
    station = opened(limits=Limits(queue_images=3, seconds_per_image=0.2), n_threads=1)
    loaded = station.detectors.get("exported")
    stopped = replace(loaded, detector=Slow(loaded.detector))
    station.detectors._loaded[loaded.row.id] = stopped
    yield station, stopped
    stopped.detector.go.set()


def received(station, png):
    place = station.objects.incoming_place(".png")
    place.write_bytes(png)
    return Received(place, "a.png")


def test_all_images_of_a_request_are_accepted_or_none(slow, pngs):
    station, loaded = slow
    images = [received(station, png) for png in pngs[:4]]
    tasks = station.inspector.accept(loaded, images[:2], About("test"))
    with pytest.raises(BusyError, match="2 of at most 3 images wait or are inspected; these are 2 more") as caught:
        station.inspector.accept(loaded, images[2:], About("test"))
    assert caught.value.retry_after_seconds >= 1
    loaded.detector.go.set()
    assert [task.future.result(10).decision for task in tasks] == ["normal", "normal"]
    assert len(station.inspector.accept(loaded, images[2:], About("test"))) == 2


def test_closing_answers_what_was_accepted(slow, pngs):
    station, loaded = slow
    tasks = station.inspector.accept(loaded, [received(station, png) for png in pngs[:3]], About("test"))
    loaded.detector.go.set()
    station.inspector.close()
    assert [task.future.result(0).decision for task in tasks] == ["normal"] * 3


def test_a_full_queue_is_said_with_the_time_to_come_back(slow, pngs, connected):
    station, loaded = slow
    client = connected(station)
    station.inspector.accept(loaded, [received(station, png) for png in pngs[:3]], About("test"))
    error = refused(client.inspect, "exported", [pngs[3]])
    assert (error.status, error.problem["type"]) == (429, "urn:urushi:problem:busy")
    assert error.retry_after_seconds >= 1
    assert len(list(station.objects.incoming.iterdir())) == 3
    loaded.detector.go.set()


def test_what_takes_too_long_is_given_up_and_not_recorded_afterwards(slow, pngs, connected):
    station, loaded = slow
    client = connected(station)
    error = refused(client.inspect, "exported", pngs[:2])
    assert (error.status, error.problem["type"]) == (504, "urn:urushi:problem:overtime")
    loaded.detector.go.set()
    station.inspector.close()
    assert client.page().items == []
    assert list(station.objects.incoming.iterdir()) == []
