"""Images in, decisions out, and both found again: by the client, as a line would."""

import errno
import io
import logging
import sqlite3
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from sqlalchemy.exc import OperationalError

from urushi import Detector
from urushi.data.writing import png
from urushi.reporting.pictures import rgb_bytes
from urushi.serving import evidence, problems
from urushi.serving.client import RefusedError
from urushi.serving.shown import Shown


def decoded(png: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)


def refused(call, *arguments, **more) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        call(*arguments, **more)
    return caught.value


def test_images_of_a_form_are_decided_in_their_order_as_the_detector_decides_them(
    connected, pngs, tmp_path, exported_autoencoder
):
    (tmp_path / "a.png").write_bytes(pngs[0])
    found = connected().inspect("exported", [tmp_path / "a.png", pngs[-1]], part_id="A-17", tag=["night", "left"])
    detector = Detector.load(exported_autoencoder)
    (tmp_path / "b.png").write_bytes(pngs[-1])
    alone = [detector.inspect(tmp_path / name) for name in ("a.png", "b.png")]
    assert [one.decision for one in found] == [one.decision for one in alone] == ["normal", "anomalous"]
    assert [one.score for one in found] == pytest.approx([one.score for one in alone])
    assert [one.source for one in found] == ["a.png", "image"]
    assert {(one.part_id, *one.tags, one.author, one.version) for one in found} == {
        ("A-17", "left", "night", "admin", 1)
    }
    assert len(found[1].regions) == len(alone[1].regions) > 0


def test_a_raw_body_gives_the_same_result(connected, pngs):
    client = connected()
    (form,) = client.inspect("exported", [pngs[-1]], serial="7")
    raw = client.inspect_bytes("exported", pngs[-1], serial="7", source="camera.png", tag="x")
    same = ("decision", "score", "threshold", "p_value", "regions", "serial", "version")
    assert [getattr(raw, name) for name in same] == [getattr(form, name) for name in same]
    assert (raw.source, raw.tags) == ("camera.png", ["x"])


def test_what_was_answered_is_found_again_by_id_and_by_each_condition(connected, pngs):
    client = connected()
    start = datetime.now(UTC)
    (normal,) = client.inspect("exported", [pngs[0]], part_id="p", serial="1", tag="day")
    (odd,) = client.inspect("exported", [pngs[-1]], part_id="p", serial="2", tag="night")
    assert client.inspection(odd.id) == odd
    conditions = [
        ({"detector": "exported"}, [odd, normal]),
        ({"detector": "other"}, []),
        ({"decision": "anomalous"}, [odd]),
        ({"tag": "day"}, [normal]),
        ({"part_id": "p", "serial": "2"}, [odd]),
        ({"min_score": normal.score + 1e-6}, [odd]),
        ({"max_score": normal.score}, [normal]),
        ({"since": start.isoformat(), "until": (start + timedelta(hours=1)).isoformat()}, [odd, normal]),
        ({"until": start.isoformat()}, []),
        ({"is_reviewed": False}, [odd, normal]),
    ]
    for condition, expected in conditions:
        assert client.page(**condition).items == expected, condition


def test_pages_by_cursor_give_each_inspection_once_though_more_come_meanwhile(connected, pngs):
    client = connected()
    before = [client.inspect_bytes("exported", png).id for png in pngs[:5]]
    first = client.page(limit=2)
    client.inspect_bytes("exported", pngs[0])
    second = client.page(limit=2, cursor=first.next)
    third = client.page(limit=2, cursor=second.next)
    assert [one.id for page in (first, second, third) for one in page.items] == before[::-1]
    assert third.next is None


def test_pictures_of_an_inspection_are_png_files(connected, pngs):
    client = connected()
    (found,) = client.inspect("exported", [pngs[-1]])
    assert np.array_equal(decoded(client.picture(found.id, "original")), decoded(pngs[-1]))
    assert decoded(client.picture(found.id, "map")).shape == (32, 32, 4)
    assert decoded(client.picture(found.id, "reconstruction")).shape == (32, 32, 3)
    seen, rebuilt = (decoded(client.picture(found.id, kind)) for kind in ("seen", "reconstruction"))
    largest = np.abs(seen.astype(float) - rebuilt).max(axis=2)  # of all channels; a quarter of full scale is white
    assert (decoded(client.picture(found.id, "difference")) == np.rint(np.minimum(4 * largest, 255))).all()
    assert largest.max() > 63.75
    overlay = decoded(client.picture(found.id, "overlay"))
    assert overlay.shape == (512, 512, 3)
    assert (overlay[..., 2] > overlay[..., 0] + 30).any()  # it glows


