"""A live camera by RTSP: what FFmpeg has gathered is left out, and what never answers is given up."""

import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from rtsp_camera import RtspCamera
from urushi.backoff import Backoff
from urushi.data.camera import LiveCamera
from urushi.data.camera_source import CameraSource
from urushi.errors import CameraError


@pytest.fixture
def watching():
    """Opens a live camera; what it said is beside it."""
    cameras = []

    def watching(url: str, timeout_seconds: float = 10) -> tuple[LiveCamera, list[str]]:
        said: list[str] = []
        source = CameraSource.of(url, timeout_seconds)
        cameras.append(camera := LiveCamera(source, report=said.append, backoff=Backoff(0.05, 0.1)))
        return camera, said

    yield watching
    for camera in cameras:
        camera.close()


@pytest.fixture
def rtsp():
    camera = RtspCamera()
    yield camera
    camera.close()


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.thorough
def test_no_picture_is_from_before_the_stream_was_open_also_when_it_was_lost(rtsp, watching):
    camera, said = watching(rtsp.url)
    for _ in range(2):
        first = rtsp.n
        seen = round(float(camera.shot(seconds=20).image.mean()))
        assert rtsp.n - first > 10  # that many had gathered
        assert rtsp.n - seen < 10
        rtsp.is_on = False
        until(lambda: len(said) % 2)
        rtsp.n, rtsp.is_on = 0, True
    camera.shot(seconds=20)
    assert [one.rpartition(" ")[2] for one in said] == ["again"] * 4


def test_a_camera_that_never_answers_is_given_up_in_its_time(watching):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        camera, said = watching(f"rtsp://127.0.0.1:{silent.getsockname()[1]}/x", timeout_seconds=0.1)
        until(lambda: said)
        assert said[0].endswith("cannot be reached; tries again")
        with pytest.raises(CameraError, match="cannot be reached"):
            camera.shot(seconds=0.01)
        camera.close()


@pytest.mark.thorough
def test_a_camera_that_falls_silent_is_lost(rtsp, watching):
    camera, said = watching(rtsp.url, timeout_seconds=2)
    camera.shot(seconds=20)
    rtsp.is_mute = True
    until(lambda: said)
    rtsp.is_mute = False
    camera.shot(seconds=20)
    assert said[-1].endswith("gives frames again")


@pytest.fixture
def film(tmp_path: Path):
    """The URL of a video whose codec has frames in hand."""
    writer = cv2.VideoWriter(str(tmp_path / "film.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10, (64, 64))
    for number in range(20):
        writer.write(np.full((64, 64, 3), 10 * number, np.uint8))
    writer.release()

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/film.mp4"
    server.shutdown()
    server.server_close()


def test_of_a_stream_one_frame_is_decoded_at_a_time_and_one_is_held_back_at_most(film, rtsp):
    for url, n_held in ((film, 1), (rtsp.url, 0)):
        source = CameraSource.of(url)
        capture = source.open()
        assert capture.get(cv2.CAP_PROP_N_THREADS) == 1
        assert source.n_held(capture) == n_held
        capture.release()
