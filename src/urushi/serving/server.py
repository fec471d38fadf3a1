"""Runs the station's application, until it is told to stop."""

import ipaddress
import socket
import ssl
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

    `is_up` is told the address. Raises InputError if it is taken, or for what `require_certificate` refuses.
    """
    if certificate is not None and key is not None:
        require_certificate(certificate, key)
    config = uvicorn.Config(
        create(station, is_tls=certificate is not None),
        log_level="warning",
        server_header=False,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        h11_max_incomplete_event_size=64 << 10,  # of the headers of a request
    )
    with _listening(host, port) as listening:
        address = f"[{host}]" if ":" in host else host
        is_up(f"{'https' if certificate else 'http'}://{address}:{listening.getsockname()[1]}")
        _Server(config, station).run(sockets=[listening])


def require_certificate(certificate: Path, key: Path) -> None:
    """Raises InputError for files that no connection could be encrypted with."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, _no_password)
    except ssl.SSLError as error:
        is_another = error.reason == "KEY_VALUES_MISMATCH"
        reason = "the key is not that of the certificate" if is_another else "one of them holds none in PEM format"
        raise InputError(f"{certificate} and {key} cannot be used for HTTPS: {reason}; give others") from None
    except OSError as error:
        raise InputError(f"{certificate} or {key} cannot be read: {error.strerror}") from None


def _no_password() -> str:
    raise InputError("the key is encrypted, and a station asks nobody for a password: give it one that is not")


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
