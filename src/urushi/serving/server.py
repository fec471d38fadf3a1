"""Runs the station's application, until it is told to stop."""

import ipaddress
import socket
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn

from urushi.errors import InputError
from urushi.serving.app import create
from urushi.serving.station import Station


def run(
    station: Station,
    host: str,
    port: int,
    *,
    certificate: Path | None = None,
    key: Path | None = None,
    is_up: Callable[[str], None] = print,
) -> None:
    """Serves until SIGINT or SIGTERM; then no more is accepted, and what was accepted is answered.

    `is_up` is told the address. Raises InputError if it is taken, or the certificate is none.
    """
    config = uvicorn.Config(
        create(station, is_tls=certificate is not None),
        log_level="warning",
        server_header=False,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        h11_max_incomplete_event_size=64 << 10,  # of the headers of a request
    )
    try:
        config.load()
    except OSError as error:  # ssl.SSLError is one
        raise InputError(f"the certificate cannot be used: {error}") from None
    with _listening(host, port) as listening:
        address = f"[{host}]" if ":" in host else host
        is_up(f"{'https' if certificate else 'http'}://{address}:{listening.getsockname()[1]}")
        _Server(config, station).run(sockets=[listening])


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Server(uvicorn.Server):
    """Tells those who follow jobs that it ends: it waits for all connections, and theirs would stay open."""

    def __init__(self, config: uvicorn.Config, station: Station) -> None:
        super().__init__(config)
        self._station = station

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._station.jobs.is_closing.set()
        super().handle_exit(sig, frame)


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=256)
        # Connections have it from here. Else an answer in two pieces waits 40 ms for the other side's acknowledgement.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except OSError as error:
        raise InputError(
            f"{host} port {port} cannot be served: {error.strerror or error}; choose another --port"
        ) from None
