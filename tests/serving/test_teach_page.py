"""The page Teach: from images that are brought to a first look at what has learnt them."""

import json
import re
import sys
from html import unescape
from pathlib import Path

import pytest
from test_station_pages import browser  # noqa: F401
from test_teaching import HTML, zipped

from urushi.recipes.files import recipe_names
from urushi.serving import jobs
from urushi.serving.jobs import Asked
from urushi.serving.page import words
from urushi.serving.teaching.area import Area
from urushi.serving.teaching.recipes import RECIPES


@pytest.fixture
def http(connected, browser):  # noqa: F811
    """A browser of an admin; the client is kept as `http.client_of`."""
    client = connected()
    http = browser(client)
    http.client_of = client
    return http


@pytest.fixture
def copying(monkeypatch, exported_autoencoder):
    """Commands that learn nothing, and give a detector."""
    program = f"import shutil, sys; sys.argv[1] == 'fit' and shutil.copy({str(exported_autoencoder)!r}, sys.argv[4])"
    monkeypatch.setattr(jobs, "_PROGRAM", (sys.executable, "-c", program))


def test_from_a_zip_to_a_first_look_and_into_operation(http, pngs, copying):
    members = [(f"{n}.png", pngs[n]) for n in range(4)] + [(HTML, pngs[-1]), (f"cut{HTML}", pngs[4][:40])]
    answer = http.post("/teach/images", files=[("image", ("good.zip", zipped(*members)))])
    assert answer.status_code == 303
    number = re.search(r"teaching=([0-9a-f]{32})#found", answer.headers["Location"])[1]
    page = http.get(answer.headers["Location"]).text
    assert "5 images to learn from" in page
    assert "fewer than 20 rarely suffice" in page
    assert "1 file is left out" in page
    assert "<img src=x" not in page
    assert f"cut{HTML}" in unescape(page)
    asked = {"teaching": number, "detector": "new", "recipe": "tiny_pc", "false_alarm_rate": "", "reason": "first"}
    assert http.post("/teach/fit", data=asked | {"recipe": "other"}).status_code == 422
    assert http.post("/teach/fit", data=asked).headers["Location"] == "/teach#jobs"
    client = http.client_of
    job = list(client.followed(1))[-1]
    assert (job.state, job.asked["recipe"], job.asked["goes_live"]) == ("done", "pixel-pca", False)
    assert 'href="/teach/jobs/1"' in http.get("/teach").text
    look = http.get("/teach/jobs/1").text
    threshold = client.detector("exported").threshold
    assert f"{threshold['value']:.6g}" in look
    assert "No version of this detector decides yet" in look
    pictures = re.findall(r'src="(/teach/jobs/1/[^"]+)"', look)
    assert len(pictures) == 5
    assert http.get(pictures[0]).content[8:12] == b"WEBP"
    assert http.get("/teach/jobs/1/" + "0" * 32 + ".png").status_code == 404
    assert http.get("/teach/jobs/9").status_code == 404
    live = http.post("/detectors/current", data={"detector": "new", "number": "1", "reason": "looks well"})
    assert live.headers["Location"] == "/detectors?detector=new#v1"
    assert "detector=new" in http.get("/teach/jobs/1").text or "decides" in http.get("/teach/jobs/1").text
    assert client.detector("new").version == 1
    assert http.post("/teach/removal", data={"teaching": number}).status_code == 303
    assert "/teach/jobs/1/" not in http.get("/teach/jobs/1").text
    assert http.get(f"/teach?teaching={number}").status_code == 404


def names(client, number):
    return sorted(client.station.teaching.get(number).images.values())


def test_good_images_of_the_history_are_a_set_like_those_that_are_brought(http, pngs, copying):
    client = http.client_of
    client.inspect("exported", pngs[:3], part_id="A-1", tag="night")
    client.inspect("exported", pngs[3:5], part_id="<i>")
    client.judge(4, "ok")
    client.judge(1, "ng")
    asked = {"source": "exported", "tag": "", "hours": "24", "only_judged": ""}
    place = http.post("/teach/history", data=asked).headers["Location"]
    assert "4 images to learn from" in http.get(place).text
    assert names(client, place[16:48]) == ["2 A-1.png", "3 A-1.png", "4 <i>.png", "5 <i>.png"]
    judged = http.post("/teach/history", data=asked | {"only_judged": "true"}).headers["Location"]
    assert names(client, judged[16:48]) == ["4 <i>.png"]
    assert http.post("/teach/history", data=asked | {"tag": "none"}).status_code == 422
    assert http.post("/teach/history", data=asked | {"source": "other"}).status_code == 404
    fit = {"teaching": place[16:48], "detector": "exported", "reason": "new lamp"}
    assert http.post("/teach/fit", data=fit).status_code == 303
    job = list(client.followed(1))[-1]
    assert (job.state, job.version, job.asked["recipe"]) == ("done", 2, "default"), job.message
    assert client.detector("exported").version == 1
    assert "Version 1 decides now" in http.get("/teach/jobs/1").text
    assert list(client.station.objects.incoming.iterdir()) == []


def test_more_good_images_of_the_history_than_a_set_takes_are_refused(connected, browser, pngs):  # noqa: F811
    client = connected(teaching_images=2)
    client.inspect("exported", pngs[:3])
    answer = browser(client).post("/teach/history", data={"source": "exported"})
    assert (answer.status_code, "more than 2 such images" in answer.text) == (413, True)
    assert list(client.station.objects.incoming.iterdir()) == []


