"""What stands for the other end of a line."""

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from urushi.serving.history import About, Received


class Receiver:
    """A server that keeps what is posted to it; `statuses` are its next answers, afterwards 204."""

    def __init__(self, port: int = 0) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.requests.append((headers, body))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?token=not-shown"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def until(holds: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def inspected(station, png: bytes, **about: object):
    """A row of the history, as a request would have made it."""
    place = station.objects.incoming_place(".png")
    place.write_bytes(png)
    loaded = station.detectors.get("exported")
    (task,) = station.inspector.accept(loaded, [Received(place, "a.png")], About("test", **about))
    return task.future.result(30)


def find_mosquitto() -> str | None:
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


class Broker:
    """A process of mosquitto, which keeps nothing on the disk."""

    def __init__(self, folder: Path) -> None:
        self.port, self._settings = free_port(), folder / "mosquitto.conf"
        self._settings.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n")

    def begin(self) -> None:
        command = [find_mosquitto(), "-c", str(self._settings)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._answers)

    def end(self) -> None:
        self._process.terminate()
        self._process.wait(10)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True


class Peer:
    """Hears everything below urushi/ and may publish."""

    def __init__(self, broker: Broker) -> None:
        from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5

        self.heard: list[tuple[str, bytes, dict[str, str], bool]] = []
        self._is_there = threading.Event()
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        self.client.on_connect = lambda client, *_: client.subscribe("urushi/#", 1)
        self.client.on_subscribe = lambda *_: self._is_there.set()
        self.client.on_message = self._hear
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()
        assert self._is_there.wait(10)

    def _hear(self, _client: object, _data: object, message: Any) -> None:
        properties = dict(getattr(message.properties, "UserProperty", []))
        self.heard.append((message.topic, message.payload, properties, message.retain))

    def on(self, topic: str) -> list[Any]:
        """What was heard on a topic, out of JSON."""
        return [json.loads(payload) for at, payload, *_ in self.heard if at == topic]

    def publish(self, topic: str, what: object, **how: Any) -> None:
        body = what if isinstance(what, bytes) else json.dumps(what)
        self.client.publish(topic, body, qos=1, **how).wait_for_publish(10)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
