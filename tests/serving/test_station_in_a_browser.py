"""The page in a browser without a window: Debian's chromium by Playwright; skipped where one of them is missing.

With URUSHI_AXE, the path of axe-core's axe.min.js, every page is checked against WCAG 2.2, levels A and AA, as well.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest

from urushi.serving.client import Client
from urushi.serving.station import open_database
from urushi.serving.tokens import Tokens

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM, AXE = shutil.which("chromium"), os.environ.get("URUSHI_AXE")
QUIET = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PATHS = ("/", "/gallery", "/images/4", "/review", "/threshold?prevalence=0.1&escape_cost=9&false_alarm_cost=1")
PATHS += ("/recalibration?rule=youden", "/trends", "/detectors", "/teach", "/nowhere", "/gallery?is_disputed=true")
CUT = """[...document.querySelectorAll("main, main *:not(.quiet, .quiet *, svg *)")].filter((one) => {
  const [box, style] = [one.getBoundingClientRect(), getComputedStyle(one)];
  const hides = style.overflowX !== "visible" && one.scrollWidth > one.clientWidth + 1;
  return box.width && (box.right > innerWidth + 1 || box.left < -1 || hides);
}).map((one) => one.outerHTML.slice(0, 100))"""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")]


@pytest.fixture
def served(empty_station: Path, tmp_path: Path, pngs: list[bytes]) -> Iterator[SimpleNamespace]:
    """A station that runs, has inspected, and in which five of eight images wait for a verdict."""
    folder = tmp_path / "station"
    shutil.copytree(empty_station, folder)
    database = open_database(folder)
    token, other = (Tokens(database).create(*one, "test") for one in (("anna", "admin"), ("carl", "review")))
    database.close()
    command = [sys.executable, "-c", "from urushi.cli import main; main()", "serve", "--data", folder, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        lines = iter(process.stderr.readline, "")
        url = next(found[1] for line in lines if (found := re.search(r"serves (http\S+)", line)))
        http = httpx2.Client(base_url=url, timeout=60)
        client = Client(url, token, http=http)
        hostile = {"part_id": "<img src=x onerror=alert(1)>", "tag": ["<script>alert(2)</script>", "night"]}
        client.inspect("exported", [*pngs[:6], pngs[-1]], shift="early")
        client.inspect("exported", [pngs[-1]], shift="early", **hostile)
        for number, said in ((1, "ok"), (2, "ok"), (8, "ng")):
            client.judge(number, said, **({"defect_type": "<b>crack</b>"} if said == "ng" else {}))
        yield SimpleNamespace(url=url, token=token, other=other, client=client, png=pngs[-1])
        http.close()
        process.terminate()


@pytest.fixture
def opened(served: SimpleNamespace, tmp_path: Path) -> Iterator[Callable[..., "sync_api.Page"]]:
    """Opens the page, logged in by the keyboard; what the console says is in `page.said`."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=QUIET, env={**os.environ, "HOME": str(tmp_path)}
        )

        def opened(**how: object) -> "sync_api.Page":
            page = browser.new_context(**how).new_page()
            page.said = []
            page.on("console", lambda message: page.said.append(f"{message.type}: {message.text}"))
            page.on("pageerror", lambda error: page.said.append(f"error: {error}"))
            page.on("dialog", lambda dialog: page.said.append(f"a script ran: {dialog.message}"))
            page.goto(f"{served.url}/login")
            page.keyboard.type(served.token)  # the field has the focus
            page.keyboard.press("Enter")
            page.wait_for_url(f"{served.url}/")
            return page

        yield opened
        browser.close()


def tabbed(page: "sync_api.Page", selector: str) -> None:
    """Goes by the Tab key to an element, as a person without a mouse does, and sees where the focus is."""
    for _ in range(150):
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", selector
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{selector} cannot be reached by Tab")


def entered(page: "sync_api.Page") -> None:
    """Presses Enter and waits for the page that it leads to."""
    with page.expect_navigation():
        page.keyboard.press("Enter")


def until(page: "sync_api.Page", holds: str, *arguments: object) -> None:
    """Looks again and again, by the debugger: the page itself evaluates no text."""
    for _ in range(100):
        if page.evaluate(holds, *arguments):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{holds} {arguments}")


def errors(page: "sync_api.Page") -> list[str]:
    return [line for line in page.said if not line.startswith(("verbose", "debug", "info"))]