def test_pictures_chosen_in_the_gallery_are_judged_or_taught_all_at_once(http, browser, pngs):  # noqa: F811
    client = http.client_of
    client.inspect("exported", [*pngs[:3], b"no image", pngs[-1]], tag="night")
    page = http.get("/gallery?order=newest").text
    (unread,) = [one.id for one in client.inspections() if one.decision == "unreadable"]
    one, two, three, four = (number for number in range(1, 6) if number != unread)
    assert re.findall(r'name="id" value="(\d+)"', page) == [str(number) for number in (four, three, two, one)]
    asked = {"id": [one, two, two], "said": "ok", "tag": "night", "order": "newest"}
    answer = http.post("/gallery/verdicts", data=asked)
    assert answer.headers["Location"] == "/gallery?tag=night&order=newest"
    assert [len(client.verdicts(number)) for number in (one, two, three)] == [1, 1, 0]
    assert http.post("/gallery/verdicts", data=asked | {"id": [three, 99]}).status_code == 404
    assert client.verdicts(three) == []
    assert http.post("/gallery/verdicts", data={"said": "ok"}).status_code == 422
    place = http.post("/teach/inspections", data={"id": [one, three]}).headers["Location"]
    assert names(client, place[16:48]) == [f"{one} image.png", f"{three} image.png"]
    client.judge(three, "ng")
    refused = http.post("/teach/inspections", data={"id": [one, three]})
    assert f"inspection {three} has the verdict NG" in refused.text
    assert http.post("/teach/inspections", data={"id": [unread]}).status_code == 404
    inspector, reviewer = (browser(client, role=role) for role in ("inspect", "review"))
    assert "chosen" not in inspector.get("/gallery").text
    assert "/teach/inspections" not in reviewer.get("/gallery").text
    assert inspector.post("/gallery/verdicts", data=asked).status_code == 403
    assert reviewer.post("/teach/inspections", data={"id": [one]}).status_code == 403


CORNER = [[0, 0], [0.5, 0], [0.5, 0.25]]


def test_an_area_that_is_drawn_goes_into_the_fit(http, pngs, monkeypatch):
    monkeypatch.setattr(jobs, "_PROGRAM", (sys.executable, "-c", "import sys; print(sys.argv[-1]); sys.exit(2)"))
    place = http.post("/teach/images", files=[("image", ("good.zip", zipped(("1.png", pngs[0]))))]).headers["Location"]
    page = http.get(place).text
    (picture,) = set(re.findall(r'src="(/teach/sets/[^"]+)"', page))
    assert http.get(picture).content[8:12] == b"WEBP"
    assert http.get(picture[:-36] + "0" * 32 + ".png").status_code == 404
    asked = {"teaching": place[16:48], "detector": "new", "reason": "clamp"}
    drawn = {"ignore": [[*CORNER, [1 / 3, 0.2]]], "inspect": [[[0, 0], [1, 0], [1, 0.9]]]}
    assert http.post("/teach/fit", data=asked | {"area": json.dumps(drawn)}).status_code == 303
    job = list(http.client_of.followed(1))[-1]
    assert job.asked["area"]["ignore"][0][3] == [0.33333, 0.2]
    assert job.message == "--set=region.inspect=[[[0.0, 0.0], [1.0, 0.0], [1.0, 0.9]]]"


@pytest.mark.parametrize(
    ("area", "recipe"),
    [
        ('{"ignore": [[[0, 0], [1, 1]]]}', "accurate"),
        ('{"ignore": [[[0, 0], [0.5, 0], [0.5, 1.01]]]}', "accurate"),
        ('{"ignore": [[[0, 0], [0.5, 0], [0.5, NaN]]]}', "accurate"),
        ('{"ignore": [[[0, 0], [0.5, 0], [0.5, "; rm -r /"]]]}', "accurate"),
        ('{"mask": "/etc/passwd"}', "accurate"),
        ("[" * 30_000, "accurate"),
        (" " * 60_001, "accurate"),
        (json.dumps({"ignore": [CORNER] * 11}), "accurate"),
        (json.dumps({"ignore": [CORNER * 34]}), "accurate"),
        (json.dumps({"ignore": [CORNER]}), "large_images"),
    ],
)
def test_an_area_that_is_none_or_goes_with_no_such_recipe_is_refused(http, area, recipe):
    asked = {"teaching": "0" * 32, "detector": "new", "reason": "x", "recipe": recipe, "area": area}
    assert http.post("/teach/fit", data=asked).status_code == 422
    assert http.client_of.station.jobs.all(1) == []


def test_the_longest_area_fits_into_a_command():
    most = Area(ignore=[[[1 / 3, 1 / 7]] * 100] * 10, inspect=[[[1 / 3, 1 / 7]] * 100] * 10)
    (fit, _) = Asked(kind="fit", detector="x", reason="x", area=most).commands(Path("a"), Path("b"))
    assert max(map(len, fit)) < 100_000


def test_a_form_without_images_is_refused_and_one_of_another_page_too(http, pngs):
    assert http.post("/teach/images", files=[("image", ("", b""))]).status_code == 422
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    assert http.post("/teach/images", files=[("image", ("1.png", pngs[0]))], headers=elsewhere).status_code == 403
    assert http.client_of.station.teaching.all() == []


def test_each_choice_is_a_recipe_and_has_its_words():
    assert set(RECIPES.values()) <= set(recipe_names())
    for one in RECIPES:
        assert {f"recipe_{one}", f"about_recipe_{one}"} <= words.table().keys()