def test_pictures_are_made_again_by_the_version_that_decided_and_are_the_same_each_time(connected, pngs, opened):
    client = connected()
    found = client.inspect_bytes("exported", pngs[-1])
    names = ("map", "overlay", "reconstruction", "original")
    before = {name: client.picture(found.id, name) for name in names}
    row = client.station.history.get(found.id)
    with zipfile.ZipFile(client.station.objects.path(row.evidence)) as kept:
        assert kept.namelist() == ["map.npy"]
    fresh = client.station.detectors.get("exported").detector.inspect(client.station.history.original(row))
    assert before["reconstruction"] == png(rgb_bytes(fresh.reconstruction))
    shown = client.station.history.evidence(row)
    assert np.array_equal(shown.image, rgb_bytes(fresh.image))
    assert np.array_equal(shown.anomaly_map, fresh.anomaly_map)
    client.station.close()
    again = connected(opened(), token=client.token)
    assert {name: again.picture(found.id, name) for name in names} == before


def test_pictures_that_an_older_station_kept_are_shown_as_they_are(connected, pngs):
    client = connected()
    found = client.inspect_bytes("exported", pngs[0])
    station, row = client.station, client.station.history.get(found.id)
    old, grey = io.BytesIO(), np.full((32, 32, 3), 99, np.uint8)
    with zipfile.ZipFile(old, "w") as archive, zipfile.ZipFile(station.objects.path(row.evidence)) as new:
        archive.writestr("map.npy", new.read("map.npy"))
        archive.writestr("image.png", png(grey))
        archive.writestr("reconstruction.png", png(grey + 1))
    details = {name: value for name, value in row.details.items() if name != "has_reconstruction"}
    shown = evidence.unpacked(old.getvalue(), details, lambda: pytest.fail("made again"), lambda: pytest.fail("read"))
    assert (shown.image.mean(), shown.reconstruction.mean(), shown.has_reconstruction) == (99, 100, True)


def test_all_layers_of_an_image_are_of_one_inspection_whoever_asks_at_once(connected, pngs, monkeypatch):
    client, calls = connected(), list[str]()
    numbers = [client.inspect_bytes("exported", image).id for image in (pngs[0], pngs[-1])]
    for name in ("inspect", "picture"):
        counted = partial(_counted, calls, getattr(Detector, name), name)
        monkeypatch.setattr(Detector, name, lambda *given, counted=counted: counted(*given))
    names = ("map", "overlay", "reconstruction", "difference", "seen")
    with ThreadPoolExecutor(5) as pool:
        first = list(pool.map(lambda name: client.picture(numbers[1], name), names))
    assert sorted(calls) == ["inspect", "picture"]
    assert [client.picture(numbers[1], name) for name in names] == first  # no layer changes what another is drawn of
    assert sorted(calls) == ["inspect", "picture"]
    assert client.picture(numbers[0], "reconstruction") != first[2]
    assert sorted(calls) == ["inspect", "inspect", "picture"]


def _counted(calls, method, name, *given):
    calls.append(name)
    time.sleep(0.05)  # long enough for others to ask meanwhile
    return method(*given)


def test_pictures_are_kept_of_the_last_images_within_a_number_of_pixels_and_always_of_the_last(connected, pngs):
    client = connected()
    history = client.station.history
    rows = [history.get(client.inspect_bytes("exported", image).id) for image in pngs[:3]]
    shown = Shown(history, most_pixels=2 * 32 * 32)
    first, second = (shown.evidence(row) for row in rows[:2])
    assert shown.evidence(rows[0]) is first
    third = shown.evidence(rows[2])
    assert (shown.evidence(rows[2]), shown.evidence(rows[0])) == (third, first)
    assert shown.evidence(rows[1]) is not second
    small = Shown(history, most_pixels=1)
    last = small.evidence(rows[0])
    assert small.evidence(rows[0]) is last
    assert small.evidence(rows[1]) is not small.evidence(rows[0])
    assert small.evidence(rows[0]) is not last


