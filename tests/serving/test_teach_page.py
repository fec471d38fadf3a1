"""The page Teach: from images that are brought to a first look at what has learnt them."""

import json
import re
import sys
from html import unescape

import cv2
import numpy as np
import pytest
from test_station_pages import browser  # noqa: F401
from test_teaching import HTML, zipped

from urushi import Detector
from urushi.data.appearance import content_of
from urushi.data.images import read_image
from urushi.errors import InputError
from urushi.recipe import Recipe
from urushi.recipes.files import recipe_names
from urushi.serving import jobs
from urushi.serving.jobs import _LOOK as LOOK
from urushi.serving.jobs import Asked
from urushi.serving.page import words
from urushi.serving.teaching import first_look, planting
from urushi.serving.teaching.area import Area
from urushi.serving.teaching.recipes import RECIPES
from urushi.serving.teaching.twin import twin_of


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
    monkeypatch.setattr(jobs, "_LOOK", (sys.executable, "-c", "import sys; sys.exit('error: no look here')"))


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
    assert "error: no look here" in look
    assert http.get("/teach/jobs/9").status_code == 404
    live = http.post("/detectors/current", data={"detector": "new", "number": "1", "reason": "looks well"})
    assert live.headers["Location"] == "/detectors?detector=new#v1"
    assert "detector=new" in http.get("/teach/jobs/1").text or "decides" in http.get("/teach/jobs/1").text
    assert client.detector("new").version == 1
    assert http.post("/teach/removal", data={"teaching": number}).status_code == 303
    assert http.get("/teach/jobs/1").status_code == 200
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
    (fit, _) = Asked(kind="fit", detector="x", reason="x", area=most).commands()
    assert max(map(len, fit)) < 100_000


def test_a_form_without_images_is_refused_and_one_of_another_page_too(http, pngs):
    assert http.post("/teach/images", files=[("image", ("", b""))]).status_code == 422
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    assert http.post("/teach/images", files=[("image", ("1.png", pngs[0]))], headers=elsewhere).status_code == 403
    assert http.client_of.station.teaching.all() == []


def test_a_planted_defect_fades_and_lies_in_its_box(exported_autoencoder, textures):
    detector, image = Detector.load(exported_autoencoder), textures[0]
    clean = detector.inspect(image).image
    made = list(planting.planted(detector, image, np.random.default_rng(0)))
    changes = [np.abs(one.found.image - clean)[..., 0] for one in made]
    assert all(np.diff([change.max() for change in changes]) < 0)
    assert len({one.box for one in made}) == len({one.kind for one in made}) == 1
    x, y, width, height = made[0].box
    assert changes[0].sum() == pytest.approx(changes[0][y : y + height, x : x + width].sum())


def half_found(detector, image, _rng):
    """The two stronger ones are found, the others not."""
    odd = image.copy()
    odd[8:20, 8:20] = 255
    for one in (odd, odd, image, image):
        yield planting.Planted("hole", (8, 8, 12, 12), detector.inspect(one))


