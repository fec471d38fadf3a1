"""Makes the picture of README.md from the page that the demo wrote, in a browser without a window (Debian's chromium).

urushi demo && python docs/picture.py demo/report.html docs/picture.png

Above the page's top, down to the scores; below its first image, a missed defect, and the two worst images.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

WIDTH_PX, HEIGHT_PX, MARGIN_PX = 1000, 9000, 12  # of the window: high enough for the worst images
COUNTS, SCORES, FIRST = range(3)  # the page's panels from above; then come further missed defects, and the worst images
MISSED = re.compile(r"defects missed</\w+>\s*<\w+[^>]*>\s*(\d+)")
LEAST_PX = 50  # a panel is higher than what can be set, which is white as well
INSIDE_PX = 27  # from the left edge of the window: within a panel, left of what is written in it
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


def shot(page: str) -> np.ndarray:
    """The page as a window shows it, (H, W, 3)."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "shot.png"
        size = ("--hide-scrollbars", f"--window-size={WIDTH_PX},{HEIGHT_PX}", f"--screenshot={file}")
        command = ["chromium", *QUIET, f"--user-data-dir={folder}/profile", *size, page]
        subprocess.run(command, check=True, capture_output=True)
        return np.asarray(Image.open(file).convert("RGB"))


def panels(window: np.ndarray) -> Iterator[slice]:
    """The rows of each panel, which is white on a ground that is not."""
    is_panel = (window[:, INSIDE_PX] == 255).all(axis=1)
    edges = np.flatnonzero(np.diff(is_panel.astype(int))) + 1
    found = (slice(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=False))
    return (panel for panel in found if panel.stop - panel.start >= LEAST_PX)


def main(report: Path, picture: Path) -> None:
    """From the report to the picture."""
    window = shot(report.resolve().as_uri())
    found = list(panels(window))
    counted = MISSED.search(report.read_text(encoding="utf-8"))
    assert counted, "the page of an evaluation says how many defects were missed"
    worst = FIRST + int(counted[1])
    gap = np.full((MARGIN_PX, WIDTH_PX, 3), 255, np.uint8)
    parts = [window[: found[SCORES].stop + MARGIN_PX], gap]
    for first, last in ((FIRST, FIRST), (worst, worst + 1)):
        parts.append(window[found[first].start - MARGIN_PX : found[last].stop + MARGIN_PX])
    Image.fromarray(np.concatenate(parts)).quantize(128).save(picture, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
