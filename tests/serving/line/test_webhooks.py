"""Webhooks: each result arrives, signed, whatever the receiver and the station go through."""

import base64
import hmac
import json
import logging
import signal
import socket
import threading
import time
from datetime import timedelta

import httpx2
import pytest
from other_end import Receiver, inspected, until
from sqlalchemy import select, update
from studies.station_kills import Served, token_of

from pages import ROOT, fenced
from urushi.backoff import Backoff
from urushi.errors import InputError
from urushi.serving.announcements import Announcement
from urushi.serving.client import Client
from urushi.serving.line.outbox import Outbox
from urushi.serving.line.settings import LineSettings, Webhook
from urushi.serving.line.webhooks import WebhookDestination, signature
from urushi.serving.messages.inspections import InspectionFound
from urushi.serving.tables import Change, Delivery

KEY = b"a secret of the line"
QUICK = Backoff(0.01, 0.05)


@pytest.fixture
def delivering(opened):
    """A station whose results go to a receiver; opened again, it goes on."""

    def delivering(*urls: str, backoff: Backoff = QUICK, **more: object):
        station = opened()
        webhooks = [Webhook(url=url, secret={"variable": "unused"}, **more) for url in urls]
        outbox = Outbox(station.database, station.announcements, station.metrics)
        outbox.open([WebhookDestination(str(i), one, KEY) for i, one in enumerate(webhooks)], backoff)
        station.listeners.append(outbox.close)
        return station

    return delivering


def waiting(station) -> list[Delivery]:
    with station.database.reading() as session:
        return list(session.scalars(select(Delivery).order_by(Delivery.id)))


def outcomes(station) -> dict[str, float]:
    found = station.metrics.deliveries.collect()[0].samples
    return {one.labels["outcome"]: one.value for one in found if one.name.endswith("_total")}


def ids(receiver: Receiver) -> list[int]:
    return [json.loads(body)["data"]["id"] for _, body in receiver.requests]


def test_a_result_is_posted_as_the_api_gives_it_and_signed_as_a_receiver_can_check(delivering, receiver, pngs):
    station = delivering(receiver.url)
    row = inspected(station, pngs[-1], part_id="A-17")
    until(lambda: receiver.requests and not waiting(station))
    headers, body = receiver.requests[0]
    told = json.loads(body)
    assert (told["type"], told["data"]["id"], told["data"]["part_id"]) == ("inspection", row.id, "A-17")
    assert InspectionFound.model_validate(told["data"]).decision == row.decision == "anomalous"
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    expected = base64.b64encode(hmac.new(KEY, signed, "sha256").digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert outcomes(station) == {"taken": 1}
    checking = {"headers": headers, "body": body.decode(), "key": KEY}
    exec(compile(fenced(ROOT / "docs/line.md", "python")[0], "line.md", "exec"), checking)
    assert checking["is_genuine"]


def test_a_signature_is_that_of_the_specification():
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", '{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_what_a_receiver_refuses_is_tried_again_under_the_same_id_while_others_go_on(delivering, receiver, pngs):
    station = delivering(receiver.url)
    receiver.statuses += [500, 302, 404]
    first = inspected(station, pngs[0])
    until(lambda: len(receiver.requests) == 4)
    assert ids(receiver) == [first.id] * 4
    assert len({headers["webhook-id"] for headers, _ in receiver.requests}) == 1
    second = inspected(station, pngs[1])
    until(lambda: len(receiver.requests) == 5 and not waiting(station))
    assert ids(receiver)[-1] == second.id
    assert outcomes(station) == {"failed": 3, "taken": 2}


@pytest.mark.thorough
def test_one_that_is_refused_again_and_again_does_not_hold_up_the_others(delivering, receiver, pngs):
    station = delivering(receiver.url, backoff=Backoff(60))
    receiver.statuses.append(500)
    first = inspected(station, pngs[0])
    until(lambda: receiver.requests)
    second = inspected(station, pngs[1])
    until(lambda: len(receiver.requests) == 2)
    assert ids(receiver) == [first.id, second.id]


def test_while_a_receiver_is_away_results_wait_and_all_arrive_once_it_is_back(delivering, pngs, caplog):
    gone = Receiver()
    gone.close()
    with caplog.at_level(logging.WARNING, "urushi.serving"):
        station = delivering(gone.url)
        rows = [inspected(station, png) for png in pngs[:3]]
        until(lambda: outcomes(station).get("failed", 0) >= 2)
        assert len(waiting(station)) == 3
        back = Receiver(gone.port)
        until(lambda: not waiting(station))
    back.close()
    assert sorted(ids(back)) == [row.id for row in rows]
    assert [record.getMessage() for record in caplog.records] == [
        "webhook 0: cannot be reached: ConnectError; tries again",
        "webhook 0: takes deliveries again",
    ]


def test_what_waited_when_a_station_ended_arrives_after_its_next_start(delivering, pngs):
    gone = Receiver()
    gone.close()
    station = delivering(gone.url, backoff=Backoff(60))
    row = inspected(station, pngs[0])
    until(lambda: outcomes(station))
    station.close()
    back = Receiver(gone.port)
    again = delivering(back.url)
    with again.database.writing() as session:
        session.execute(update(Delivery).values(due=Delivery.created))  # the pause is over
    inspected(again, pngs[1])
    until(lambda: not waiting(again))
    back.close()
    assert ids(back)[0] == row.id
    assert len(back.requests) == 2


@pytest.mark.thorough
def test_each_receiver_gets_each_result(delivering, receiver, pngs):
    other = Receiver()
    station = delivering(receiver.url, other.url)
    row = inspected(station, pngs[0])
    until(lambda: receiver.requests and other.requests)
    other.close()
    assert ids(receiver) == ids(other) == [row.id]


def test_what_is_too_old_is_given_up_counted_and_in_the_audit_trail(delivering, pngs):
    gone = Receiver()
    gone.close()
    station = delivering(gone.url, backoff=Backoff(60))
    for png in pngs[:2]:
        inspected(station, png)
    until(lambda: outcomes(station))
    station.close()
    station = delivering(gone.url, give_up_after_hours=timedelta(microseconds=1) / timedelta(hours=1))
    until(lambda: not waiting(station))
    assert outcomes(station) == {"given up": 2}
    with station.database.reading() as session:
        last = session.scalars(select(Change).order_by(Change.id.desc())).first()
    assert (last.action, last.subject, last.after["n_deliveries"]) == ("given up", "webhook 0", 2)


@pytest.mark.thorough
def test_what_waits_for_a_receiver_that_is_not_named_any_more_is_given_up(delivering, pngs):
    gone = Receiver()
    gone.close()
    station = delivering(gone.url, backoff=Backoff(60))
    inspected(station, pngs[0])
    until(lambda: outcomes(station))
    station.close()
    station = delivering()
    assert waiting(station) == []
    assert outcomes(station) == {"given up": 1}


def test_alarms_go_the_same_way(delivering, receiver):
    station = delivering(receiver.url)
    with station.database.writing() as session:
        station.announcements.announce(session, Announcement("alarm", {"reason": "brightness", "share": float("nan")}))
    until(lambda: receiver.requests)
    told = json.loads(receiver.requests[0][1])
    assert (told["type"], told["data"]) == ("alarm", {"reason": "brightness", "share": None})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[webhooks.a]\nurl = "ftp://x/"\nsecret = { variable = "S" }', r"webhooks\.a\.url = 'ftp://x/': URL scheme"),
        ('[webhooks.a]\nurl = "file:///etc/passwd"\nsecret = { variable = "S" }', "URL scheme"),
        ('[webhooks.a]\nurl = "http://x/"', r"webhooks\.a\.secret is missing"),
        ('[webhooks.a]\nurl = "http://x/"\nsecret = "in the open"', r"webhooks\.a\.secret"),
        ('[webhooks.a]\nurl = "http://x/"\nsecret = { }', "give { file"),
        ('[webhooks."a/b"]\nurl = "http://x/"\nsecret = { variable = "S" }', "pattern"),
        ("colour = 1", "colour is unknown"),
        ("name = ", "not valid TOML"),
    ],
)
def test_wrong_settings_are_named(tmp_path, text, reason):
    (path := tmp_path / "line.toml").write_text(text)
    with pytest.raises(InputError, match=reason):
        LineSettings.read(path)