def test_a_shift_by_the_keyboard_alone_from_a_part_to_another_threshold_and_back(served, opened):
    page = opened()
    until(page, "document.querySelector('#connection').textContent.startsWith('connected')")
    served.client.inspect("exported", [served.png], part_id="A-17")
    until(page, "document.querySelector('.which').textContent.includes('A-17')")

    tabbed(page, "nav a[href='/review']")
    entered(page)
    page.wait_for_selector("#decided .decision")
    n_before = page.evaluate("Number(document.querySelector('#progress').value)")
    first = page.text_content("#about")
    page.keyboard.press("n")
    until(page, "n => document.querySelector('#progress').value === n + 1", n_before)
    page.keyboard.press("z")  # back: the same image, and another verdict in place of the first
    until(page, "document.querySelector('#told').textContent.includes('NG')")
    assert page.text_content("#about") == first
    page.keyboard.press("o")
    until(page, "document.querySelectorAll('#given li').length === 2")
    for n in range(2, 7):
        page.keyboard.press("o")
        if n < 6:
            until(page, "n => document.querySelectorAll('#given li').length === n", n + 1)
    page.wait_for_selector("#done:not([hidden])")
    verdicts = [one.verdict.verdict for one in served.client.inspections()]
    assert sorted(verdicts) == ["ng", *["ok"] * 8]

    tabbed(page, "nav a[href='/threshold']")
    entered(page)
    tabbed(page, "#slider")
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    value = page.evaluate("new URL(document.querySelector('#choose').href).searchParams.get('value')")
    assert page.text_content("[data-figure=false_alarms] td") != ""
    tabbed(page, "#choose")
    entered(page)
    tabbed(page, "input[name=reason]")
    page.keyboard.type("fewer false alarms")
    entered(page)
    page.wait_for_url("**/detectors?detector=exported#v2")
    assert served.client.detector("exported").threshold["value"] == float(value)

    tabbed(page, "input[name=reason]")
    page.keyboard.type("as it was")
    entered(page)
    page.wait_for_url("**#v1")
    assert served.client.detector("exported").version == 1
    assert [one.reason for one in served.client.changes(limit=2)] == ["as it was", "fewer false alarms"]
    assert errors(page) == []


def test_a_picture_is_compared_zoomed_and_judged(served, opened):
    page = opened(has_touch=True, viewport={"width": 1000, "height": 900})
    page.goto(f"{served.url}/gallery")
    page.keyboard.press("ArrowRight")
    entered(page)
    shown = "document.querySelector('.picture').getAttribute('viewBox')"
    assert page.evaluate(shown) == "0 0 32 32"
    page.focus(".viewport")
    page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(shown).split()[2:] == [str(32 / 1.5)] * 2
    page.keyboard.press("0")
    assert page.evaluate(shown) == "0 0 32 32"
    right, left = "[data-side=right]", "[data-side=left]"
    for layer, file in (("difference", "difference"), ("rebuilt", "reconstruction"), ("seen", "seen"), ("heat", "map")):
        page.click(f"[data-right={layer}]")
        assert page.get_attribute(right, "href").endswith(f"/{file}.png")
    page.click("[data-right=difference]")
    assert page.is_visible("[data-legend=difference]")
    assert not page.is_visible("[data-legend=heat]")
    page.select_option("[data-left]", "heat")  # the line goes to the middle, and moves where it is dragged to
    assert page.get_attribute("#swiped rect", "x") == page.get_attribute("#unswiped rect", "width") == "16"
    assert page.get_attribute(left, "href").endswith("/map.png")
    assert page.is_visible("[data-legend=heat]")
    box = page.query_selector(".picture").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + box["width"] / 4, middle[1], steps=3)
    page.mouse.up()
    assert float(page.get_attribute("#swiped rect", "x")) == pytest.approx(24, abs=1)
    page.focus("[data-opacity]")
    page.keyboard.press("Home")
    assert page.get_attribute(right, "opacity") == "0"
    page.click("[data-right=heat]")  # each layer keeps its own
    assert page.get_attribute(right, "opacity") == "0.85"

    tabbed(page, "button[data-region='0']")
    page.keyboard.press("Enter")
    assert page.get_attribute("button[data-region='0']", "aria-pressed") == "true"
    assert page.locator("rect.chosen").count() == 2
    page.keyboard.press("Enter")
    assert page.locator("rect.chosen").count() == 0
    fingers(page, middle, (20, 40))
    assert page.evaluate(shown).split()[2:] == ["16", "16"]  # twice as far apart

    page.fill("[data-new-type]", "dent")
    page.focus("[data-new-type]")
    page.keyboard.press("Enter")
    page.wait_for_selector(".history .said:has-text('dent')")
    assert errors(page) == []


