"""A live camera over HTTP: a stream of JPEG pictures as web cameras send them, lost and found again."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from urushi.backoff import Backoff
from urushi.data.camera import LiveCamera
from urushi.data.camera_source import CameraSource


class WebCamera:
    """Sends 50 pictures per second while it is on, each as bright as its number, up to 199 and round again."""

    def __init__(self) -> None:
        self.n, self.is_on = 0, True
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
                self.end_headers()
                while camera.is_on:
                    camera.n += 1
                    picture = np.full((64, 64, 3), camera.n % 200, np.uint8)
                    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
                    head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    try:
                        self.wfile.write(head.encode() + jpeg + b"\r\n")
                    except OSError:
                        return
                    time.sleep(0.02)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/video"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.is_on = False
        self._server.shutdown()
        self._server.server_close()


@pytest.mark.thorough
def test_a_stream_gives_its_newest_picture_and_is_found_again_when_it_was_lost():
    said: list[str] = []
    web = WebCamera()
    camera = LiveCamera(CameraSource.of(web.url), report=said.append, backoff=Backoff(0.05, 0.1))
    try:
        camera.shot(seconds=20)
        for _ in range(5):
            time.sleep(0.3)
            sent = web.n
            seen = round(float(camera.shot(seconds=5).image.mean()))
            assert (sent - seen) % 200 in (*range(15), *range(185, 200)), (sent, seen)
        web.is_on = False
        deadline = time.monotonic() + 10
        while not said and time.monotonic() < deadline:
            time.sleep(0.02)
        web.is_on = True
        camera.shot(seconds=20)
        assert [one.rpartition(" ")[2] for one in said] == ["again", "again"]
    finally:
        camera.close()
        web.close()