def test_a_large_body_comes_to_the_disk_in_pieces(connected, pngs):
    client, rng = connected(), np.random.default_rng(0)
    large = png(rng.integers(0, 256, (800, 800, 3)).astype(np.uint8))
    assert len(large) > 1.5e6
    found = client.inspect_bytes("exported", large)
    assert client.station.history.original(client.station.history.get(found.id)).read_bytes() == large
    assert refused(client.inspect_bytes, "exported", b"").status == 422
    assert list(client.station.objects.incoming.iterdir()) == []


def test_an_image_that_cannot_be_read_is_refused_with_its_reason_and_kept_in_the_record(connected, pngs):
    client = connected()
    error = refused(client.inspect, "exported", [pngs[0][:100]])
    assert (error.status, error.problem["type"]) == (422, "urn:urushi:problem:unreadable-image")
    assert "truncated" in error.problem["detail"]
    assert str(client.station.folder) not in error.problem["detail"]
    (number,) = error.problem["inspections"]
    assert client.inspection(number).decision == "unreadable"
    assert refused(client.picture, number, "map").status == 404
    assert 'decision="unreadable",detector="exported"} 1.0' in client.metrics()


def test_one_bad_image_among_good_ones_keeps_none_of_them_back(connected, pngs):
    found = connected().inspect("exported", [pngs[0], b"I am no picture", pngs[1]])
    assert [one.decision for one in found] == ["normal", "unreadable", "normal"]
    assert found[1].score is None
    assert "not an image" in found[1].reason


HOSTILE = ["<script>alert(1)</script>", "'; DROP TABLE inspected; --", "../../etc/passwd", "=cmd()", "x" * 100]


def test_hostile_text_is_text(connected, pngs):
    client = connected()
    for text in HOSTILE:
        words = dict.fromkeys(("part_id", "serial", "station", "shift", "tag"), text)
        found = client.inspect_bytes("exported", pngs[0], source=text, **words)
        assert {found.part_id, found.serial, found.station, found.shift, *found.tags, found.source} == {text}
        assert client.page(tag=text, part_id=text).items == [found]


UNFIT = [
    {"part_id": "a\x00b"},
    {"tag": "\u202egnp"},
    {"serial": ""},
    {"shift": "x" * 101},
    {"colour": "red"},
    {"tag": ["x"] * 41},
]


def test_text_that_cannot_be_shown_or_is_too_long_is_refused(connected, pngs):
    client = connected()
    for fields in UNFIT:
        assert refused(client.inspect, "exported", [pngs[0]], **fields).status in (400, 422), fields
    assert client.page().items == []
    assert list(client.station.objects.incoming.iterdir()) == []


NAMES = ["../../../escaped.png", "/tmp/escaped.png", "..\\escaped.png", "a\nb\x1b[31m.png", "x" * 1000 + ".dcm"]


def test_the_name_of_a_file_leads_nowhere(connected, pngs, tmp_path):
    client = connected()
    for name in NAMES:
        path = "/v1/detectors/exported/inspections"
        answer = client.http.post(path, files=[("image", (name, pngs[0]))], headers=client._headers)
        assert answer.status_code == 201, name
        source = answer.json()[0]["source"]
        assert source.isprintable()
        assert len(source) <= 255
    assert list(tmp_path.rglob("*escaped*")) == []
    assert not Path("/tmp/escaped.png").exists()


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(connected, pngs):
    size = slice(16, 24)  # of a PNG's header
    header = pngs[0][: size.start] + struct.pack(">II", 20_000, 20_000) + pngs[0][size.stop : 29]
    bomb = header + struct.pack(">I", zlib.crc32(header[12:29])) + pngs[0][33:]
    error = refused(connected().inspect, "exported", [bomb])
    assert error.status == 422
    assert "too large: 20000 × 20000" in error.problem["detail"]