def fingers(page: "sync_api.Page", middle: tuple[float, float], apart: tuple[float, float]) -> None:
    """Two fingers, that are moved from one distance to another."""
    session, (x, y) = page.context.new_cdp_session(page), middle

    def touch(kind: str, *places: float) -> None:
        points = [{"x": x + place, "y": y, "id": at} for at, place in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    y -= page.evaluate("scrollY")
    touch("touchStart", -apart[0])
    touch("touchStart", -apart[0], apart[0])
    touch("touchMove", -apart[1], apart[1])
    touch("touchEnd")
    page.wait_for_timeout(100)


DROP = """content => {
  const moved = new DataTransfer();
  moved.items.add(new File([Uint8Array.from(atob(content), (one) => one.charCodeAt(0))], "<i>dropped</i>.png"));
  document.querySelector("#bring").dispatchEvent(new DragEvent("drop", { dataTransfer: moved, cancelable: true }));
}"""


def test_images_are_brought_by_the_keyboard_and_dropped_and_are_looked_at(served, opened, tmp_path):
    page = opened()
    page.goto(f"{served.url}/teach")
    tabbed(page, "#bring button")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#alert').textContent.startsWith('Nothing was sent')")
    with zipfile.ZipFile(tmp_path / "good.zip", "w") as archive:
        archive.writestr("<img src=x onerror=alert(1)>.txt", "x")
        archive.writestr("1.png", served.png)
    page.set_input_files("input[name=image]", tmp_path / "good.zip")
    tabbed(page, "#bring button")
    entered(page)
    page.wait_for_url("**/teach?teaching=*")
    assert page.text_content("#found ~ .verdict") == "1 image to learn from"
    assert "<img src=x" in page.text_content("#found ~ details ul")
    first = page.url
    page.evaluate(DROP, base64.b64encode(served.png).decode())
    page.wait_for_url(lambda url: "teaching=" in url and url != first)
    assert page.text_content("#found ~ .verdict") == "1 image to learn from"
    assert errors(page) == []


def accessible(page: "sync_api.Page") -> None:
    """No violation that axe-core finds, if it is there."""
    if AXE:
        how = json.dumps({"runOnly": LEVELS, "resultTypes": ["violations"]})
        script = f"{Path(AXE).read_text()};axe.run(document, {how}).then(found => JSON.stringify(found.violations))"
        session = page.context.new_cdp_session(page)  # the page itself lets no script in
        asked = {"expression": script, "awaitPromise": True, "returnByValue": True}
        found = json.loads(session.send("Runtime.evaluate", asked)["result"]["value"])
        assert [(one["id"], one["nodes"][0]["target"]) for one in found] == [], page.url


@pytest.mark.parametrize(("width", "scheme", "language"), [(1400, "light", "en"), (420, "dark", "de")])
def test_every_page_fits_says_nothing_in_the_console_and_can_be_read_by_all(served, opened, width, scheme, language):
    page = opened(viewport={"width": width, "height": 900}, color_scheme=scheme, locale=language)
    for path in PATHS:
        page.goto(served.url + path)
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path
        accessible(page)
    assert [line for line in errors(page) if "404" not in line] == []


def test_on_paper_all_is_black_on_white_and_nothing_is_cut(served, opened):
    page = opened(color_scheme="dark", viewport={"width": 700, "height": 1000})  # as wide as A4 within its margins
    page.emulate_media(media="print")
    for path in (
        "/images/8",
        "/threshold?prevalence=0.1&escape_cost=9&false_alarm_cost=1",
        "/trends",
        "/review",
        "/gallery",
    ):
        page.goto(served.url + path)
        page.wait_for_timeout(300)
        colours = page.evaluate("['backgroundColor', 'color'].map((key) => getComputedStyle(document.body)[key])")
        assert colours == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"], path
        assert page.evaluate(CUT) == [], path
        for hidden in ("header.bar", "footer", "button", ".verdicts", ".pager"):
            assert page.locator(f"{hidden} >> visible=true").count() == 0, (path, hidden)
        assert path in page.text_content(".printed"), path


def test_two_versions_are_compared_and_what_is_disputed_is_found_by_all(served, opened):
    client = served.client
    carl = Client(served.url, served.other, http=httpx2.Client(base_url=served.url, timeout=60))
    carl.judge(8, "ok", note="<script>alert(3)</script>")
    carl._http.close()
    client.recalibrate("exported", 1, "other", rule="fixed", options={"value": 1e9})
    page = opened()
    page.goto(f"{served.url}/gallery")
    page.click("summary:has-text('Views with a name')")
    page.fill(".keep [name=name]", "<img src=x onerror=alert(4)>")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.text_content(".views [aria-current]") == "<img src=x onerror=alert(4)>"
    accessible(page)
    page.goto(f"{served.url}/review")
    assert "carl" in page.text_content(".beside")
    accessible(page)
    tabbed(page, ".beside")
    entered(page)
    assert page.is_visible(".note:has-text('Judged differently')")
    page.keyboard.press("n")
    page.wait_for_selector(".history li:nth-child(3)")

    tabbed(page, "nav a[href='/detectors']")
    entered(page)
    tabbed(page, "[aria-label='Compare two versions on the same images'] button")
    entered(page)
    page.wait_for_selector("a[href='/detectors/comparisons/1']", timeout=30_000)
    tabbed(page, "a[href='/detectors/comparisons/1']")
    entered(page)
    page.wait_for_load_state()
    assert "8 images were inspected by both" in page.text_content("main")
    accessible(page)
    assert errors(page) == []
