"""Watched folders: each file is inspected once and is in the history, whatever comes between."""

import signal
import sqlite3

import cv2
import numpy as np
import pytest
from other_end import until
from PIL import Image
from sqlalchemy import select, update
from studies.station_kills import Served, outcome_of

from urushi.data.watching import Watch
from urushi.errors import InputError, NotFoundError
from urushi.serving.history import Query
from urushi.serving.line.folders import WatchedFolder
from urushi.serving.line.settings import Folder
from urushi.serving.settings import Limits
from urushi.serving.tables import Arrival

QUICK = {"settle_seconds": 0.02, "patience_seconds": 0.2, "poll_seconds": 0.01}


@pytest.fixture
def incoming(tmp_path):
    (folder := tmp_path / "incoming").mkdir()
    return folder


@pytest.fixture
def watching(opened, incoming, tmp_path, monkeypatch):
    """A station that watches a folder, with little patience; opened again, it goes on."""
    monkeypatch.setattr("urushi.serving.line.folders.Watch", lambda *what, **how: Watch(*what, **{**how, **QUICK}))

    def watching(limits: Limits = Limits(), **settings: object):  # noqa: B008
        station = opened(limits=limits)
        folder = WatchedFolder("in", Folder(path="incoming", detector="exported", **settings), tmp_path, station)
        folder.begin()
        station.sources.append(folder.close)
        return station

    return watching


def rows(station) -> list:
    return sorted(station.history.all(Query()), key=lambda row: row.id)


def test_what_lies_there_and_what_comes_is_recorded_and_left_where_it_is(watching, incoming, pngs):
    (incoming / "first.png").write_bytes(pngs[0])
    station = watching(part_id_from_name=True, station="press", tags=["night"])
    until(lambda: len(rows(station)) == 1)
    (incoming / "later").mkdir()
    (incoming / "later" / "A-17.png").write_bytes(pngs[-1])
    (incoming / "notes.txt").write_text("no image")
    until(lambda: len(rows(station)) == 2)
    first, later = rows(station)
    assert (first.source, first.part_id, first.decision, first.station) == ("first.png", "first", "normal", "press")
    assert (later.source, later.part_id, later.decision, later.author) == (
        *("later/A-17.png", "A-17", "anomalous"),
        "folder in",
    )
    assert [tag.text for tag in later.tags] == ["night"]
    assert station.history.original(later).read_bytes() == pngs[-1]
    assert (incoming / "first.png").read_bytes() == pngs[0]


def test_nothing_is_inspected_twice_after_a_restart_but_what_was_written_anew(watching, incoming, pngs):
    for number in range(3):
        (incoming / f"{number}.png").write_bytes(pngs[number])
    station = watching()
    until(lambda: len(rows(station)) == 3)
    station.close()
    (incoming / "1.png").write_bytes(pngs[-1])
    (incoming / "3.png").write_bytes(pngs[3])
    again = watching()
    until(lambda: len(rows(again)) == 5)
    again.close()
    assert sorted(row.source for row in rows(watching())) == ["0.png", "1.png", "1.png", "2.png", "3.png"]


@pytest.mark.thorough
def test_what_is_remembered_is_forgotten_once_the_file_is_long_gone(watching, incoming, pngs):
    for name in ("stays.png", "goes.png"):
        (incoming / name).write_bytes(pngs[0])
    station = watching()
    until(lambda: len(rows(station)) == 2)
    station.close()
    (incoming / "goes.png").unlink()
    assert len(remembered(watching())) == 2  # it may come back
    with station.database.writing() as session:
        session.execute(update(Arrival).values(time=rows(station)[0].time.replace(year=2020)))
    assert len(remembered(watching())) == 1


def remembered(station) -> list[str]:
    station.close()
    with station.database.reading() as session:
        return list(session.scalars(select(Arrival.key)))


