"""Views of the gallery that a person keeps by a name: by the API and by forms, each their own."""

import re
from html import unescape

from test_inspections import refused
from test_station_pages import HOSTILE, browser  # noqa: F401  a fixture

from urushi.serving.views import MOST_VIEWS


def test_a_view_is_kept_replaced_renamed_and_removed_by_who_keeps_it(connected):
    client = connected(role="inspect")
    kept = client.keep_view("cracks", verdict="ng", defect_type="crack", hours=24)
    assert kept.filters.kept() == {"verdict": "ng", "defect_type": "crack", "hours": 24}
    assert client.keep_view("cracks", decision="anomalous").id == kept.id
    other = client.keep_view("all", order="newest")
    assert [(one.name, one.filters.kept()) for one in client.views()] == [
        ("all", {"order": "newest"}),
        ("cracks", {"decision": "anomalous"}),
    ]
    assert client.rename_view(other.id, "everything").name == "everything"
    assert refused(client.rename_view, other.id, "cracks").status == 409
    assert client.remove_view(other.id).name == "everything"
    assert [one.name for one in client.views()] == ["cracks"]

    stranger = connected(client.station, role="admin")
    assert stranger.views() == []
    assert refused(stranger.rename_view, kept.id, "mine").status == 404
    assert refused(stranger.remove_view, kept.id).status == 404


def test_views_that_make_no_sense_or_are_too_many_are_refused(connected):
    client = connected()
    assert refused(client.keep_view, "x", verdict="odd").status == 422
    assert refused(client.keep_view, "x", cursor=1).status == 422
    assert refused(client.keep_view, "", verdict="ok").status == 422
    for number in range(MOST_VIEWS):
        client.keep_view(str(number))
    assert refused(client.keep_view, "one more").status == 422
    client.keep_view("0", verdict="ok")  # it takes the place of one


def test_on_the_page_a_view_is_kept_by_a_form_and_shows_what_it_has_shown(connected, pngs, browser):  # noqa: F811
    client = connected()
    client.judge(client.inspect("exported", pngs[:2], tag=HOSTILE)[0].id, "ok")
    http, asked = browser(client, role="inspect"), {"verdict": "ok", "tag": HOSTILE, "order": "newest"}
    answer = http.post("/gallery/views", data=asked | {"name": HOSTILE, "detector": "", "hours": ""})
    assert answer.status_code == 303
    text = http.get(answer.headers["Location"]).text
    assert len(re.findall(r'class="part" href="/images/', text)) == 1
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert re.search(r'<a href="/gallery\?[^"]+" aria-current="page">', text)
    (number,) = re.findall(r'action="/gallery/views/(\d+)"', text)
    renamed = http.get(http.post(f"/gallery/views/{number}", data={"name": "good ones"}).headers["Location"]).text
    assert "good ones" in renamed
    assert HOSTILE not in re.search(r"<nav class=.views.*?</nav>", unescape(renamed), re.DOTALL)[0].split("good")[1]
    assert http.post(f"/gallery/views/{number}", data={"name": ""}).status_code == 422
    http.post(f"/gallery/views/{number}/removal")
    assert 'class="views"' not in http.get("/gallery").text
