"""MQTT 5 with a real broker: results, heartbeat, triggers, and messages that are none."""

import logging
from uuid import uuid4

import cv2
import pytest
from other_end import inspected, until
from sqlalchemy import func, select

from urushi.serving.announcements import Announcement
from urushi.serving.history import Query
from urushi.serving.line.line import Line
from urushi.serving.line.settings import LineSettings
from urushi.serving.messages.inspections import InspectionFound
from urushi.serving.tables import Delivery

pytestmark = pytest.mark.thorough


@pytest.fixture
def name():
    """Of the station, so that no test hears of another's."""
    return f"line-{uuid4().hex[:8]}"


@pytest.fixture
def film(tmp_path, textures):
    writer = cv2.VideoWriter(str(tmp_path / "film.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (32, 32))
    for texture in textures:
        writer.write(texture if texture.ndim == 3 else cv2.cvtColor(texture, cv2.COLOR_GRAY2BGR))
    writer.release()


@pytest.fixture
def on_line(opened, broker, name, tmp_path, film):
    """A station at the broker with a camera called top."""

    def on_line(**mqtt: object):
        station = opened()
        settings = {
            "name": name,
            "mqtt": {"port": broker.port, **mqtt},
            "cameras": {"top": {"source": "film.avi", "detector": "exported"}},
        }
        Line(LineSettings.model_validate(settings), tmp_path).begin(station)
        return station

    return on_line


def rows(station) -> list:
    return sorted(station.history.all(Query()), key=lambda row: row.id)


def states(peer, name) -> list[str]:
    return [one["state"] for one in peer.on(f"urushi/{name}/state")]


def test_each_result_is_published_as_the_api_gives_it(on_line, peer, name, pngs):
    station = on_line()
    found = [inspected(station, png, part_id="A-17") for png in (pngs[0], pngs[-1])]
    until(lambda: len(peer.on(f"urushi/{name}/exported/results")) == 2)
    told = peer.on(f"urushi/{name}/exported/results")
    assert [one["type"] for one in told] == ["inspection"] * 2
    assert [InspectionFound.model_validate(one["data"]).id for one in told] == [row.id for row in found]
    assert [one["data"]["decision"] for one in told] == ["normal", "anomalous"]
    keys = [properties["id"] for topic, _, properties, _ in peer.heard if topic.endswith("/results")]
    assert len(set(keys)) == 2
    with station.database.writing() as session:
        station.announcements.announce(session, Announcement("alarm", {"reason": "brightness has moved"}))
    until(lambda: peer.on(f"urushi/{name}/alarms"))
    assert peer.on(f"urushi/{name}/alarms")[0]["data"] == {"reason": "brightness has moved"}


def test_the_heartbeat_is_kept_by_the_broker_and_says_offline_when_the_station_ends(on_line, peer, name):
    station = on_line(heartbeat_seconds=0.05)
    until(lambda: len(states(peer, name)) >= 3)
    assert set(states(peer, name)) == {"online"}
    station.close()
    until(lambda: states(peer, name)[-1] == "offline")


def test_the_broker_says_offline_for_a_station_that_was_lost(on_line, peer, name):
    station = on_line()
    until(lambda: states(peer, name))
    connection = station.sources[0].__self__
    connection._client._sock_close()  # as when it is killed
    until(lambda: "offline" in states(peer, name))
    until(lambda: states(peer, name)[-1] == "online")


def test_a_trigger_takes_one_picture_however_often_it_comes(on_line, peer, name):
    station = on_line()
    until(lambda: states(peer, name))
    for cycle in ("1", "2", "2", "1", "3"):
        peer.publish(f"urushi/{name}/top/trigger", {"id": cycle, "part_id": f"A-{cycle}"})
    until(lambda: len(peer.on(f"urushi/{name}/exported/results")) == 3)
    station.close()
    assert [(row.part_id, row.source) for row in rows(station)] == [
        ("A-1", "top-1.png"),
        ("A-2", "top-2.png"),
        ("A-3", "top-3.png"),
    ]


def test_triggers_that_come_while_the_station_is_away_wait_at_the_broker(on_line, peer, name):
    station = on_line()
    until(lambda: states(peer, name))
    peer.publish(f"urushi/{name}/top/trigger", {"id": "1"})
    until(lambda: len(rows(station)) == 1)
    station.close()
    peer.publish(f"urushi/{name}/top/trigger", {"id": "1"})
    peer.publish(f"urushi/{name}/top/trigger", {"id": "2"})
    again = on_line()
    until(lambda: len(rows(again)) == 2)
    again.close()
    assert len(rows(again)) == 2
    counted = again.metrics.triggers.labels("top", "taken")._value.get()
    assert counted == 2  # what was done before is not sent again


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "Invalid JSON"),
        (b"\xff\xfe", "Invalid JSON"),
        (b"[" * 3000, "Invalid JSON"),
        (b'"text"', "should be an object"),
        (b"{}", "id: Field required"),
        (b'{"id": null}', "id: Input should be a valid string"),
        (b'{"id": "1", "detector": "other"}', "detector: Extra inputs"),
        (b'{"id": "\\u202e1"}', "cannot be shown"),
        (b'{"id": "' + b"1" * 200 + b'"}', "at most 100 characters"),
        (b'{"id": "1", "tags": ["' + b"x" * 5000 + b'"]}', "at most 4096"),
    ],
)
def test_a_message_that_is_no_trigger_takes_no_picture_and_harms_nothing(on_line, peer, name, payload, reason):
    station = on_line()
    until(lambda: states(peer, name))
    peer.publish(f"urushi/{name}/top/trigger", payload)
    peer.publish(f"urushi/{name}/top/trigger", {"id": "good"})
    until(lambda: len(peer.on(f"urushi/{name}/exported/results")) == 1)
    (problem,) = peer.on(f"urushi/{name}/top/problems")
    assert problem["id"] is None
    assert reason in problem["reason"]
    assert [row.source for row in rows(station)] == ["top-1.png"]


