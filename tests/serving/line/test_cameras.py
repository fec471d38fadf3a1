"""Cameras of a station: pictures by themselves or by a trigger, each in the history once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from other_end import until

from urushi.errors import CameraError, InputError, NotFoundError
from urushi.serving.client import RefusedError
from urushi.serving.history import Query
from urushi.serving.line.cameras import StationCamera
from urushi.serving.line.settings import Camera
from urushi.serving.messages.inspections import Triggered


@pytest.fixture
def film(tmp_path, textures):
    """A video file of six good parts, and the pixels that its frames have."""
    writer = cv2.VideoWriter(str(tmp_path / "film.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (32, 32))
    for texture in textures[:6]:
        writer.write(texture if texture.ndim == 3 else cv2.cvtColor(texture, cv2.COLOR_GRAY2BGR))
    writer.release()
    return tmp_path / "film.avi"


@pytest.fixture
def filming(opened, film, tmp_path):
    """A station with this camera, called top."""

    def filming(**settings: object):
        station = opened()
        camera = StationCamera("top", Camera(source="film.avi", detector="exported", **settings), tmp_path, station)
        station.cameras["top"] = camera
        station.sources.append(camera.close)
        camera.begin()
        return station

    return filming


def rows(station) -> list:
    return sorted(station.history.all(Query()), key=lambda row: row.id)


@pytest.mark.parametrize(("settings", "frames"), [({"every_frames": 2}, [1, 3, 5]), ({"every_seconds": 0.3}, [1, 4])])
def test_a_camera_takes_pictures_by_itself_until_its_video_ends(filming, settings, frames):
    station = filming(**settings, tags=["press"])
    until(lambda: len(rows(station)) == len(frames))
    station.close()
    found = rows(station)
    assert [row.source for row in found] == [f"top-{number}.png" for number in frames]
    assert {row.author for row in found} == {"camera top"}
    assert {tuple(sorted(tag.text for tag in row.tags)) for row in found} == {("press", "simulated")}
    kept = cv2.imread(str(station.history.original(found[0])), cv2.IMREAD_UNCHANGED)
    assert kept.shape == (32, 32, 3)


def test_a_trigger_takes_a_picture_and_says_what_was_found(filming, connected):
    client = connected(filming(skip_frames=1, station="press 4"))
    (camera,) = client.http.get("/v1/cameras", headers=client._headers).json()
    assert camera == {"name": "top", "detector": "exported", "is_triggered": True}
    first = client.trigger("top", part_id="A-17", tags=["night"])
    second = client.trigger("top", part_id="A-18", station="press 5")
    assert (first.source, first.part_id, first.station, first.author) == ("top-2.png", "A-17", "press 4", "admin")
    assert (second.source, second.station, second.tags) == ("top-4.png", "press 5", ["simulated"])
    np.testing.assert_array_equal(
        cv2.imdecode(np.frombuffer(client.picture(first.id, "original"), np.uint8), cv2.IMREAD_UNCHANGED),
        cv2.imread(str(client.station.history.original(client.station.history.get(first.id))), cv2.IMREAD_UNCHANGED),
    )


def test_a_trigger_that_comes_twice_takes_one_picture_also_after_a_restart(filming, connected):
    client = connected(filming())
    first = client.trigger("top", id="cycle 1")
    assert client.trigger("top", id="cycle 1") == first
    assert client.trigger("top", id="cycle 2").id != first.id
    client.station.close()
    again = filming()
    assert again.cameras["top"].inspect(Triggered(id="cycle 1")) == first.id
    assert len(rows(again)) == 2


@pytest.mark.thorough
def test_two_triggers_of_one_id_at_once_are_one_inspection(filming, monkeypatch):
    station = filming()
    camera, both = station.cameras["top"], threading.Barrier(2)
    shot = camera._frames.shot

    def together(*how):
        both.wait(10)
        return shot(*how)

    monkeypatch.setattr(camera._frames, "shot", together)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(camera.inspect, [Triggered(id="cycle 1")] * 2))
    assert found[0] == found[1]
    assert [row.id for row in rows(station)] == found[:1]


def test_what_a_trigger_cannot_have_is_said(filming, connected):
    station = filming(skip_frames=4)
    client = connected(station)
    client.trigger("top")
    for camera, status, kind in (("top", 503, "no-picture"), ("side", 404, "not-found")):
        with pytest.raises(RefusedError) as caught:
            client.trigger(camera)
        assert (caught.value.status, caught.value.problem["type"]) == (status, f"urn:urushi:problem:{kind}")
    with pytest.raises(RefusedError) as caught:
        client.trigger("top", unknown="x")
    assert caught.value.status == 422
    with pytest.raises(CameraError, match="has ended"):
        station.cameras["top"].inspect(Triggered())


@pytest.mark.thorough
def test_a_camera_that_takes_pictures_by_itself_takes_no_trigger(filming, connected):
    with pytest.raises(RefusedError) as caught:
        connected(filming(every_frames=1)).trigger("top")
    assert caught.value.status == 409


@pytest.mark.parametrize(
    "settings",
    [{"every_frames": 1, "every_seconds": 1.0}, {"every_frames": 0}, {"skip_frames": 1, "every_frames": 1}],
)
def test_settings_that_do_not_go_together_are_refused(settings):
    with pytest.raises(ValueError, match="every_frames"):
        Camera(source="0", detector="part", **settings)


def test_wrong_cameras_are_said_at_once(opened, tmp_path, film, monkeypatch):
    station = opened()
    for settings, kind, reason in (
        ({"source": "none.avi", "detector": "exported"}, InputError, "no video file"),
        ({"source": "film.avi", "detector": "other"}, NotFoundError, "no detector"),
        ({"source": {"variable": "NONE"}, "detector": "exported"}, InputError, "no secret"),
    ):
        with pytest.raises(kind, match=reason):
            StationCamera("top", Camera(**settings), tmp_path, station)
    (tmp_path / "film.avi").write_bytes(b"no video")
    with pytest.raises(InputError, match="no video that can be read"):
        StationCamera("top", Camera(source="film.avi", detector="exported"), tmp_path, station).begin()
