import base64
import hashlib
import math
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from urushi.data.writing import write_image
from urushi.inspection import Unreadable
from urushi.preprocessing import Pipeline
from urushi.preprocessing.base import Image
from urushi.proposal import propose
from urushi.recipe import Part, Recipe
from urushi.reporting.grey_levels import Histogram, Levels
from urushi.reporting.preparation import PreparationReport
from urushi.reporting.stages import Mark, Trace, trace

HOSTILE = [
    "<script>alert(1)</script>.png",
    "\"quoted\" 'and' & more.png",
    "line\nbreak\tand\x00null.png",
    "undecodable\udcff and lone\ud800.png",
    "right to left\u202egnp.exe",
    "{{ 7 * 7 }}{% raw %}.png",
]
STEPS: tuple[dict[str, Any], ...] = (
    {"name": "grey"},
    {"name": "crop"},
    {"name": "resize", "height": 32, "width": 32},
    {"name": "contrast_stretching", "knots": [[30, 0], [140, 255]]},
    {"name": "gamma", "exponent": 0.6},
    {"name": "scale"},
)
VOID = {"meta", "img", "input", "br", "wbr"}


def object_image(seed: int = 0, dtype: type = np.uint8) -> Image:
    """(40, 60) grey: a noisy dark box, rows 10…29 and columns 20…49, before a bright background."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(180, 190, (40, 60))
    levels[10:30, 20:50] = rng.integers(40, 120, (20, 30))
    return (levels * (np.iinfo(dtype).max // 255)).astype(dtype)


def traced(image: Image, *steps: dict[str, Any], source: str = "a.png") -> Trace:
    parts = tuple(Part(**step) for step in steps or STEPS)
    return trace(pipeline(parts).fit([image]), parts, image, source)


def pipeline(parts: tuple[Part, ...]) -> Pipeline:
    return Pipeline.of(Recipe.find("autoencoder").model_copy(update={"preprocessing": parts}))


@pytest.fixture
def page(tmp_path: Path) -> Callable[..., str]:
    def page(images: dict[str, Image], *, group: str = "good", unreadable: str = "", proposed: bool = False) -> str:
        parts = tuple(Part(**step) for step in STEPS)
        proposal = propose(images.values()) if proposed else None
        report = PreparationReport("set", "potato", parts, pipeline(parts), proposal)
        for name, image in images.items():
            way = traced(image, source=name)
            report.add(way.stages[0].levels, way.stages[-1].levels, group, way)
        if unreadable:
            report.add_unreadable(Unreadable(unreadable, unreadable))
        report.write(tmp_path / "prepare.html")
        return (tmp_path / "prepare.html").read_text("utf-8")

    return page


class Nesting(HTMLParser):
    """Fails where an element is not closed, or another one is."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)


@pytest.mark.parametrize("proposed", [False, True])
def test_page_is_well_formed(page: Callable[..., str], proposed: bool) -> None:
    nesting = Nesting()
    nesting.feed(page({"a.png": object_image(), "b.png": object_image(1)}, unreadable="c.png", proposed=proposed))
    assert nesting.open == []
    assert nesting.seen.count("article") == 2
    assert nesting.seen.count("figure") == 2 * 7 + 2 + 2 * proposed  # stages, tone curves, before and after


def test_page_asks_no_network_and_has_no_inline_style(page: Callable[..., str]) -> None:
    found = page({"a.png": object_image()}, proposed=True)
    links = re.findall(r"""\b(?:src|href|action|data|poster)\s*=\s*["']?([^"'\s>]+)""", found)
    assert all(link.startswith(("data:image/webp;base64,", "#")) for link in links)
    assert not re.search(r"https?://|@import|url\(", found)
    assert not re.search(r"\s(?:style|on\w+)=", found.split("<body>")[1])
    (style,) = re.findall(r"<style>(.*?)</style>", found, re.DOTALL)
    assert f"style-src 'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'" in found


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_name_is_shown_and_harms_nothing(name: str, page: Callable[..., str]) -> None:
    found = page({name: object_image()}, group=name, unreadable=name)
    assert "<script" not in found
    assert "{{ 7 * 7 }}" in found or "7 * 7" not in name
    assert not re.search("[\ud800-\udfff\u202e\x00]", found)


def test_page_without_any_image_says_so(page: Callable[..., str]) -> None:
    found = page({}, unreadable="broken.png")
    assert "No image could be prepared" in found
    assert "broken.png" in found


def test_images_that_lose_all_their_levels_are_counted(page: Callable[..., str]) -> None:
    bright = object_image() // 3 + np.uint8(150)  # all above the upper knot of STEPS
    constant = np.full((40, 60), 200, np.uint8)
    way = traced(bright, {"name": "contrast_stretching", "knots": [[30, 0], [140, 255]]}, {"name": "scale"})
    report = PreparationReport("set", "potato", (), pipeline((Part(name="scale"),)))
    report.add(way.stages[0].levels, way.stages[-1].levels, "good")
    report.add(Levels.of(constant), Levels.of(constant), "good")  # it had no more before
    assert report.n_flattened == 1
    assert "single grey level" not in page({"a.png": object_image()})


def test_a_page_of_large_noisy_images_stays_small(page: Callable[..., str]) -> None:
    rng = np.random.default_rng(0)
    noise = {f"{i}.png": rng.integers(0, 256, (300, 300), np.uint8) for i in range(3)}
    for image in noise.values():
        image[:40] = 255
        image[100:] //= 2
    assert len(page(noise)) < 3 / 12 * 5_000_000


