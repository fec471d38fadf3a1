"""The monitor of a station: what it sees, says, keeps and forgets."""

import re
import secrets
from dataclasses import replace
from html import unescape
from pathlib import Path

import cv2
import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text
from starlette.testclient import TestClient
from test_inspections import refused

from pages import ROOT, fenced
from urushi.data.appearance import LIGHT, Appearance
from urushi.serving.database import upgrade
from urushi.serving.drift import monitor as single
from urushi.serving.history import Query
from urushi.serving.migrations import first
from urushi.serving.tables import Base, Drift

FIRST = Path(first.__file__).read_text("utf-8")


@pytest.fixture
def line(textures):
    """New images of normal parts, as they are and in more light."""
    rng = np.random.default_rng(5)

    def line(n: int, light: float = 0) -> list[np.ndarray]:
        chosen = (textures[number].astype(float) for number in rng.integers(0, len(textures), n))
        images = ((image + light + rng.normal(0, 1, image.shape)).clip(0, 255) for image in chosen)
        return [image.astype(np.uint8) for image in images]

    return line


def inspected(client, image: np.ndarray):
    return client.inspect_bytes("exported", cv2.imencode(".png", image)[1].tobytes())


def moved(client, line) -> None:
    """Until the alarm is raised."""
    for image in line(40, light=60):
        inspected(client, image)
        if client.station.monitors._kept["exported"].monitor.moved:
            return
    raise AssertionError(client.drift("exported"))


@pytest.fixture
def alarmed(connected, line, monkeypatch):
    """A station that knew its light, and got more of it."""
    known = [{"score": 20 + n / 10, **Appearance.of(image).light} for n, image in enumerate(line(60))]
    found = {name: [one[name] for one in known] for name in single.STATISTICS}
    monkeypatch.setattr("urushi.serving.drift.monitors.references", lambda _: found)
    monkeypatch.setattr(single, "N_REFERENCE", 24)
    monkeypatch.setattr(single.Monitor, "_limit", 1000.0)
    monkeypatch.setattr(secrets, "randbits", lambda _: 0)
    client = connected()
    everything_is_normal(client)
    moved(client, line)
    return client


def everything_is_normal(client) -> None:
    """A threshold that nothing of this is above."""
    detector = client.station.detectors.get("exported").detector
    ways = detector.ways.with_threshold(detector.backend, replace(detector.threshold, value=1e9))
    client.station.detectors.add("exported", replace(detector, ways=ways), "test", "all are normal")


def test_an_alarm_says_what_moved_in_the_answer_the_metrics_and_the_audit_trail(alarmed):
    found = alarmed.drift("exported")
    assert (found.state, found.version) == ("alarm", 2)
    assert "brightness" in found.alarm.moved
    assert "brightness has moved up, from 0." in found.alarm.message
    (brightness,) = (one for one in found.statistics if one.statistic == "brightness")
    assert brightness.evidence >= 0.01
    assert max(one.evidence for one in found.statistics) >= 1
    assert brightness.lately.high > brightness.reference.high + 0.05
    assert 'urushi_drift_alarm{detector="exported",statistic="brightness"} 1.0' in alarmed.metrics()
    change = next(one for one in alarmed.changes() if one.action == "drift")
    assert (change.author, change.subject, change.reason) == ("drift", "exported", found.alarm.message)
    assert change.after["brightness"] > change.before["brightness"] + 0.05


def test_an_alarm_is_announced_once_as_the_api_tells_it(alarmed, line):
    alarmed.acknowledge_drift("exported", "it was nothing", "same")
    with alarmed.station.announcements.subscribe() as subscription:
        moved(alarmed, line)
        told = list(iter(lambda: subscription.next(0), None))
    (alarm,) = (one.content for one in told if one.kind == "alarm")
    found = alarmed.drift("exported").alarm
    assert (alarm["detector"], alarm["message"], alarm["moved"]) == ("exported", found.message, found.moved)


def test_the_python_of_the_page_on_drift_runs(alarmed, capsys):
    (code,) = fenced(ROOT / "docs/drift.md", "python")
    message = alarmed.drift("exported").alarm.message
    exec(compile(code.replace('"part"', '"exported"'), "drift.md", "exec"), {"station": alarmed})
    assert capsys.readouterr().out == f"{message}\n"
    assert alarmed.drift("exported").alarm is None


def test_an_alarm_is_there_after_a_restart_and_stands_until_an_admin_has_acknowledged_it(alarmed, opened, connected):
    before = alarmed.drift("exported")
    alarmed.station.close()
    client = connected(opened(), role="review")
    assert client.drift("exported") == before
    assert refused(client.acknowledge_drift, "exported", "seen", "next").status == 403
    admin = connected(client.station, token=alarmed.token)
    found = admin.acknowledge_drift("exported", "new lamp", "next")
    assert (found.state, found.alarm, found.n_images) == ("learning", None, 0)
    assert 'urushi_drift_alarm{detector="exported",statistic="brightness"} 0.0' in admin.metrics()
    change = admin.changes(limit=1)[0]
    assert (change.action, change.author, change.reason) == ("drift acknowledged", "admin", "new lamp")
    assert change.before == {"alarm": before.alarm.message}
    assert refused(admin.acknowledge_drift, "exported", "seen", "next").status == 409
    assert refused(admin.acknowledge_drift, "exported", "seen", "none").status == 422


