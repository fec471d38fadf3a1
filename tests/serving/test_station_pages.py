"""The page as the station sends it: who gets in, what is shown of what came from outside, and that its forms do it."""

import re
from html import unescape

import pytest
from starlette.testclient import TestClient
from test_inspections import refused

from urushi.serving.page import words
from urushi.serving.page.words import Words, preferred

PAGES = ("/", "/now", "/gallery", "/review", "/threshold", "/trends", "/detectors", "/recalibration?rule=youden")
PAGES += ("/teach",)
OURS = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html", "Accept-Language": "en"}
HOSTILE = "<script>alert(1)</script>'\"<img src=x onerror=alert(2)>"


@pytest.fixture
def browser(connected):
    """Logs a person in, as a browser does."""

    def browser(client=None, *, role: str = "admin", token: str | None = None, **headers: str) -> TestClient:
        client = client or connected()
        token = token or client.station.tokens.create(f"{role} of a person", role, "test")
        http = TestClient(client.http.app, headers=OURS | headers, follow_redirects=False)
        http.station = client.station
        assert http.post("/login", data={"token": token}).status_code in (303, 401)
        return http

    return browser


@pytest.fixture
def looked(connected, pngs):
    """A client whose station has inspected four images, two of them judged."""
    client = connected()
    found = client.inspect("exported", [*pngs[:3], pngs[-1]], part_id="A-1", tag="night", shift="early")
    client.judge(found[0].id, "ok")
    client.judge(found[3].id, "ng", defect_type="crack")
    client.found = found
    return client


def test_every_page_shows_an_image_that_could_not_be_read(connected, browser):
    client = connected()
    refusal = refused(client.inspect_bytes, "exported", b"no image", source="torn.png")
    (number,) = refusal.problem["inspections"]
    client.judge(number, "ok")
    client.judge(number, "ng")
    http = browser(client)
    for path in (*PAGES, "/gallery?order=newest", f"/images/{number}"):
        answer = http.get(path)
        assert answer.status_code == 200, (path, answer.text)
    assert "torn.png" in answer.text
    assert client.inspection(number).reason in unescape(answer.text)


def test_who_is_not_logged_in_is_asked_to_do_so_and_comes_back_to_the_page(connected):
    http = TestClient(connected().http.app, headers=OURS, follow_redirects=False)
    answer = http.get("/gallery?order=newest")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login?next=%2Fgallery%3Forder%3Dnewest")
    page = http.get(answer.headers["Location"])
    assert 'name="next" value="/gallery?order=newest"' in page.text
    assert http.get("/v1/inspections").status_code == 401  # programs are told, not sent away


