"""From a zip of good images to the trends of a shift, in a browser: once by mouse, once by the keyboard alone."""

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from test_station_in_a_browser import CHROMIUM, errors, opened, served, sync_api, tabbed, until  # noqa: F401

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")]
_PATIENCE_SECONDS = 280
Page = "sync_api.Page"


@pytest.fixture
def images() -> tuple[list[bytes], list[bytes]]:
    """Good ones, smooth shades with little noise, and bad ones with a bright square."""
    rng, shade = np.random.default_rng(0), np.linspace(60, 120, 64)[:, None] + np.zeros(64)

    def file(number: int, *, is_bad: bool) -> bytes:
        pixels = shade + rng.normal(0, 4, shade.shape)
        if is_bad:
            pixels[30 : 40 + number, 30:46] = 255
        return cv2.imencode(".png", pixels.astype(np.uint8))[1].tobytes()

    return [file(number, is_bad=False) for number in range(32)], [file(number, is_bad=True) for number in range(4)]


class Mouse:
    """Clicks, drags and drops."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, selector: str) -> None:
        self.page.click(selector)

    def write(self, selector: str, text: str) -> None:
        self.page.fill(selector, text)

    def bring(self, place: Path) -> None:
        """Drops a file out of the file manager: the browser itself makes the events."""
        box = self.page.locator("#bring").bounding_box()
        session = self.page.context.new_cdp_session(self.page)
        where = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        data = {"items": [], "files": [str(place)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "dragOver", "drop"):
            session.send("Input.dispatchDragEvent", {"type": kind, "data": data, **where})

    def draw(self) -> None:
        self.press("[data-kind=ignore]")
        canvas = self.page.locator("#canvas")
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        self.page.mouse.move(box["x"] + 1, box["y"] + 1)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 4, steps=3)
        self.page.mouse.up()

    def choose_tiny(self) -> None:
        self.press("input[value=tiny_pc]")

    def choose_rule(self, name: str) -> None:
        self.page.select_option("select[name=rule]", name)

    def judge(self, verdict: str) -> None:
        self.press(f"[data-verdict={verdict}]:not([data-type])")

    def slide(self) -> None:
        box = self.page.locator("#slider").bounding_box()
        self.page.mouse.click(box["x"] + 0.6 * box["width"], box["y"] + box["height"] / 2)


class Keys:
    """The keyboard alone."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, selector: str) -> None:
        tabbed(self.page, selector)
        self.page.keyboard.press("Enter")

    def write(self, selector: str, text: str) -> None:
        tabbed(self.page, selector)
        self.page.keyboard.type(text)

    def bring(self, place: Path) -> None:
        tabbed(self.page, "input[name=image]")
        with self.page.expect_file_chooser() as chooser:
            self.page.keyboard.press("Enter")
        chooser.value.set_files(place)
        self.press("#bring button")

    def draw(self) -> None:
        self.press("[data-kind=ignore]")
        tabbed(self.page, "#canvas")
        for key, n in (("Shift+ArrowLeft", 5), ("Shift+ArrowUp", 5), ("Enter", 1)):
            for _ in range(n):
                self.page.keyboard.press(key)
        assert self.page.text_content("#area-at") == "at 0 %, 0 %"
        for key, n in (
            ("Shift+ArrowRight", 2),
            ("ArrowRight", 5),
            ("Shift+ArrowDown", 3),
            ("ArrowUp", 5),
            ("Enter", 1),
        ):
            for _ in range(n):
                self.page.keyboard.press(key)

    def choose_tiny(self) -> None:
        tabbed(self.page, "input[name=recipe]:checked")
        self.page.keyboard.press("ArrowUp")  # from the first one to the last

    def choose_rule(self, name: str) -> None:
        tabbed(self.page, "select[name=rule]")
        self.page.keyboard.type(name)

    def judge(self, verdict: str) -> None:
        self.page.keyboard.press(verdict[0])

    def slide(self) -> None:
        tabbed(self.page, "#slider")
        for _ in range(12):
            self.page.keyboard.press("ArrowRight")