def test_a_detector_that_is_not_there_is_not_found(connected, pngs):
    client = connected()
    assert refused(client.inspect, "other", [pngs[0]]).status == 404
    assert refused(client.detector, "..").status in (404, 405, 422)
    assert refused(client.inspection, 99).status == 404
    assert refused(client.inspection, 2**63).status == 422


def test_a_bug_is_answered_without_telling_of_it_and_logged(connected, pngs, monkeypatch, caplog):
    client = connected()

    def broken(*_arguments: object, **_more: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(client.station.gallery, "page", broken)
    with caplog.at_level(logging.ERROR, "urushi.serving"):
        error = refused(client.page)
    assert (error.status, error.problem["type"]) == (500, "urn:urushi:problem:unexpected")
    assert "secret" not in str(error.problem)
    assert "secret" in caplog.text


def test_a_full_disk_is_said_and_nothing_is_kept(connected, pngs, monkeypatch):
    client = connected()

    def full(*_arguments: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    error = refused(client.inspect_bytes, "exported", pngs[0])
    assert (error.status, error.problem["type"]) == (507, "urn:urushi:problem:disk-full")
    monkeypatch.undo()
    assert client.page().items == []
    assert len([path for path in client.station.objects.root.rglob("*") if path.is_file()]) == 1  # the detector
    assert list(client.station.objects.incoming.iterdir()) == []


WITHOUT_TORCH = """
import sys
from pathlib import Path
from urushi.serving.app import create
from urushi.serving.history import About, Received
from urushi.serving.station import Station

folder, detector, image = map(Path, sys.argv[1:])
station = Station.open(folder, [detector])
create(station)
place = station.objects.receive(image.open("rb"), ".png")
(task,) = station.inspector.accept(station.detectors.get("exported"), [Received(place, "a.png")], About("test"))
print(task.future.result().decision, "torch" in sys.modules)
station.close()
"""


@pytest.mark.thorough
def test_a_station_of_exported_detectors_loads_no_torch(exported_autoencoder, pngs, tmp_path):
    (tmp_path / "a.png").write_bytes(pngs[-1])
    arguments = [tmp_path / "station", exported_autoencoder, tmp_path / "a.png"]
    run = subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)], capture_output=True, text=True)
    assert run.stdout == "anomalous False\n", run.stderr


def test_numbers_that_no_id_can_have_are_refused_before_a_database_is_asked(connected):
    client = connected()
    for number in (2**31, 2**62, 2**70):
        version = {"version": number, "reason": "x"}
        calls = [
            lambda n=number: client.inspection(n),
            lambda n=number: client.picture(n, "map"),
            lambda n=number: client.verdicts(n),
            lambda n=number: client.judge(n, "ok"),
            lambda n=number: client.job(n),
            lambda n=number: client.cancel(n),
            lambda n=number: client.page(cursor=n),
            lambda n=number: client.changes(before=n),
            lambda n=number: client.switch("exported", n, "x"),
            lambda n=number: client.learn("exported", 1, "x", [n]),
            lambda v=version: client.recalibrate("exported", **v),
        ]
        assert [refused(call).status for call in calls] == [422] * len(calls), number


def test_a_name_that_no_detector_can_have_is_refused_before_a_database_is_asked(connected, pngs):
    client = connected()
    for name in ("a%00b", "%F0%9F%94%A5", "a" * 65, "..%2F..", "%20"):
        for method, rest in (("POST", "/inspections"), ("GET", ""), ("GET", "/drift")):
            answer = client.http.request(method, f"/v1/detectors/{name}{rest}", headers=client._headers)
            assert answer.status_code in (404, 422), (method, name, rest)
            assert answer.status_code == 422 or "%2F" in name, (method, name, rest)


def test_a_full_disk_of_the_database_is_said_by_either_database():
    full = [sqlite3.OperationalError("full"), Exception("could not extend file")]
    full[0].sqlite_errorcode, full[1].sqlstate = sqlite3.SQLITE_FULL, "53100"
    for reason in full:
        answer = problems._of_database(None, OperationalError("INSERT", {}, reason))
        assert (answer.status_code, b"disk-full" in answer.body) == (507, True)
