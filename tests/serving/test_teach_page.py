"""The page Teach: from images that are brought to a first look at what has learnt them."""

import re
import sys
from html import unescape

import pytest
from test_station_pages import browser  # noqa: F401
from test_teaching import HTML, zipped

from urushi.recipes.files import recipe_names
from urushi.serving import jobs
from urushi.serving.page import words
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


def test_a_part_of_the_history_is_learnt_as_well(http, pngs, copying):
    client = http.client_of
    client.inspect("exported", pngs[:3], tag="night")
    asked = {"source": "exported", "tag": "night", "hours": "24", "detector": "exported", "reason": "new lamp"}
    assert http.post("/teach/fit", data=asked).status_code == 303
    job = list(client.followed(1))[-1]
    assert (job.state, job.version, job.asked["recipe"]) == ("done", 2, "default"), job.message
    assert client.detector("exported").version == 1
    assert "Version 1 decides now" in http.get("/teach/jobs/1").text


def test_a_form_without_images_is_refused_and_one_of_another_page_too(http, pngs):
    assert http.post("/teach/images", files=[("image", ("", b""))]).status_code == 422
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    assert http.post("/teach/images", files=[("image", ("1.png", pngs[0]))], headers=elsewhere).status_code == 403
    assert http.client_of.station.teaching.all() == []


def test_each_choice_is_a_recipe_and_has_its_words():
    assert set(RECIPES.values()) <= set(recipe_names())
    for one in RECIPES:
        assert {f"recipe_{one}", f"about_recipe_{one}"} <= words.table().keys()