@pytest.mark.parametrize("hands", [Mouse, Keys])
def test_from_a_zip_of_good_images_to_the_trends_of_a_shift(served, opened, images, tmp_path, hands):  # noqa: F811
    (good, bad), page = images, opened(viewport={"width": 1400, "height": 1000})
    hand, client = hands(page), served.client
    with zipfile.ZipFile(tmp_path / "good.zip", "w") as archive:
        for number, content in enumerate(good[:24]):
            archive.writestr(f"good/{number}.png", content)
        archive.writestr("good/<b>notes</b>.txt", "x")

    gone_to(hand, "/teach")
    hand.bring(tmp_path / "good.zip")
    page.wait_for_url("**/teach?teaching=*")
    assert page.text_content("#found ~ .verdict") == "24 images to learn from"
    assert "<b>notes</b>.txt" in page.text_content("#found ~ details ul")

    hand.draw()
    (drawn,) = json.loads(page.evaluate("document.querySelector('#area-drawn').value"))["ignore"]
    assert drawn[0] == pytest.approx([0, 0], abs=0.02)
    assert drawn[2] == pytest.approx([0.25, 0.25], abs=0.02)
    hand.choose_tiny()
    hand.write("input[name=detector]", "exported")
    hand.write("form[action='/teach/fit'] input[name=reason]", "a new part")
    hand.press("form[action='/teach/fit'] button.main")
    page.wait_for_url("**/teach#jobs")
    page.wait_for_selector("a.button[href='/teach/jobs/1']", timeout=1000 * _PATIENCE_SECONDS)

    hand.press("a.button[href='/teach/jobs/1']")
    page.wait_for_selector("#planted")
    assert page.locator(".planted").count() == 4 * 4
    assert client.detector("exported").version == 1
    hand.write("input[name=reason]", "sees enough")
    hand.press("form[action='/detectors/current'] button.main")
    page.wait_for_url("**/detectors?detector=exported#v2")
    assert client.detector("exported").card["region"]["ignored_share"] == pytest.approx(1 / 16, abs=0.01)

    for number, content in enumerate(good[24:]):
        client.inspect("exported", [content], part_id=f"good-{number}", shift="late")
    for number, content in enumerate(bad):
        client.inspect("exported", [content], part_id=f"bad-{number}", shift="late")
    gone_to(hand, "/review")
    reviewed(page, hand, len(good[24:]) + len(bad))
    said = {one.part_id: one.verdict.verdict for one in client.inspections() if one.shift == "late"}
    assert said == {f"good-{n}": "ok" for n in range(8)} | {f"bad-{n}": "ng" for n in range(4)}

    gone_to(hand, "/threshold")
    before = client.detector("exported").threshold["value"]
    hand.slide()
    hand.press("#choose")
    applied(page, hand, "a stricter customer", "#v3")
    assert client.detector("exported").threshold["value"] != before

    gone_to(hand, "/review")
    hand.press("a[href^='/recalibration']")
    page.wait_for_url("**/recalibration?*")
    hand.choose_rule("youden")
    hand.press("form[method=get] button.main")
    applied(page, hand, "from the verdicts of the shift", "#v4")

    gone_to(hand, "/trends")
    assert page.locator(".chart .point").count() >= 4
    reasons = [one.reason for one in client.changes(limit=40) if one.action == "version"]
    assert reasons[:3] == ["from the verdicts of the shift", "a stricter customer", "sees enough"]
    assert errors(page) == []


def gone_to(hand: Mouse | Keys, path: str) -> None:
    """By the links at the top."""
    hand.press(f"nav a[href='{path}']")
    hand.page.wait_for_url(f"**{path}")
    hand.page.wait_for_timeout(300)


def reviewed(page: Page, hand: Mouse | Keys, n_waiting: int) -> None:
    """Says of all that waits what it is, by the name of its part."""
    page.wait_for_selector("#decided .decision")
    for n in range(1, n_waiting + 1):
        hand.judge("ng" if "bad" in page.text_content("#about") else "ok")
        until(page, "n => document.querySelectorAll('#given li').length === n", n)
    page.wait_for_selector("#done:not([hidden])")


def applied(page: Page, hand: Mouse | Keys, reason: str, anchor: str) -> None:
    """What is previewed, for a reason."""
    page.wait_for_selector("#changes")
    hand.write("form[action='/recalibration'] input[name=reason]", reason)
    hand.press("form[action='/recalibration'] button.main")
    page.wait_for_url(f"**{anchor}")
