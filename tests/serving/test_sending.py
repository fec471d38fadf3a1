"""A request that comes again counts once."""

import threading
from dataclasses import replace

import httpx2
import pytest
from test_inspections import refused
from test_queue import Slow

from urushi.serving.client import Client
from urushi.serving.history import Query


def sent(client, images, key="k-1", detector="exported", **fields):
    files = [("image", image) for image in images]
    headers = {**client._headers, "Idempotency-Key": key}
    return client.http.post(f"/v1/detectors/{detector}/inspections", files=files, data=fields, headers=headers)


def numbers(client) -> list[int]:
    return [row.id for row in client.station.history.all(Query())][::-1]


def test_the_same_key_and_content_give_the_same_answer_and_no_second_row(connected, opened, pngs):
    client = connected()
    first = sent(client, pngs[:2], part_id="A")
    assert sent(client, pngs[:2], part_id="A").json() == first.json()
    client.station.close()
    again = connected(opened(), token=client.token)
    assert sent(again, pngs[:2], part_id="A").json() == first.json()
    assert numbers(again) == sorted(one["id"] for one in first.json())
    assert list(again.station.objects.incoming.iterdir()) == []


def test_other_content_under_the_same_key_is_refused(connected, pngs):
    client = connected()
    assert sent(client, pngs[:1]).status_code == 201
    for images, fields in ((pngs[1:2], {}), (pngs[:2], {}), (pngs[:1], {"part_id": "B"})):
        answer = sent(client, images, **fields)
        assert (answer.status_code, "Idempotency-Key" in answer.json()["detail"]) == (422, True)
    assert len(numbers(client)) == 1
    assert sent(client, pngs[1:2], key="k-2").status_code == 201
    other = connected(client.station, role="inspect")
    assert sent(other, pngs[1:2]).status_code == 201  # each token has its own keys


@pytest.mark.parametrize("key", ["", "x" * 101, "a b", "ä"])
def test_a_key_that_is_none_is_refused(connected, pngs, key):
    client = connected()
    assert sent(client, pngs[:1], key=key.encode("latin-1")).status_code == 422
    assert numbers(client) == []


def test_what_a_request_had_not_recorded_yet_is_inspected_when_it_comes_again(connected, pngs):
    client = connected()
    first = sent(client, pngs[:3]).json()
    with client.station.database.writing() as session:
        session.delete(session.get_one(type(client.station.history.get(first[1]["id"])), first[1]["id"]))
    second = sent(client, pngs[:3]).json()
    assert [one["id"] for one in second] == [first[0]["id"], 4, first[2]["id"]]
    assert [one["source"] for one in second] == [one["source"] for one in first]


def test_images_that_cannot_be_read_get_the_same_answer_too(connected):
    client = connected()
    first, second = (sent(client, [b"no image"]) for _ in range(2))
    assert first.status_code == second.status_code == 422
    assert first.json() == second.json()
    assert len(numbers(client)) == 1


def test_two_requests_with_one_key_at_once_record_each_image_once(connected, pngs):
    client = connected()
    loaded = client.station.detectors.get("exported")
    stopped = replace(loaded, detector=Slow(loaded.detector))
    client.station.detectors._loaded[loaded.row.id] = stopped
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(sent(client, pngs[:1]).json())) for _ in range(2)]
    for thread in threads:
        thread.start()
    stopped.detector.go.set()
    for thread in threads:
        thread.join()
    assert answers[0] == answers[1]
    assert len(numbers(client)) == 1
    assert client.station.sendings._turns == {}


class Broken(httpx2.BaseTransport):
    """Loses so many answers of a station."""

    def __init__(self, http, n_lost: int) -> None:
        self.http, self.n_left = http, n_lost

    def handle_request(self, request):
        answer = self.http.request(
            request.method, request.url.path, content=request.read(), headers=dict(request.headers)
        )
        self.n_left -= 1
        if self.n_left >= 0:
            raise httpx2.ReadTimeout("no answer")
        return httpx2.Response(answer.status_code, headers=dict(answer.headers), content=answer.content)


def test_a_client_that_got_no_answer_sends_again_without_a_second_part(connected, pngs, monkeypatch):
    monkeypatch.setattr("urushi.serving.client._PAUSE_SECONDS", 0)
    client = connected()
    for n_lost, tries in ((2, 2), (1, 0)):
        http = httpx2.Client(transport=Broken(client.http, n_lost), base_url="http://station")
        weak = Client("", client.token, http=http, retries=tries)
        if n_lost > tries:
            with pytest.raises(httpx2.ReadTimeout):
                weak.inspect("exported", pngs[:2])
        else:
            assert sorted(one.id for one in weak.inspect("exported", pngs[:2])) == [1, 2]
    assert numbers(client) == [1, 2, 3, 4]
    assert refused(client.inspection, 5).status == 404
