import re
from pathlib import Path

import pytest

from urushi.printable import counted, in_px

SOURCES = Path(__file__).parent.parent / "src" / "urushi"
# A width that is written after a height, as {height}×{width} or {size[0]} × {size[1]}.
HEIGHT_FIRST = re.compile(
    r"\{+ ?(?:[\w.]*height\w*|h|n_rows|n_lines|rows|[\w.]+(?:\[0\]|shape\[1\])) ?\}+ ?[×x] ?\{", re.IGNORECASE
)


@pytest.mark.parametrize(
    ("size", "said"),
    [((480, 640), "640 × 480 px (width × height)"), ((64, 64), "64 × 64 px"), ((2, 3, 3), "3 × 2 px (width × height)")],
)
def test_a_size_is_said_as_width_and_height_and_says_so_where_it_matters(size: tuple[int, ...], said: str) -> None:
    assert in_px(size) == said


@pytest.mark.parametrize(("n", "said"), [(0, "0 images"), (1, "1 image"), (2, "2 images"), (1200, "1,200 images")])
def test_things_are_counted_with_their_plural(n: int, said: str) -> None:
    assert counted(n, "image") == said


def test_no_place_writes_a_height_before_a_width() -> None:
    files = [path for suffix in ("py", "j2", "js") for path in sorted(SOURCES.rglob(f"*.{suffix}"))]
    found = [f"{path.name}: {hit[0]}" for path in files for hit in HEIGHT_FIRST.finditer(path.read_text("utf-8"))]
    assert found == []
