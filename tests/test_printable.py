import re
from pathlib import Path

import pytest

from urushi.printable import counted, in_px, printable

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


def test_no_place_writes_a_height_before_a_width() -> None:
    files = [path for suffix in ("py", "j2", "js") for path in sorted(SOURCES.rglob(f"*.{suffix}"))]
    found = [f"{path.name}: {hit[0]}" for path in files for hit in HEIGHT_FIRST.finditer(path.read_text("utf-8"))]
    assert found == []


@pytest.mark.parametrize(
    ("n", "words", "said"),
    [
        (0, ("good image",), "0 good images"),
        (1, ("good image",), "1 good image"),
        (2, ("good image",), "2 good images"),
        (1, ("image is", "images are"), "1 image is"),
        (3, ("image is", "images are"), "3 images are"),
        (1200, ("image",), "1,200 images"),
    ],
)
def test_a_number_is_said_with_the_word_in_its_right_form(n: int, words: tuple[str, ...], said: str) -> None:
    assert counted(n, *words) == said


# As {n} images or {len(found)} good images, which says "1 images" where there is one.
ALWAYS_SEVERAL = re.compile(
    r"\{(?:n|n_\w+|len\([^{}]*\)|[\w.]+\.n_\w+|[\w.]+\[.n_\w+.\])\} (?:\w+ )?(?:images|files|masks)\b"
)


def test_no_message_of_commands_and_data_counts_one_as_several() -> None:
    files = [path for room in ("cli", "data") for path in sorted((SOURCES / room).rglob("*.py"))]
    found = [f"{path.name}: {hit[0]}" for path in files for hit in ALWAYS_SEVERAL.finditer(path.read_text("utf-8"))]
    assert found == []


def test_what_can_be_seen_stays_and_the_rest_is_escaped() -> None:
    text = "漆 é ½" * 100
    assert printable(text) is text  # a picture's worth of it costs nothing
    assert printable("a\nb\u202ec\ud800\t") == "a\\nb\\u202ec\\ud800\\t"
    assert printable("a\nb\t", keep_lines=True) == "a\nb\\t"
