"""Two versions on the same part of the history: nothing is recorded there, and every figure is that of both."""

import json
import re
import sys
from dataclasses import replace
from html import unescape

import pytest
from test_inspections import refused
from test_station_pages import browser  # noqa: F401  a fixture

from urushi.evaluation.intervals import wilson
from urushi.serving.comparing import compared
from urushi.serving.history import Query
from urushi.serving.jobs import Asked

ASKED = {"version": 1, "against": {"detector": "exported", "number": 2}}


@pytest.fixture
def two(connected, pngs):
    """A second version, whose threshold lies above what the first calls anomalous; four images, all but one judged."""
    client = connected()
    found = client.inspect("exported", [*pngs[:3], pngs[-1]], part_id="A-1")
    detectors = client.station.detectors
    detector = detectors.get("exported").detector
    high = replace(detector.threshold, value=found[3].score + 1)
    lax = replace(detector, ways=detector.ways.with_threshold(detector.backend, high))
    detectors.add("exported", lax, "test", "lax", goes_live=False)
    client.judge(found[0].id, "ok")
    client.judge(found[1].id, "ok")
    client.judge(found[3].id, "ng")
    client.found = found
    return client


@pytest.fixture
def done(two, tmp_path):
    """The number of a job that has compared them, by this process."""

    def done(limit: int = 10, **conditions: object) -> int:
        station, scratch = two.station, tmp_path / "scratch"
        scratch.mkdir()
        station.jobs.close()  # nobody else does it
        against = ("exported", 2)
        job = station.jobs.begin(
            Asked(kind="compare", detector="exported", version=1, against=against, reason="test"), "test"
        )
        versions = [station.detectors.row("exported", number) for number in (1, 2)]
        plan = station.comparisons.plan(versions, Query(detector="exported", **conditions), limit, scratch)
        (scratch / "out.json").write_text(json.dumps(compared(json.loads(json.dumps(plan)))))
        station.comparisons.keep(job.id, plan, scratch / "out.json")
        return job.id

    return done


def test_both_inspect_the_same_images_and_the_history_stays_as_it_is(two, done):
    before = [one.model_dump() for one in two.inspections()]
    found = two.comparison(done())
    assert [one.model_dump() for one in two.inspections()] == before
    scores = {one.id: one.score for one in two.found}
    assert {pair.id: pair.first.score for pair in found.pairs} == pytest.approx(scores)
    assert {pair.id: pair.second.score for pair in found.pairs} == pytest.approx(scores)
    assert [side.threshold for side in found.sides] == [two.found[3].threshold, two.found[3].score + 1]
    assert found.n_flips == {"anomalous -> normal": 1}
    first, second = found.sides
    assert (first.false_alarms.n, first.false_alarms.of, first.escapes.n, first.escapes.of) == (0, 2, 0, 1)
    assert (second.escapes.n, second.escapes.of, second.escapes.low, second.escapes.high) == (1, 1, *wilson(1, 1))
    assert first.n_learnt == second.n_learnt == 3  # the three textures are ones that both were fitted on
    assert all(side.milliseconds > 0 for side in found.sides)


def test_figures_are_by_the_verdicts_of_now(two, done):
    number = done()
    two.judge(two.found[3].id, "ok")
    first, second = two.comparison(number).sides
    assert (first.false_alarms.n, second.false_alarms.n, second.escapes.of) == (1, 0, 0)


def test_what_cannot_be_compared_is_counted_and_said(two, done, pngs, browser):  # noqa: F811
    refused(two.inspect, "exported", [pngs[0][:100]])
    station = two.station
    station.objects.path(station.history.get(two.found[0].id).original).unlink()  # as no disk should do
    number = done(limit=10)
    found = two.comparison(number)
    assert (len(found.pairs), found.n_unreadable, found.n_gone, found.n_asked) == (3, 1, 1, 10)
    text = browser(two, role="review").get(f"/detectors/comparisons/{number}").text
    for said in (
        "3 images were inspected by both",
        "no more of the 10",
        "1 image could not be read",
        "The file of 1 im",
    ):
        assert said in text


def test_a_part_of_the_history_is_chosen(two, done):
    assert {pair.id for pair in two.comparison(done(is_reviewed=True)).pairs} == {two.found[at].id for at in (0, 1, 3)}


def test_the_page_shows_figures_flips_and_their_pictures(two, done, browser):  # noqa: F811
    number, http = done(), browser(two, role="review")
    text = unescape(http.get(f"/detectors/comparisons/{number}").text)
    assert "1 of 4 images is decided differently. anomalous → normal: 1." in text
    assert "wrong: exported, version 2" in text
    assert "3 of these images were learnt by exported, version 1" in text
    assert len(re.findall(r'class="mark-(ng|ok|none)" (?:cx|x)="[\d.]+%', text)) == 4
    for path in re.findall(r'src="(/detectors/comparisons/[^"]+)"', text):
        assert http.get(path).content[8:12] == b"WEBP"
    assert http.get(f"/detectors/comparisons/{number}/0/99.webp").status_code == 404
    assert http.get("/detectors/comparisons/99").status_code == 404
    assert browser(two, role="inspect").get(f"/detectors/comparisons/{number}").status_code == 403


def test_a_comparison_that_makes_no_sense_is_refused(two, browser):  # noqa: F811
    wrong = [
        {},
        {"version": 1},
        {"version": 1, "against": {"detector": "exported", "number": 1}},
        ASKED | {"limit": 1001},
        ASKED | {"teaching": "0" * 32},
    ]
    assert [refused(two.begin, "compare", "exported", "x", **asked).status for asked in wrong] == [422] * 5
    assert refused(two.begin, "export", "exported", "x", **ASKED).status == 422
    assert refused(two.begin, "compare", "exported", "x", **ASKED | {"version": 3}).status == 404
    http, form = browser(two), {"first": "exported:1", "second": "exported:2", "limit": "50"}
    for bad in ({"first": "exported"}, {"first": "../x:1"}, {"second": "exported:0"}, {"limit": "9999"}):
        assert http.post("/detectors/comparisons", data=form | bad).status_code == 422
    assert http.post("/detectors/comparisons", data=form | {"second": "exported:7"}).status_code == 404
    assert browser(two, role="review").post("/detectors/comparisons", data=form).status_code == 403
    assert two.station.jobs.all(5) == []


@pytest.mark.thorough
def test_a_job_compares_in_a_process_of_its_own_and_can_be_ended(two, browser, monkeypatch):  # noqa: F811
    http = browser(two)
    asked = {"first": "exported:1", "second": "exported:2", "limit": "50", "is_reviewed": "true"}
    answer = http.post("/detectors/comparisons", data=asked)
    assert answer.headers["Location"] == "/detectors?detector=exported#jobs"
    (job,) = two.station.jobs.all(5)
    last = list(two.followed(job.id))[-1]
    assert (last.state, last.version, last.message) == ("done", None, "3 images compared")
    assert len(two.comparison(job.id).pairs) == 3
    assert f'href="/detectors/comparisons/{job.id}"' in http.get("/detectors").text

    monkeypatch.setattr("urushi.serving.jobs._COMPARING", (sys.executable, "-c", "import time; time.sleep(60)"))
    waiting = two.begin("compare", "exported", "x", **ASKED)
    text = http.get("/detectors").text
    assert f'action="/jobs/{waiting.id}/cancellation"' in text
    assert http.post(f"/jobs/{waiting.id}/cancellation", data={"next": "//evil.example"}).headers["Location"] == "/"
    assert list(two.followed(waiting.id))[-1].state == "cancelled"
    assert refused(two.comparison, waiting.id).status == 404
