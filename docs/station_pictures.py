"""Makes the pictures of docs/station-page.md from a running station, by Playwright in Debian's chromium.

python docs/station_pictures.py http://127.0.0.1:8000 TOKEN docs/station

The station is to have inspected images of `urushi demo` only, which are those of scikit-image.
"""

import io
import os
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

WIDE, PHONE = {"width": 1100, "height": 760}, {"width": 400, "height": 760}
COSTS = "prevalence=0.02&escape_cost=50&false_alarm_cost=1"
SHOTS = {  # path, window, colours
    "live": ("/", WIDE, "light"),
    "gallery": ("/gallery", WIDE, "dark"),
    "image": ("/gallery", WIDE, "light"),
    "review": ("/review", PHONE, "light"),
    "threshold": (f"/threshold?{COSTS}", WIDE, "light"),
    "trends": ("/trends?by=shift", WIDE, "light"),
}
SCALE = 0.75
QUIET = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


def shown(page: Page, url: str, name: str) -> None:
    """Goes to what is to be seen."""
    page.goto(url + SHOTS[name][0])
    if name == "image":
        page.click(".part")
    page.wait_for_timeout(1500)


def main(url: str, token: str, folder: Path) -> None:
    """A small picture of each page."""
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        how = {"executable_path": shutil.which("chromium"), "args": QUIET, "env": {**os.environ, "HOME": home}}
        browser = playwright.chromium.launch(**how)
        for name, (_, window, colours) in SHOTS.items():
            page = browser.new_context(viewport=window, color_scheme=colours, locale="en").new_page()
            page.goto(f"{url}/login")
            page.fill("input[name=token]", token)
            page.press("input[name=token]", "Enter")
            page.wait_for_url(f"{url}/")
            shown(page, url, name)
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            small = picture.resize(
                (round(picture.width * SCALE), round(picture.height * SCALE)), Image.Resampling.LANCZOS
            )
            small.save(folder / f"{name}.webp", "WEBP", quality=72, method=6)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