def test_a_message_that_is_far_too_large_or_old_is_none(on_line, peer, name):
    peer.publish(f"urushi/{name}/top/trigger", {"id": "old"}, retain=True)
    station = on_line()
    until(lambda: states(peer, name))
    peer.publish(f"urushi/{name}/top/trigger", b" " * (1 << 20))
    peer.publish(f"urushi/{name}/top/trigger", {"id": "good"})
    until(lambda: len(peer.on(f"urushi/{name}/exported/results")) == 1)
    assert len(rows(station)) == 1
    peer.publish(f"urushi/{name}/top/trigger", b"", retain=True)


def test_a_trigger_without_a_picture_is_said_to_have_none(on_line, peer, name, textures):
    on_line()
    until(lambda: states(peer, name))
    for cycle in range(len(textures) + 1):
        peer.publish(f"urushi/{name}/top/trigger", {"id": str(cycle)})
    until(lambda: peer.on(f"urushi/{name}/top/problems"))
    (problem,) = peer.on(f"urushi/{name}/top/problems")
    assert problem["id"] == str(len(textures))
    assert problem["reason"].endswith("film.avi has ended")


def test_results_wait_while_the_broker_is_away(on_line, broker, peer, name, pngs, caplog):
    with caplog.at_level(logging.WARNING, "urushi.serving"):
        station = on_line()
        until(lambda: states(peer, name))
        broker.end()
        until(lambda: "mqtt: the broker at" in caplog.text)
        found = inspected(station, pngs[0])
        broker.begin()
        until(lambda: peer.on(f"urushi/{name}/exported/results"), 20)
    assert {one["data"]["id"] for one in peer.on(f"urushi/{name}/exported/results")} == {found.id}
    assert "mqtt: the broker is there again" in caplog.text
    until(lambda: n_waiting(station) == 0)


def n_waiting(station) -> int:
    with station.database.reading() as session:
        return session.scalar(select(func.count(Delivery.id)))
