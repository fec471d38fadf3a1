"""News of a station: to all who have subscribed, once it is in the database."""

import threading

import pytest
from sqlalchemy import func, select

from urushi.serving.announcements import Announcement
from urushi.serving.tables import Inspected


def announced(station, *announcements: Announcement, then=lambda: None) -> None:
    with station.database.writing() as session:
        for one in announcements:
            station.announcements.announce(session, one)
        then()


def test_each_subscriber_hears_of_each_result_in_the_order_of_the_history(connected, pngs):
    client = connected()
    with client.station.announcements.subscribe() as first, client.station.announcements.subscribe() as second:
        found = client.inspect("exported", [*pngs[:3], b"no image"], part_id="A-17", tag=["night"])
        for subscription in (first, second):
            heard = [subscription.next(0) for _ in found]
            assert [one.kind for one in heard] == ["inspection"] * 4
            contents = {one.content["id"]: one.content for one in heard}
            assert list(contents) == sorted(contents)
            assert all(contents[one.id]["decision"] == one.decision for one in found)
            assert all(contents[one.id]["time"] == one.time for one in found)
            assert contents[found[0].id]["tags"] == ["night"]
            assert subscription.next(0) is None


def test_what_is_heard_of_is_in_the_database_already(connected, pngs):
    client = connected()
    seen: list[bool] = []

    def listen(subscription) -> None:
        heard = subscription.next(10)
        with client.station.database.reading() as session:
            seen.append(session.get(Inspected, heard.content["id"]) is not None)

    with client.station.announcements.subscribe() as subscription:
        thread = threading.Thread(target=listen, args=(subscription,))
        thread.start()
        client.inspect("exported", pngs[:1])
        thread.join()
    assert seen == [True]


def test_what_is_not_committed_is_not_told(opened):
    station = opened()
    with station.announcements.subscribe() as subscription:
        with pytest.raises(ZeroDivisionError):
            announced(station, Announcement("alarm", {}), then=lambda: 1 / 0)
        assert subscription.next(0) is None


def test_a_result_is_not_recorded_where_what_goes_with_it_cannot_be_written(connected, pngs):
    client = connected()

    def fail(_session, _announcement) -> None:
        raise OSError("no")

    client.station.announcements.also_write(fail)
    response = client.http.post("/v1/detectors/exported/inspections", content=pngs[0], headers=client._headers)
    assert response.status_code == 500
    with client.station.database.reading() as session:
        assert session.scalar(select(func.count(Inspected.id))) == 0


def test_who_is_slow_loses_the_oldest_and_can_count_them(opened):
    station = opened()
    with station.announcements.subscribe(most_waiting=2) as slow, station.announcements.subscribe() as quick:
        announced(station, *(Announcement("alarm", {"number": number}) for number in range(5)))
        assert (slow.n_missed, quick.n_missed) == (3, 0)
        assert [slow.next(0).content["number"] for _ in range(2)] == [3, 4]
        assert [quick.next(0).content["number"] for _ in range(5)] == [0, 1, 2, 3, 4]


def test_who_has_left_is_told_nothing_and_a_station_that_ends_lets_all_go(opened):
    station = opened()
    left, stays = station.announcements.subscribe(), station.announcements.subscribe()
    left.close()
    announced(station, Announcement("alarm", {}))
    assert left.next(0) is None
    waiting = threading.Timer(0.05, station.close)
    waiting.start()
    assert stays.next(10).kind == "alarm"
    assert stays.next(10) is None
    assert stays.is_closed
    assert station.announcements.subscribe().next(10) is None
    waiting.join()
