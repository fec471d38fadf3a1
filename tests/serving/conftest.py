import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import postgresql
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from starlette.testclient import TestClient

from urushi import Detector
from urushi.serving.app import create
from urushi.serving.client import Client
from urushi.serving.settings import Limits
from urushi.serving.station import Station

_NUMBERS = count()
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture(scope="session")
def server() -> Iterator[str | None]:
    """Where databases are if not in the folder: of a server that URUSHI_TEST_DATABASE=postgresql has started."""
    if "URUSHI_TEST_DATABASE" not in os.environ:
        yield None
        return
    assert os.environ["URUSHI_TEST_DATABASE"] == "postgresql"
    with postgresql.serving() as url:
        postgresql.administer(url, "CREATE DATABASE empty")
        yield url


@pytest.fixture(scope="session")
def empty_station(shared: Callable[..., Path], exported_autoencoder: Path, server: str | None) -> Path:
    """The folder of a station that has one detector and has inspected nothing."""
    name = "station" if server is None else f"station-{os.environ.get('PYTEST_XDIST_WORKER', '')}"
    url = None if server is None else server.format("empty")
    return shared(name, lambda place: Station.open(place, [exported_autoencoder], url=url, hasher=QUICK).close())


@pytest.fixture
def database_url(server: str | None, monkeypatch: pytest.MonkeyPatch) -> str | None:
    """Of a database that is as `empty_station` has it, for what the test opens and for commands; None: SQLite."""
    if server is None:
        return None
    name = f"test{next(_NUMBERS)}"
    postgresql.administer(server, f"CREATE DATABASE {name} TEMPLATE empty STRATEGY file_copy")
    monkeypatch.setenv("URUSHI_DATABASE", server.format(name))
    return server.format(name)


LOADED: dict[str, Detector] = {}


def loaded(path: Path) -> Detector:
    """Once for each content, whose digest is the name of its file."""
    return LOADED.setdefault(path.name, LOADED.get(path.name) or Detector.load(path))


@pytest.fixture(scope="session")
def app() -> FastAPI:
    """Made once, which takes a tenth of a second; each test has it serve a station of its own."""
    return create(cast("Station", None))


@pytest.fixture
def opened(empty_station: Path, database_url: str | None, tmp_path: Path) -> Iterator[Callable[..., Station]]:
    """Opens a station of one's own, which is closed afterwards."""
    with ExitStack() as stack:

        def opened(**how: object) -> Station:
            folder = tmp_path / "station"
            if not folder.exists():
                shutil.copytree(empty_station, folder)
            station = Station.open(folder, url=database_url, hasher=QUICK, load=loaded, **how)
            stack.callback(station.database.close)  # of which some tests read once the station is closed
            stack.callback(station.close)
            return station

        yield opened


@pytest.fixture
def connected(opened: Callable[..., Station], app: FastAPI) -> Iterator[Callable[..., Client]]:
    """A client of a station, with a token of a role; the station is kept as `client.station`."""
    with ExitStack() as stack:
        served: dict[Path, TestClient] = {}

        def connected(
            station: Station | None = None, *, role: str = "admin", token: str | None = None, **limits: object
        ) -> Client:
            station = station or opened(limits=Limits(**limits))
            app.state.station = station
            if station.folder not in served:
                served[station.folder] = stack.enter_context(TestClient(app, raise_server_exceptions=False))
            token = token or station.tokens.create(role, role, "test")
            client = Client("", token, http=served[station.folder])
            client.token, client.station, client.http = token, station, served[station.folder]
            return client

        yield connected


@pytest.fixture(scope="session")
def pngs(textures: list[np.ndarray]) -> list[bytes]:
    """Files of 32 × 32 px that the detector was fitted on, and as the last one with a white square."""
    odd = textures[0].copy()
    odd[8:20, 8:20] = 255
    return [cv2.imencode(".png", image)[1].tobytes() for image in [*textures, odd]]