def test_a_secret_comes_from_a_file_beside_the_settings_or_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("HOOK", "whsec_" + base64.b64encode(KEY).decode())
    (tmp_path / "key").write_text(f"{KEY.decode()}\n")
    (tmp_path / "short").write_text("short")
    for secret in ({"variable": "HOOK"}, {"file": "key"}):
        assert Webhook(url="http://x", secret=secret).key(tmp_path) == KEY
    for secret, reason in (
        ({"file": "short"}, "at least 16"),
        ({"file": "none"}, "cannot be read"),
        ({"variable": "NONE"}, "no secret"),
    ):
        with pytest.raises(InputError, match=reason):
            Webhook(url="http://x", secret=secret).key(tmp_path)


@pytest.mark.thorough
def test_after_a_kill_every_acknowledged_result_arrives(tmp_path, exported_autoencoder, pngs):
    gone = Receiver()
    gone.close()
    (tmp_path / "key").write_bytes(KEY)
    settings = tmp_path / "line.toml"
    settings.write_text(f'[webhooks.mes]\nurl = "{gone.url}"\nsecret = {{ file = "key" }}\n')
    folder, options = tmp_path / "station", ("--line", str(settings))
    token = token_of(folder, "line")
    killed = Served(folder, exported_autoencoder, *options)
    with httpx2.Client(base_url=killed.url) as http:
        acknowledged = [Client("", token, http=http).inspect_bytes("exported", png).id for png in pngs[:4]]
    killed.end(signal.SIGKILL)
    back = Receiver(gone.port)
    again = Served(folder, exported_autoencoder, *options)
    until(lambda: len(back.requests) >= 4, 30)
    assert again.end(signal.SIGTERM) == 0
    back.close()
    assert sorted(set(ids(back))) == acknowledged


@pytest.mark.thorough
def test_a_receiver_that_answers_without_end_does_not_keep_a_station_from_ending(delivering, pngs, monkeypatch):
    monkeypatch.setattr("urushi.serving.line.outbox._PATIENCE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        station = delivering(f"http://127.0.0.1:{listening.getsockname()[1]}/", timeout_seconds=60)
        inspected(station, pngs[0])
        connection, _ = listening.accept()
        start = time.monotonic()
        station.close()
        assert time.monotonic() - start < 5
        connection.close()
        until(lambda: not any(thread.name == "urushi-to-webhook 0" for thread in threading.enumerate()))
