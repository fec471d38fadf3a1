"""What the station counts for people: a shift, trends, and what other thresholds would do; beside counts by hand."""

import asyncio
import json
from datetime import timedelta

import numpy as np
import pytest

from urushi.evaluation.intervals import wilson
from urushi.serving.counts import counted_now
from urushi.serving.database import now
from urushi.serving.history import Query
from urushi.serving.routes.events import news
from urushi.serving.routes.streaming import told
from urushi.serving.tables import Inspected
from urushi.serving.trends import trends


@pytest.fixture
def inspected(connected, pngs):
    """Six images of two shifts, of which five are judged."""
    client = connected()
    early = client.inspect("exported", [pngs[0], pngs[1], pngs[-1]], shift="early", station="left")
    late = client.inspect("exported", [pngs[2], pngs[3], pngs[-1]], shift="late")
    for one, said in zip((*early, *late[:2]), ("ok", "ok", "ok", "ng", "unsure"), strict=True):
        client.judge(one.id, said, **({"defect_type": "crack"} if said == "ng" else {}))
    client.found = [*early, *late]
    return client


def test_a_shift_counts_its_own_parts_and_defects(inspected):
    counts = counted_now(inspected.station.database, "exported")
    assert (counts.shift, counts.decisions) == ("late", {"normal": 2, "anomalous": 1})
    assert (counts.defect_types, counts.n_to_review) == ([("crack", 1)], 1)
    assert counts.yield_share == pytest.approx(2 / 3)
    assert counts.since == min(one.time for one in inspected.found[3:])
    found = inspected.http.get("/v1/detectors/exported/shift", headers=inspected._headers).json()
    assert (found["shift"], found["defect_types"]) == ("late", [["crack", 1]])
    with inspected.station.database.writing() as session:
        for row in session.query(Inspected):
            row.time = now() - timedelta(hours=13)
    assert counted_now(inspected.station.database, "exported").decisions == {}


def test_trends_are_those_by_hand(inspected):
    early, late = trends(inspected.station.database, Query(detector="exported"), "shift")
    assert (early.name, late.name) == ("early", "late")
    scores = [one.score for one in inspected.found[:3]]
    assert list(early.scores) == pytest.approx(np.quantile(scores, (0.05, 0.5, 0.95)))
    assert early.yielded == (2, 3, *wilson(2, 3))
    assert early.false_alarms == (1, 3, *wilson(1, 3))
    assert late.false_alarms[:2] == (0, 0)
    assert [one.name for one in trends(inspected.station.database, Query(), "station")] == [None, "left"]
    (hour,) = inspected.http.get("/v1/detectors/exported/trends", headers=inspected._headers).json()
    assert (
        hour["name"] == min(one.time for one in inspected.found).replace(minute=0, second=0, microsecond=0).isoformat()
    )
    assert hour["decisions"] == {"normal": 4, "anomalous": 2}


def test_what_another_threshold_would_do_is_counted_at_each_place(inspected):
    asked = {"prevalence": 0.1, "escape_cost": 9, "false_alarm_cost": 1}
    found = inspected.http.get("/v1/detectors/exported/what-if", params=asked, headers=inspected._headers).json()
    thresholds, present = found["thresholds"], inspected.detector("exported").threshold["value"]
    assert present in thresholds
    assert thresholds == sorted(thresholds)
    held_out = np.array(inspected.station.detectors.get("exported").detector.held_out.scores)
    scores = [one.score for one in inspected.found]
    for at, limit in enumerate(thresholds):
        assert found["anomalous"]["n"][at] == sum(score > limit for score in scores)
        assert found["false_alarms"]["n"][at] == sum(score > limit for score in scores[:3])
        assert found["held_out"]["n"][at] == (held_out > limit).sum()
        escaped = int(scores[3] <= limit)
        assert (found["escapes"]["n"][at], found["escapes"]["of"]) == (escaped, 1)
        cost = 1000 * (0.1 * 9 * escaped + 0.9 * 1 * (held_out > limit).mean())
        assert found["costs"][at] == pytest.approx(cost)
    assert [found["false_alarms"][end][0] for end in ("low", "high")] == list(wilson(found["false_alarms"]["n"][0], 3))
    without = inspected.http.get("/v1/detectors/exported/what-if", headers=inspected._headers).json()
    assert without["costs"] is None


def test_what_is_inspected_is_told_to_who_follows(connected, pngs):
    client = connected()

    async def followed() -> list[str]:
        events = told(news(client.station, "exported"), client.station)
        said = [await anext(events)]
        await asyncio.to_thread(client.inspect_bytes, "exported", pngs[-1], part_id="A-17")
        said.append(await anext(events))
        await events.aclose()
        return said

    first, second = asyncio.run(followed())
    assert first.startswith(": here")
    kind, data = second.strip().split("\n")
    assert kind == "event: inspection"
    heard = json.loads(data.removeprefix("data: "))
    assert (heard["part_id"], heard["decision"]) == ("A-17", "anomalous")
    assert client.station.announcements._subscriptions == ()


def test_who_follows_is_let_go_when_the_station_ends(connected):
    station = connected().station

    async def followed() -> list[str]:
        events = told(news(station, None), station)
        said = [await anext(events)]
        station.jobs.is_closing.set()
        return said + [one async for one in events]

    assert asyncio.run(followed()) == [": here\n\n"]