def test_against_the_same_reference_what_is_not_mended_raises_the_alarm_again(alarmed, line):
    reference = alarmed.drift("exported").statistics[1].reference
    found = alarmed.acknowledge_drift("exported", "lamp cleaned", "same")
    assert found.statistics[1].reference == reference
    moved(alarmed, line)


def test_what_a_killed_station_had_not_written_down_is_read_from_the_history(connected, opened, line):
    client = connected()
    for image in line(5):
        inspected(client, image)
    before = client.drift("exported")
    station = client.station
    station.monitors.forget("exported")
    assert client.drift("exported") == before
    assert before.n_images == sum(row.decision == "normal" for row in station.history.all(Query())) > 1


def test_statistics_of_another_version_of_urushi_are_begun_anew(connected, line):
    client = connected()
    for image in line(2):
        inspected(client, image)
    monitors = client.station.monitors
    with client.station.database.writing() as session:
        row = session.get_one(Drift, "exported")
        row.state = {**row.state, "tests": {"score": row.state["tests"]["score"]}}
    monitors.forget("exported")
    assert client.drift("exported").n_images == 0
    inspected(client, line(1)[0])
    assert client.drift("exported").n_images == 1


def test_only_new_normal_images_of_the_version_that_decides_count(connected, pngs, line):
    client = connected()
    client.inspect("exported", [pngs[-1], b"no image", pngs[0]])  # anomalous, unreadable, and learnt by the fit
    assert client.drift("exported").n_images == 0
    (image,) = line(1)
    row = inspected(client, image)
    assert (row.decision, client.drift("exported").n_images) == ("normal", 1)
    assert set(row.light) == set(LIGHT)
    everything_is_normal(client)
    assert (client.drift("exported").version, client.drift("exported").n_images) == (2, 0)


def test_an_image_that_could_not_be_recorded_is_not_seen(connected, line, monkeypatch):
    client = connected()
    first, second = line(2)
    inspected(client, first)
    station = client.station
    see = station.monitors.see

    def broken(*arguments, **more):
        see(*arguments, **more)
        raise RuntimeError("after the monitor has seen it")

    monkeypatch.setattr(station.monitors, "see", broken)
    assert refused(inspected, client, second).status == 500
    monkeypatch.undo()
    assert client.drift("exported").n_images == 1


def test_a_database_of_the_first_schema_keeps_all_its_rows(connected, pngs):
    """As a station of that schema has left it."""
    client = connected()
    client.judge(client.inspect("exported", pngs[:3], tag="x")[0].id, "ok")
    engine = client.station.database.engine
    tables = ("version", "current", "inspected", "tag", "verdict", "change", "token", "job")
    everything = {}
    with engine.begin() as connection:
        for table in tables:
            everything[table] = connection.execute(text(f"SELECT * FROM {table} ORDER BY 1")).all()
        for table in set(inspect(connection).get_table_names()) - {*tables, "alembic_version"}:
            connection.execute(text(f"DROP TABLE {table}"))
        for table in tables:
            for index in inspect(connection).get_indexes(table):
                name = str(index["name"])
                is_first = name.startswith("ix_") or f'"{name}"' in FIRST or "duplicates_constraint" in index
                if not is_first:
                    connection.execute(text(f"DROP INDEX {name}"))
        connection.execute(text("UPDATE alembic_version SET version_num = 'first'"))
    upgrade(engine)
    with engine.connect() as connection:
        assert {t: connection.execute(text(f"SELECT * FROM {t} ORDER BY 1")).all() for t in tables} == everything
        assert {"drift", "sent", "delivery"} <= set(inspect(connection).get_table_names())
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() != "first"
        assert compare_metadata(context, Base.metadata) == []
    assert len(everything["inspected"]) == 3


def test_the_page_shows_the_alarm_and_an_admin_acknowledges_it_there(alarmed):
    http = TestClient(alarmed.http.app, headers={"Sec-Fetch-Site": "same-origin"}, follow_redirects=False)
    token = alarmed.station.tokens.create("anna", "admin", "test")
    assert http.post("/login", data={"token": token}).status_code == 303
    page = unescape(http.get("/trends", headers={"Accept-Language": "de"}).text)
    assert re.search(r"Was normal ist, hat sich verschoben\.</strong> [^<]*Helligkeit 0,\d+ → 0,\d+", page)
    assert "has moved" not in page
    assert re.search(r"Helligkeit <b>verschoben</b>", page)
    asked = {"detector": "exported", "reference": "next", "reason": "new <lamp>"}
    answer = http.post("/trends/drift", data=asked)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/trends?detector=exported#drift")
    page = http.get("/trends", headers={"Accept-Language": "en"}).text
    assert "Too few normal images to compare with yet: 0 so far." in page
    assert "acknowledged by anna: <q>new &lt;lamp&gt;</q>" in page
    assert http.post("/trends/drift", data=asked).status_code == 409
