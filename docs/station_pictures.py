"""Makes the pictures of docs/station.md: a station with a history, each page light and dark, on a desk and a phone.

python docs/station_pictures.py fill STATION brick.urushi demo/images
python docs/station_pictures.py show STATION docs/station [LARGE]

The first makes a station's folder with a day of history and a detector that is newly learnt, which takes minutes; the
second takes the pictures, and into the folder LARGE each as large as it is, to be looked at. The detector is to be one
of `urushi demo`, and the images its own, which are those of scikit-image: the defects are synthetic. Needs Playwright
and Debian's chromium.
"""

import io
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import select

from urushi.errors import NotFoundError
from urushi.serving.client import Client
from urushi.serving.station import open_database
from urushi.serving.tables import Inspected
from urushi.serving.tokens import Tokens

WINDOWS = {"desk": {"width": 1100, "height": 760}, "phone": {"width": 400, "height": 760}}
COLOURS = ("light", "dark")
COSTS = "prevalence=0.02&escape_cost=50&false_alarm_cost=1"
MAIN_SCALE, SHEET_SCALE = 0.75, 0.42
QUIET = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
N_GOOD, N_BAD, N_TAUGHT, HOURS = 48, 24, 48, 14

# --- a day of history -------------------------------------------------------------------------------------------------


@contextmanager
def served(folder: Path, *arguments: Path) -> Iterator[str]:
    """The address of a station that runs meanwhile."""
    program = [sys.executable, "-c", "from urushi.cli import main; main()"]
    command = [*program, "serve", *map(str, arguments), "--data", str(folder), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        lines = iter(process.stderr.readline, "") if process.stderr else iter(())
        yield next(found[1] for line in lines if (found := re.search(r"serves (http\S+)", line)))
        process.terminate()


def inspect(client: Client, name: str, images: Path) -> None:
    """Two shifts of parts, most of the first one judged by a person, some by two."""
    rng = random.Random(3)
    bad = [
        place for strength in ("full", "half", "quarter") for place in sorted((images / "test" / strength).iterdir())
    ]
    good = rng.sample(sorted((images / "test/good").iterdir()), N_GOOD)
    line = [(place, "good") for place in good] + [(place, place.name.split("_")[0]) for place in rng.sample(bad, N_BAD)]
    rng.shuffle(line)
    line.append(next((place, place.name.split("_")[0]) for place in bad if place.parent.name == "full"))
    for number, (place, kind) in enumerate(line):
        shift = "early" if number < 0.6 * len(line) else "late"
        about: dict[str, Any] = {
            "shift": shift,
            "station": f"cell {number % 2 + 1}",
            "tag": ["A7"] if number % 3 else ["B2"],
        }
        (found,) = client.inspect(name, [place], part_id=f"B-{1001 + number}", **about)
        if shift == "early" and number % 5:
            client.judge(
                found.id, "ok" if kind == "good" else "ng", **({} if kind == "good" else {"defect_type": kind})
            )


def spread(folder: Path) -> None:
    """The inspections over some hours, as if they had come one after the other."""
    database = open_database(folder)
    with database.writing() as session:
        rows = list(session.scalars(select(Inspected).order_by(Inspected.id)))
        for number, row in enumerate(rows):
            row.time -= timedelta(hours=HOURS * (1 - (number + 1) / len(rows)))
    database.close()


def taught(client: Client, url: str, token: str, images: Path, scratch: Path) -> int:
    """The number of a job that has learnt a zip of good images."""
    place = scratch / "good.zip"
    with zipfile.ZipFile(place, "w") as archive:
        for number, image in enumerate(sorted((images / "train/good").iterdir())[:N_TAUGHT]):
            archive.write(image, f"bricks/{number:03}.png")
        archive.writestr("bricks/read me.txt", "good bricks of Monday")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/zip"}
    answer = httpx2.post(f"{url}/v1/teaching", content=place.read_bytes(), headers=headers, timeout=60)
    job = client.begin("fit", "brick-new", "new kiln since Monday", teaching=answer.json()["id"], goes_live=False)
    (*_, last) = client.followed(job.id)
    assert last.state == "done", last.message
    return job.id


# --- pictures ---------------------------------------------------------------------------------------------------------


def first_part(page: Page) -> None:
    """The worst image of the gallery."""
    page.click(".part")


def drawn(page: Page) -> None:
    """A part of the image that never counts, and one that does."""
    page.wait_for_selector("#canvas img")
    for kind, (x, y, u, v) in (("inspect", (0.03, 0.03, 0.97, 0.97)), ("ignore", (0.03, 0.03, 0.3, 0.2))):
        page.click(f"[data-kind={kind}]")
        page.locator("#canvas").scroll_into_view_if_needed()
        box = page.locator("#canvas").bounding_box() or {}
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + u * box["width"], box["y"] + v * box["height"], steps=3)
        page.mouse.up()
    page.evaluate("document.querySelector('#area').scrollIntoView()")