def test_each_page_is_an_inspection_and_none_comes_twice(watching, incoming, textures):
    first, *others = (Image.fromarray(texture) for texture in textures[:3])
    first.save(incoming / "stack.tif", save_all=True, append_images=others)
    station = watching()
    until(lambda: len(rows(station)) == 3)
    station.close()
    assert [row.source for row in rows(station)] == ["stack.tif#1", "stack.tif#2", "stack.tif#3"]
    kept = cv2.imread(str(station.history.original(rows(station)[1])), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(kept, textures[1])
    again = watching()
    (incoming / "last.png").write_bytes(cv2.imencode(".png", textures[0])[1].tobytes())
    until(lambda: len(rows(again)) == 4)


@pytest.mark.thorough
def test_what_is_still_being_written_waits_and_what_stays_broken_is_recorded_as_unreadable(watching, incoming, pngs):
    (incoming / "broken.png").write_bytes(pngs[0][:100])
    (incoming / "late.png").write_bytes(pngs[1][:100])
    station = watching()
    (incoming / "good.png").write_bytes(pngs[2])
    until(lambda: len(rows(station)) == 1)
    (incoming / "late.png").write_bytes(pngs[1])
    until(lambda: len(rows(station)) == 3)
    assert {row.source: row.decision for row in rows(station)} == {
        "good.png": "normal",
        "late.png": "normal",
        "broken.png": "unreadable",
    }


@pytest.mark.thorough
def test_a_full_queue_is_waited_for(watching, incoming, pngs):
    station = watching(Limits(queue_images=1))
    for number in range(4):
        (incoming / f"{number}.png").write_bytes(pngs[number])
    until(lambda: len(rows(station)) == 4)


def test_a_full_disk_is_waited_for(watching, incoming, pngs, monkeypatch):
    monkeypatch.setattr("urushi.serving.line.recorder._TROUBLE_SECONDS", 0.01)
    station = watching()
    failures, put = iter([OSError(28, "No space left on device")] * 3), station.objects.receive

    def receive(*how):
        if (error := next(failures, None)) is not None:
            raise error
        return put(*how)

    monkeypatch.setattr(station.objects, "receive", receive)
    (incoming / "a.png").write_bytes(pngs[0])
    until(lambda: len(rows(station)) == 1)


def test_wrong_folders_and_detectors_are_said_at_once(opened, tmp_path, incoming):
    station = opened()
    with pytest.raises(InputError, match="there is no folder"):
        WatchedFolder("in", Folder(path="none", detector="exported"), tmp_path, station)
    with pytest.raises(NotFoundError, match="no detector 'other'"):
        WatchedFolder("in", Folder(path="incoming", detector="other"), tmp_path, station)


@pytest.mark.thorough
def test_a_kill_loses_and_doubles_nothing(tmp_path, incoming, exported_autoencoder, pngs):
    settings = tmp_path / "line.toml"
    settings.write_text('[folders.in]\npath = "incoming"\ndetector = "exported"\n')
    folder, options = tmp_path / "station", ("--line", str(settings))
    for number in range(60):
        (incoming / f"{number}.png").write_bytes(pngs[number % len(pngs)])
    served = Served(folder, exported_autoencoder, *options)
    until(lambda: any((folder / "objects").rglob("*")) and sources(folder), 30)
    served.end(signal.SIGKILL)
    n_before = len(sources(folder))
    served = Served(folder, exported_autoencoder, *options)
    until(lambda: len(sources(folder)) >= 60, 60)
    assert served.end(signal.SIGTERM) == 0
    assert sorted(sources(folder)) == sorted(f"{number}.png" for number in range(60))
    assert 0 < n_before < 60
    assert outcome_of(folder, []).is_whole


def sources(folder) -> list[str]:
    with sqlite3.connect(f"file:{folder / 'history.sqlite'}?mode=ro", uri=True) as connection:
        found = [source for (source,) in connection.execute("SELECT source FROM inspected")]
    connection.close()
    return found