def test_the_first_look_shows_planted_defects_from_clear_to_faint_and_the_oddest_good_images(
    http, pngs, copying, exported_autoencoder, tmp_path, monkeypatch
):
    monkeypatch.setattr(first_look, "planted", half_found)
    members = [(f"good-{n}.png", png) for n, png in enumerate(pngs[:12])]
    place = http.post("/teach/images", files=[("image", ("good.zip", zipped(*members)))]).headers["Location"]
    station, detector = http.client_of.station, Detector.load(exported_autoencoder)
    sources = sorted(station.teaching.images(place[16:48]).iterdir())
    first_look.look(detector, sources, tmp_path / "look")
    http.post("/teach/fit", data={"teaching": place[16:48], "detector": "new", "reason": "x"})
    assert list(http.client_of.followed(1))[-1].state == "done"
    station.jobs.looks.keep(1, tmp_path / "look")
    found, page = station.jobs.looks.get(1), http.get("/teach/jobs/1").text
    unseen = [sources[place] for place in detector.card["fit"]["held_out"]]
    assert {row.pictures[0].name for row in found.planted} == {source.name for source in unseen}
    n = len(unseen)
    assert [(one.strength, one.n) for one in found.strengths] == [(1, n), (0.5, n), (0.25, n), (0.125, n)]
    alarms = sum(detector.inspect(source).decision == "anomalous" for source in unseen)
    assert [one.n_found for one in found.strengths] == [n, n, alarms, alarms]
    assert (found.n_unseen, found.n_false_alarms) == (n, alarms)
    assert found.strengths[0].low == pytest.approx(n / (n + 1.96**2), abs=0.001)
    assert found.planted[0].pictures[3].box == (0.25, 0.25, 0.375, 0.375)
    assert f"{n} / {n}" in page
    files = re.findall(r'src="(/teach/jobs/1/[^"]+)"', page)
    assert len(files) == 4 * n + 1
    assert all(http.get(file).content[8:12] == b"WEBP" for file in files[::4])
    (worst,) = found.held_out
    scores, contents = detector.held_out.scores, detector.held_out.contents
    (shown,) = [source for source in sources if source.name == worst.name]
    assert content_of(read_image(shown)) == contents[scores.index(max(scores))]
    assert worst.score_in_thresholds == pytest.approx(max(scores) / detector.threshold.value)
    assert worst.name not in page  # but the name that it came with
    assert http.get("/teach/jobs/1/..%2F..%2Fstation.lock").status_code in (404, 422)
    assert http.get("/teach/jobs/2/held_out-0.webp").status_code == 404


def test_images_on_which_no_defect_goes_are_listed_and_time_that_is_up_ends_it(exported_autoencoder, pngs, tmp_path):
    (tmp_path / "tiny.png").write_bytes(cv2.imencode(".png", np.zeros((8, 8), np.uint8))[1].tobytes())
    for number, png in enumerate(pngs[:12]):
        (tmp_path / f"{number}.png").write_bytes(png)
    detector, sources = Detector.load(exported_autoencoder), sorted(tmp_path.glob("[0-9]*.png"))
    found = first_look.look(detector, [tmp_path / "tiny.png"] * 12, tmp_path / "none")
    assert found.strengths == []
    assert "from 16 px on" in found.left_out[0]
    found = first_look.look(detector, sources, tmp_path / "short", seconds=0)
    assert [one.n for one in found.strengths] == [1] * 4


@pytest.mark.thorough
def test_where_all_images_were_learnt_a_twin_without_some_is_looked_at(textures, tmp_path):
    sources = []
    for number, image in enumerate(textures[:12]):
        cv2.imwrite(str(tmp_path / f"{number:02}.png"), image)
        sources.append(tmp_path / f"{number:02}.png")
    small = {"preprocessing.resize.height": 32, "preprocessing.resize.width": 32, "split.n_folds": 3}
    detector = Detector.fit(sources, Recipe.find("pixel-pca").with_settings(small))
    found = twin_of(detector, sources, sources[:1])
    assert (len(found.unseen), found.detector.threshold) == (3, detector.threshold)
    assert found.detector.held_out == detector.held_out
    learnt = {content_of(read_image(source)) for source in sources} - {
        content_of(read_image(source)) for source in {*found.unseen, sources[0]}
    }
    assert found.n_learnt == len(learnt)
    assert found.detector.card["fit"]["n_images"] == len(learnt)
    with pytest.raises(InputError, match="of 7 good images none"):
        twin_of(detector, sources[:7], [])


@pytest.mark.thorough
def test_a_first_look_is_taken_by_a_process_of_its_own(http, pngs, copying, monkeypatch):
    monkeypatch.setattr(jobs, "_LOOK", LOOK)
    members = [(f"{n}.png", png) for n, png in enumerate(pngs[:12])]
    place = http.post("/teach/images", files=[("image", ("good.zip", zipped(*members)))]).headers["Location"]
    http.post("/teach/fit", data={"teaching": place[16:48], "detector": "new", "reason": "x"})
    assert list(http.client_of.followed(1))[-1].state == "done"
    look = http.client_of.station.jobs.looks.get(1)
    assert ([one.n for one in look.strengths], look.left_out) == ([look.n_unseen] * 4, [])


def test_each_choice_is_a_recipe_and_has_its_words():
    assert set(RECIPES.values()) <= set(recipe_names())
    for one in RECIPES:
        assert {f"recipe_{one}", f"about_recipe_{one}"} <= words.table().keys()