def at(anchor: str) -> Callable[[Page], None]:
    """A part of the page at the upper edge."""
    return lambda page: page.evaluate("anchor => document.querySelector(anchor).scrollIntoView()", anchor)


def pages(teaching: str, job: int) -> dict[str, tuple[str, Callable[[Page], None] | None]]:
    """Path of each, and what is done there."""
    return {
        "live": ("/", None),
        "gallery": ("/gallery", None),
        "image": ("/gallery", first_part),
        "review": ("/review", None),
        "threshold": (f"/threshold?{COSTS}", None),
        "recalibration": ("/recalibration?rule=youden", at("#changes")),
        "trends": ("/trends?by=hour", None),
        "detectors": ("/detectors", None),
        "teach": (f"/teach?teaching={teaching}", at("#found")),
        "area": (f"/teach?teaching={teaching}", drawn),
        "first-look": (f"/teach/jobs/{job}", at("#planted")),
    }


def logged_in(browser: Browser, url: str, token: str, window: str, colours: str) -> Page:
    """A page of a window of that size, in these colours."""
    page = browser.new_context(viewport=WINDOWS[window], color_scheme=colours, locale="en").new_page()  # type: ignore[arg-type]
    page.goto(f"{url}/login")
    page.fill("input[name=token]", token)
    page.press("input[name=token]", "Enter")
    page.wait_for_url(f"{url}/")
    return page


def shots(
    url: str, token: str, shown: dict[str, tuple[str, Callable[[Page], None] | None]]
) -> Iterator[tuple[str, str, Image.Image]]:
    """Name of the page, window and colours, picture."""
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        how: dict[str, Any] = {"executable_path": shutil.which("chromium"), "args": QUIET}
        browser = playwright.chromium.launch(**how, env={**os.environ, "HOME": home})
        for window in WINDOWS:
            for colours in COLOURS:
                page = logged_in(browser, url, token, window, colours)
                for name, (path, act) in shown.items():
                    page.goto(url + path)
                    page.wait_for_timeout(500)
                    if act:
                        act(page)
                    page.wait_for_timeout(1000)
                    yield name, f"{window}-{colours}", Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        browser.close()


def smaller(picture: Image.Image, scale: float) -> Image.Image:
    """The same in fewer pixels."""
    return picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)


def sheet(pictures: list[Image.Image]) -> Image.Image:
    """All windows of a page side by side."""
    small = [smaller(one, SHEET_SCALE) for one in pictures]
    made = Image.new("RGB", (sum(one.width + 6 for one in small) - 6, small[0].height), "#888")
    left = 0
    for one in small:
        made.paste(one, (left, 0))
        left += one.width + 6
    return made


def token_of(station: Path) -> str:
    """A new one for who may do all."""
    database = open_database(station)
    tokens = Tokens(database)
    with suppress(NotFoundError):
        tokens.revoke("anna", "docs")
    token = tokens.create("anna", "admin", "docs")
    database.close()
    return token


def fill(station: Path, detector: Path, images: Path) -> None:
    """A day of history, and a detector that was taught."""
    token = token_of(station)
    with served(station, detector) as url:
        inspect(Client(url, token), detector.stem, images)
    spread(station)
    with served(station) as url, tempfile.TemporaryDirectory(prefix="urushi-") as scratch:
        taught(Client(url, token), url, token, images, Path(scratch))


def show(station: Path, folder: Path, large: Path | None = None) -> None:
    """Pictures of each page, and a sheet with all windows of it."""
    token, found = token_of(station), dict[str, dict[str, Image.Image]]()
    with served(station) as url:
        jobs = httpx2.get(f"{url}/v1/jobs", headers={"Authorization": f"Bearer {token}"}).json()
        job = next(job for job in jobs if job["kind"] == "fit")
        for name, how, picture in shots(url, token, pages(job["asked"]["teaching"], job["id"])):
            found.setdefault(name, {})[how] = picture
            if large:
                large.mkdir(exist_ok=True)
                picture.save(large / f"{name}-{how}.png")
    (folder / "all").mkdir(parents=True, exist_ok=True)
    for name, of_page in found.items():
        main_one = of_page["phone-light" if name == "review" else "desk-dark" if name == "gallery" else "desk-light"]
        smaller(main_one, MAIN_SCALE).save(folder / f"{name}.webp", "WEBP", quality=72, method=6)
        sheet(list(of_page.values())).save(folder / "all" / f"{name}.webp", "WEBP", quality=60, method=6)


if __name__ == "__main__":
    {"fill": fill, "show": show}[sys.argv[1]](*map(Path, sys.argv[2:]))
