"""Commands that prepare images say where prepared brightness alone tells defects from good images."""

import json
from pathlib import Path

import numpy as np
import pytest

from urushi.data.writing import write_image

WARNING = "brightness after preprocessing alone tells"
RECIPE = """
model.name = "pixel_pca"
model.n_components = 2
score.name = "squared_error"
[[preprocessing]]
name = "grey"
[[preprocessing]]
name = "STEP"
"""


def bar(rng: np.random.Generator, *, has_metal: bool) -> np.ndarray:
    """(16, 32) uint8: a bar before a white ground, as bright with metal as without, but for four black pixels."""
    image = np.full((16, 32), 255, np.uint8)
    image[3:13, 4:28] = rng.integers(150, 170) + rng.integers(0, 10, (10, 24))
    image[7:9, 14:16] = 0 if has_metal else image[7:9, 14:16]
    return image


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    """24 good bars to train, 12 good ones and 12 with metal to test."""
    rng = np.random.default_rng(0)
    for place, n in (("train/good", 24), ("test/good", 12), ("test/metal", 12)):
        for number in range(n):
            picture = bar(rng, has_metal="metal" in place)
            write_image(tmp_path / "bars" / place / f"{number}.png", picture)
    for step in ("min_max", "scale"):
        (tmp_path / f"{step}.toml").write_text(RECIPE.replace("STEP", step))
    return tmp_path / "bars"


@pytest.mark.parametrize(("step", "is_warned"), [("min_max", True), ("scale", False)])
def test_doctor_and_prepare_warn(urushi, bars, step, is_warned):
    recipe = bars.parent / f"{step}.toml"
    looked_at = urushi("doctor", bars, "--recipe", recipe)
    assert (f"{WARNING} test/metal from test/good: it is brighter" in looked_at.out) == is_warned
    assert WARNING not in urushi("doctor", bars).out  # raw brightness is equal
    prepared = urushi("prepare", bars, bars.parent / "out", "--recipe", recipe, "--n-shown", 1)
    assert (f"{WARNING} test/metal" in prepared.err) == is_warned
    assert ("alone tells test/metal" in (bars.parent / "out" / "prepare.html").read_text()) == is_warned


@pytest.mark.thorough
@pytest.mark.parametrize(("step", "is_warned"), [("min_max", True), ("scale", False)])
def test_fit_and_evaluate_warn(urushi, bars, step, is_warned):
    detector = bars.parent / "bars.urushi"
    fitted = urushi("fit", bars, "-o", detector, "--recipe", bars.parent / f"{step}.toml")
    assert (f"{WARNING} test/metal" in fitted.err) == is_warned
    figures = bars.parent / "figures.json"
    evaluated = urushi("evaluate", detector, bars, "--json", figures)
    assert (f"{WARNING} metal from good" in evaluated.err) == is_warned
    found = json.loads(figures.read_text())
    assert bool(found["prepared_luminance"]["warnings"]) == is_warned
    assert not found["luminance"]["warnings"]


def test_settings_without_a_recipe_are_an_error(urushi, bars):
    said = urushi("doctor", bars, "--set", "score.name=ssim")
    assert (said.status, "give --recipe, too" in said.err) == (2, True)
