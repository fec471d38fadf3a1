"""`urushi fit --ignore`: a mask of what counts for nothing, and where it is said afterwards."""

import json

import numpy as np
import pytest

from weave import texture, write


@pytest.fixture
def corner(tmp_path):
    """A mask of the left upper quarter of the weave."""
    mask = np.zeros((64, 64), np.uint8)
    mask[:32, :32] = 255
    write(tmp_path / "corner.png", mask)
    return tmp_path / "corner.png"


@pytest.mark.thorough
def test_what_a_mask_marks_is_ignored_and_reports_show_it(urushi, quick, dataset, corner, tmp_path, folders):
    fitted = urushi("fit", dataset, "-o", "part.urushi", *quick, "--ignore", corner)
    assert fitted.status == 0
    assert f"25 % of each image is ignored, by the mask {corner}" in fitted.err
    shown = urushi("inspect", "part.urushi", *folders, "--format", "json", "--report", "--out", tmp_path)
    found = json.loads(shown.out)["results"]
    scores = [one["score"] for one in found]
    assert scores[:3] == scores[3:]
    assert {one["ignored_share"] for one in found} == {0.25}
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.count('class="ignored"') == 6
    assert "Hatched: ignored by this detector, 25 % of each picture" in page
    assert "25 % of each image is ignored" in page


@pytest.fixture
def folders(tmp_path):
    """Two folders of the same good images; in one a label that changes lies in the corner."""
    for seed in range(600, 603):
        image = texture(seed)
        write(tmp_path / "clean" / f"{seed}.png", image)
        image[2:20, 3:25] = np.random.default_rng(seed).integers(0, 256, (18, 22))
        write(tmp_path / "spoilt" / f"{seed}.png", image)
    return tmp_path / "clean", tmp_path / "spoilt"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--ignore", "corner.png", "--inspect-only", "corner.png"], "--ignore and --inspect-only were given"),
        (["--ignore", "gone.png"], "gone.png"),
        (["--ignore", "wide.png"], "wide.png: the mask has 99 × 64 px (width × height), its image 64 × 64"),
        (["--inspect-only", "blank.png"], "leaves 0.0% of the image to inspect"),
        (["--ignore", "blank.png"], "the region ignores nothing"),
        (["--ignore", "corner.png", "--recipe", "tiled"], "does not go together with tiles"),
        (["--ignore", "corner.png", "--set", "region.ignore=[[[0,0],[1,0],[1,1]]]"], "a mask and polygons were given"),
    ],
)
def test_masks_that_say_nothing_too_much_or_two_things_are_refused(
    urushi, quick, dataset, corner, tmp_path, arguments, problem
):
    write(tmp_path / "wide.png", np.eye(64, 99, dtype=np.uint8) * 255)
    write(tmp_path / "blank.png", np.zeros((64, 64), np.uint8))
    settings = [] if "tiled" in arguments else quick
    result = urushi("fit", dataset, "-o", "part.urushi", *settings, *arguments)
    assert result.status == 2
    assert problem in " ".join(result.err.split())
    assert not (tmp_path / "part.urushi").exists()
