"""What people judge differently: when it is listed, and when it is settled."""

from html import unescape

import pytest
from test_station_pages import HOSTILE, browser  # noqa: F401  a fixture

from urushi.serving.history import Query


@pytest.mark.parametrize(
    ("said", "is_open"),
    [
        ("", False),
        ("anna ok, ben ok", False),
        ("anna ok, anna ng", False),  # one person, who has changed her mind
        ("anna ok, ben ng", True),
        ("anna ok, ben ng, anna ok", True),  # to say it again settles nothing
        ("anna ok, ben ng, anna ng", False),
        ("anna ok, ben ng, anna unsure", False),  # she takes no side any more
        ("anna ok, ben unsure", False),
        ("anna ok, ben ng, carl unsure", True),
        ("anna ok, ben ng, carl ok", False),
        ("anna ok, carl ok, ben ng", True),  # the last one counts, and most say otherwise
        ("anna ok, ben ng, carl ok, dora ng", True),
        ("anna ok, ben ng, carl ok, dora ng, emil ng", False),
    ],
)
def test_an_image_is_disputed_as_long_as_most_do_not_agree_with_the_last_verdict(connected, pngs, said, is_open):
    client = connected()
    found = client.inspect("exported", pngs[:2])
    client.judge(found[1].id, "ng")
    for one in filter(None, said.split(", ")):
        author, verdict = one.split()
        client.station.review.judge(found[0].id, verdict, author)
    assert [one.id for one in client.page(is_disputed=True).items] == [found[0].id] * is_open
    n_others = 2 - is_open
    assert len(client.page(is_disputed=False).items) == n_others


def test_the_page_lists_who_says_what_until_a_third_verdict_settles_it(connected, browser, pngs):  # noqa: F811
    client = connected()
    found = client.inspect("exported", [pngs[-1]], part_id="A-17")[0]
    client.station.review.judge(found.id, "ok", HOSTILE[:60], note=HOSTILE)
    client.station.review.judge(found.id, "ng", "ben", defect_type="crack")
    http = browser(client, role="review")
    page, image = http.get("/review").text, http.get(f"/images/{found.id}").text
    assert "Judged differently" in page
    assert "Judged differently" in image
    assert HOSTILE[:60] in unescape(page)
    assert "<script>alert" not in page
    assert page.index("OK") < page.index("NG: crack")
    assert f"/images/{found.id}" in http.get("/gallery?is_disputed=true").text
    assert http.post(f"/v1/inspections/{found.id}/verdicts", json={"verdict": "ng"}).status_code == 201
    assert "Judged differently" not in http.get("/review").text
    assert f"/images/{found.id}" not in http.get("/gallery?is_disputed=true").text


def test_a_query_of_disputed_ones_keeps_its_other_conditions(connected, pngs):
    client = connected()
    one, other = client.inspect("exported", pngs[:2])
    for found in (one, other):
        for author, verdict in (("anna", "ok"), ("ben", "ng")):
            client.station.review.judge(found.id, verdict, author)
    client.station.review.judge(other.id, "ng", "carl")
    rows, _ = client.station.history.page(Query(detector="exported", is_disputed=True))
    assert [row.id for row in rows] == [one.id]