def test_a_session_is_a_cookie_that_no_script_reads_and_no_other_page_sends(connected, browser):
    client = connected()
    token = client.station.tokens.create("anna", "review", "test")
    http = browser(client, token="urushi-0000000000000000-" + "a" * 43)
    assert http.get("/gallery").status_code == 303
    assert "urushi_failed_logins_total 1.0" in client.metrics()
    answer = http.post("/login", data={"token": f" {token} ", "next": "/review"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/review")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert token not in cookie
    assert http.get("/gallery").status_code == 200
    secret = http.cookies["urushi-session"]
    assert secret not in repr(client.station.sessions._seen)
    http.post("/logout")
    http.cookies["urushi-session"] = secret
    assert http.get("/gallery").status_code == 303


def test_with_tls_the_cookie_is_for_this_host_alone(connected):
    client = connected()
    token = client.station.tokens.create("anna", "review", "test")
    http = TestClient(client.http.app, base_url="https://testserver", headers=OURS, follow_redirects=False)
    cookie = http.post("/login", data={"token": token}).headers["Set-Cookie"]
    assert cookie.startswith("__Host-urushi-session=")
    assert "Secure" in cookie


def test_a_session_ends_with_its_token_and_after_twelve_hours(connected, browser):
    client = connected()
    http = browser(client, role="review")
    assert http.get("/review").status_code == 200
    client.station.tokens.revoke("review of a person", "test")
    assert http.get("/review").status_code == 303
    other, sessions = browser(client, role="inspect"), client.station.sessions
    sessions._clock = lambda: 13 * 3600.0 + max(seen for _, seen in sessions._seen.values())
    assert other.get("/gallery").status_code == 303


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Origin": "http://testserver"}, 201),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_what_changes_something_has_to_come_from_a_page_of_this_station(looked, browser, headers, status):
    http = browser(looked)
    del http.headers["Sec-Fetch-Site"]
    answer = http.post(f"/v1/inspections/{looked.found[1].id}/verdicts", json={"verdict": "ok"}, headers=headers)
    assert answer.status_code == status
    assert len(looked.verdicts(looked.found[1].id)) == (status == 201)
    assert http.post("/preferences", data={"language": "de"}, headers=headers).status_code == (
        303 if status == 201 else 403
    )


def test_after_logging_in_nobody_is_sent_to_another_server(connected):
    http = TestClient(connected().http.app, headers=OURS, follow_redirects=False)
    for place in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a\r\nb: c"):
        assert http.post("/preferences", data={"theme": "dark", "next": place}).headers["Location"] == "/"


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_page_is_there_in_each_language_and_holds_no_code_of_its_own(looked, browser, language):
    http = browser(looked, **{"Accept-Language": f"{language},fr;q=0.5"})
    for path in (*PAGES, f"/images/{looked.found[3].id}", "/login"):
        answer = http.get(path)
        assert answer.status_code == 200, (path, answer.text[:300])
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert not re.search(r"<[^>]*\s(style|on\w+)=", answer.text), path
        assert not re.search(r"<style|<script(?![^>]*(src=|type=\"application/json\"))", answer.text), path
        if path != "/now":
            assert f'<html lang="{language}"' in answer.text
        assert len(answer.content) < 100_000


def test_a_page_takes_its_role(looked, browser):
    inspect, review = (browser(looked, role=role) for role in ("inspect", "review"))
    assert [inspect.get(path).status_code for path in ("/", "/gallery", "/trends", "/detectors")] == [200] * 4
    assert [inspect.get(path).status_code for path in ("/review", "/threshold", "/recalibration")] == [403] * 3
    assert review.get("/teach").status_code == 403
    assert "/teach" not in review.get("/gallery").text
    assert "/review" not in inspect.get("/gallery").text
    asked = {"detector": "exported", "rule": "youden", "version": "1", "reason": "x"}
    assert review.post("/recalibration", data=asked).status_code == 403
    assert (
        review.post("/detectors/current", data={"detector": "exported", "number": "1", "reason": "x"}).status_code
        == 403
    )


def test_what_came_from_outside_is_shown_and_does_nothing(connected, browser, pngs):
    client = connected()
    (found,) = client.inspect("exported", [pngs[-1]], part_id=HOSTILE, serial=HOSTILE, tag=HOSTILE, shift=HOSTILE[:90])
    client.judge(found.id, "ng", defect_type=HOSTILE, note=HOSTILE)
    http = browser(client)
    for path in ("/", "/gallery?tag=", "/review", f"/images/{found.id}", "/trends?by=shift"):
        text = http.get(path).text
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        if path != "/review":  # nothing is left to review
            assert HOSTILE[:25] in unescape(text), path
    (shown,) = re.findall(r'id="data">(.*?)</script>', http.get("/threshold").text)
    assert "<" not in shown


def test_a_problem_is_a_page_for_a_person_and_a_document_for_a_program(looked, browser):
    http = browser(looked)
    page = http.get("/images/99")
    assert (page.status_code, page.headers["Content-Type"][:9]) == (404, "text/html")
    assert "there is no inspection 99" in page.text
    assert http.get("/nowhere").status_code == 404
    assert http.get("/gallery?decision=odd").status_code == 422
    program = http.get("/v1/inspections/99")
    assert program.headers["Content-Type"] == "application/problem+json"
    assert http.get("/nowhere", headers={"Accept": "*/*"}).headers["Content-Type"] == "application/problem+json"


def test_styles_and_scripts_are_files_that_may_be_kept_for_good(looked, browser):
    http = browser(looked)
    text = http.get("/threshold").text
    for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', text):
        answer = http.get(path)
        assert answer.status_code == 200, path
        assert "immutable" in answer.headers["Cache-Control"]
    assert {http.get(f"/static/{digit:x}/page.js").status_code for digit in range(16)} == {404}
    http.post("/preferences", data={"theme": "dark", "language": "de"})
    text = http.get("/gallery").text
    assert "Galerie" in text
    dark = http.get(re.search(r'"(/static/\w+/report-dark.css)"', text)[1]).text
    assert "@media all" in dark
    assert "prefers-color-scheme" not in dark


def test_the_gallery_goes_through_all_worst_first_page_by_page(looked, browser, monkeypatch):
    monkeypatch.setattr("urushi.serving.page.looking._ON_A_PAGE", 3)
    http, worst = browser(looked), sorted(looked.found, key=lambda one: -one.score)
    text, seen = http.get("/gallery").text, []
    while True:
        seen += re.findall(r'href="/images/(\d+)', text)
        if not (following := re.search(r'rel="next" href="([^"]*)"', text)):
            break
        text = http.get("/gallery" + unescape(following[1])).text
    assert [int(number) for number in seen] == [one.id for one in worst]
    beside = re.findall(r'rel="(prev|next)" href="/images/(\d+)', http.get(f"/images/{worst[1].id}").text)
    assert beside == [("prev", str(worst[0].id)), ("next", str(worst[2].id))]
    for query, n in (("defect_type=crack", 1), ("verdict=ok", 1), ("tag=night", 4), ("decision=normal&hours=1", 3)):
        assert len(re.findall(r'href="/images/', http.get(f"/gallery?order=newest&{query}").text)) == min(n, 3), query


def test_the_api_gives_the_worst_first_of_one_detector_only(looked):
    worst = sorted(looked.found, key=lambda one: -one.score)
    first = looked.page(detector="exported", order="worst", limit=2)
    second = looked.page(detector="exported", order="worst", limit=2, cursor=first.next)
    assert [one.id for one in (*first.items, *second.items)] == [one.id for one in worst]
    assert second.next is None
    assert refused(looked.page, order="worst").status == 422
    assert refused(looked.page, detector="exported", order="worst", cursor=99).status == 404
    assert [one.id for one in looked.page(defect_type="crack").items] == [looked.found[3].id]
    looked.judge(looked.found[3].id, "ok")
    assert looked.page(defect_type="crack").items == looked.page(verdict="ng").items == []  # the last verdict counts


def test_a_thumbnail_is_small_and_may_be_kept(looked):
    answer = looked.http.get(f"/v1/inspections/{looked.found[3].id}/thumbnail.webp", headers=looked._headers)
    assert answer.content[8:12] == b"WEBP"
    assert len(answer.content) <= 12_000
    assert "immutable" in answer.headers["Cache-Control"]


def test_a_threshold_is_previewed_applied_with_a_reason_and_switched_back(looked, browser):
    http, before = browser(looked), looked.detector("exported").threshold["value"]
    value = max(one.score for one in looked.found) + 1
    asked = {"detector": "exported", "rule": "fixed", "value": str(value)}
    preview = http.get("/recalibration", params=asked)
    assert "1 of 4 decisions would change" in preview.text
    assert looked.detector("exported").threshold["value"] == before
    assert http.post("/recalibration", data=asked | {"version": "1", "reason": ""}).status_code == 422
    applied = http.post("/recalibration", data=asked | {"version": "1", "reason": "line 2 asks for it"})
    assert (applied.status_code, applied.headers["Location"]) == (303, "/detectors?detector=exported#v2")
    assert looked.detector("exported").threshold["value"] == value
    assert http.post("/recalibration", data=asked | {"version": "1", "reason": "again"}).status_code == 409
    back = http.post("/detectors/current", data={"detector": "exported", "number": "1", "reason": "too lax"})
    assert back.status_code == 303
    assert looked.detector("exported").threshold["value"] == before
    assert [one.reason for one in looked.changes(limit=2)] == ["too lax", "line 2 asks for it"]
    assert "every part would be anomalous" in http.get("/recalibration", params=asked | {"value": "0"}).text


def test_the_file_of_a_version_is_downloaded_by_who_may(looked, browser, exported_autoencoder):
    path = "/v1/detectors/exported/versions/1/file"
    answer = browser(looked, role="review").get(path)
    assert answer.content == exported_autoencoder.read_bytes()
    assert 'filename="exported-v1.urushi"' in answer.headers["Content-Disposition"]
    assert browser(looked, role="inspect").get(path).status_code == 403
    assert browser(looked).get(path.replace("/1/", "/7/")).status_code == 404


def test_a_gallery_without_pictures_has_no_script_that_chooses_them(browser, looked):
    http = browser(looked)
    assert "choosing.js" in http.get("/gallery").text
    assert "choosing.js" not in http.get("/gallery?is_disputed=true").text


def test_types_of_defects_are_offered_that_this_detector_has_seen(browser, looked, pngs):
    station = looked.station
    station.detectors.add("other", station.detectors.get("exported").detector, "test", "another part")
    (other,) = looked.inspect("other", [pngs[0]])
    looked.judge(other.id, "ng", defect_type="bone")
    http = browser(looked)
    for path in ("/review", "/gallery", f"/images/{looked.found[0].id}"):
        page = http.get(path + "?detector=exported").text
        assert "crack" in page, path
        assert "bone" not in page, path
    assert "bone" in http.get(f"/images/{other.id}").text


def test_each_word_has_both_languages_and_is_used_and_none_is_missing():
    table = words.table()
    package = words.resources.files("urushi.serving.page")
    sources = [
        one for room in (package, package / "templates") for one in room.iterdir() if one.name.endswith((".py", ".j2"))
    ]
    text = "\n".join(one.read_text("utf-8") for one in sources)
    for key, (english, german) in table.items():
        names = [set(re.findall(r"\{\w+\}|%s", one)) for one in (english, german)]
        assert names[0] == names[1], key
        assert english.count("|") == german.count("|"), key
        prefixes = ("verdict_", "theme_", "by_", "state_", "kind_", "figure_", "about_", "problem_")
        prefixes += ("drift_", "statistic_", "recipe_", "area_", "planted_", "side_")
        assert re.search(rf'["\']{key}["\']', text) or key.startswith(prefixes), f"{key} is used nowhere"
    assert set(re.findall(r'\bt\(["\'](\w+)["\'][,)]', text)) <= table.keys()


def test_numbers_are_written_as_in_their_language():
    english, german = Words("en"), Words("de")
    assert (english.number(1234.5), german.number(12.5)) == ("1234", "12,5")
    assert (english.number(12_345), german.number(12_345)) == ("12,345", "12.345")
    assert german.percent(0.125) == "12,5 %"
    assert english("n_unreadable", n=1).startswith("1 image could")
    assert german("n_unreadable", n=2000).startswith("2.000 Bilder waren")


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("de-DE,de;q=0.9,en;q=0.8", "de"),
        ("fr,en;q=0.5,de;q=0.6", "de"),
        ("en,de", "en"),
        ("", "en"),
        ("de;q=0,x;q=y", "en"),
    ],
)
def test_the_language_is_the_first_of_the_browser_that_there_is(accepted, language):
    assert preferred(accepted) == language