def test_stages_are_those_of_the_pipeline() -> None:
    way = traced(object_image())
    assert [stage.name for stage in way.stages] == ["original", *(step["name"] for step in STEPS)]
    assert [stage.size for stage in way.stages] == [(40, 60), (40, 60), (20, 30), *[(32, 32)] * 4]
    prepared = pipeline(tuple(Part(**step) for step in STEPS)).prepare(object_image()).pixels
    assert way.stages[-1].levels.luminance == pytest.approx(255 * prepared.mean(), rel=1e-5)
    assert way.stages[1].note == "unchanged, red: cut off beyond this line"


def test_what_a_crop_keeps_is_outlined() -> None:
    outside = np.ones((40, 60), bool)
    outside[10:30, 20:50] = False
    drawn = Mark("", outside, is_outline=True).where((40, 60))
    rows, columns = np.nonzero(drawn)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (10, 29, 20, 49)
    assert not drawn[12:28, 22:48].any()


def test_the_outline_of_a_crop_that_reaches_the_edge_is_closed_there() -> None:
    outside = np.zeros((40, 60), bool)
    outside[:, 30:] = True
    drawn = Mark("", outside, is_outline=True).where((40, 60))
    assert drawn[:, 0].all()
    assert drawn[0, :30].all()
    assert not drawn[:, 30:].any()


def test_dead_pixels_are_marked_however_thin(tmp_path: Path) -> None:
    dead = np.zeros((40, 60), np.uint8)
    dead[:, 7] = 255
    write_image(tmp_path / "mask.png", dead)
    way = traced(object_image(), {"name": "inpainting", "mask": str(tmp_path / "mask.png")}, {"name": "scale"})
    assert way.stages[0].note == "red: dead pixels"
    assert way.stages[1].options == "mask mask.png"
    assert Mark("", dead > 0).where((10, 15)).any()


def test_counts_and_luminance_do_not_depend_on_the_depth() -> None:
    shallow, deep = Levels.of(object_image()), Levels.of(object_image(dtype=np.uint16))
    as_float = Levels.of((object_image() / 255).astype(np.float32))
    assert np.array_equal(shallow.counts, np.bincount(object_image().ravel(), minlength=256))
    assert np.array_equal(shallow.counts, deep.counts)
    assert np.array_equal(shallow.counts, as_float.counts)
    assert shallow.luminance == pytest.approx(object_image().mean())  # S2 eq. 6.15
    assert deep.luminance == as_float.luminance == pytest.approx(shallow.luminance)


def test_floats_beyond_the_range_are_shown_stretched_and_have_no_luminance() -> None:
    image = np.linspace(-3, 5, 400, dtype=np.float32).reshape(20, 20)
    way = traced(image, {"name": "min_max"})
    assert math.isnan(way.stages[0].levels.luminance)
    assert way.stages[0].note == "shown with -3 as black and 5 as white"
    assert way.stages[1].levels.luminance == pytest.approx(127.5)


def test_histogram_is_logarithmic_and_its_line_is_the_cumulative_share() -> None:
    values = np.zeros(256)
    values[[3, 100, 200]] = 1, 10, 100
    plot = Histogram(values)
    unit = 100 / math.log10(200)  # the box reaches from half of the smallest value to the largest
    assert [plot.height(v) for v in (1, 10, 100)] == pytest.approx([unit * math.log10(2 * v) for v in (1, 10, 100)])
    assert [exponent for _, exponent in plot.decades] == [0, 1, 2]
    line = [float(y) for y in re.findall(r"V([\d.]+)", plot.cumulative)]
    assert line == pytest.approx(100 - 100 * np.cumsum(values) / 111, abs=0.051)


def test_empty_and_single_level_histograms_can_be_drawn() -> None:
    assert Histogram(np.zeros(256)).bars.startswith("M0 100")
    single = np.zeros(256)
    single[7] = 5
    assert Histogram(single).height(5) == 100


def test_tone_curve_of_a_stretch_is_its_formula() -> None:
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    (curve,) = traced(image, {"name": "contrast_stretching", "knots": [[30, 0], [140, 255]]}).curves
    assert curve is not None
    expected = np.interp(np.arange(256), [30, 140], [0, 255])
    assert curve.total / curve.n == pytest.approx(expected, abs=0.501)
    assert np.array_equal(curve.low, curve.high)
    assert curve.changes


def test_a_step_that_moves_pixels_has_no_tone_curve() -> None:
    assert [curve is None for curve in traced(object_image()).curves] == [False, True, True, False, False, False]
    assert traced(object_image(), {"name": "rotation_padding"}, {"name": "scale"}).curves[0] is None


def test_scaling_changes_no_level() -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (30, 30)).astype(np.uint16)
    way = traced(deep, {"name": "scale"})
    assert way.curves[0] is not None
    assert not way.curves[0].changes
    assert way.stages[1].note == "unchanged"


def test_luminance_table_has_every_group_before_and_after(page: Callable[..., str]) -> None:
    found = page({"a.png": object_image(), "b.png": object_image(1)}, group="test/needle")
    row = re.search(r'<th scope="row">test/needle</th>(.*?)</tr>', found, re.DOTALL)
    assert row is not None
    means = [np.mean(object_image(seed)) for seed in (0, 1)]
    assert f'<td class="num">2</td>\n<td class="num">{np.mean(means):.1f}</td>' in row[1]
    assert f"{min(means):.1f} to {max(means):.1f}" in row[1]
