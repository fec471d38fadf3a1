from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from urushi.inspection import Inspection
from urushi.reporting.outline import contours, outline
from urushi.reporting.report import DetectorFacts, Report

Inspect = Callable[..., Inspection]


def marked(height: int, width: int) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[height // 4 : height // 2, width // 2 : width] = True
    return mask


def corners(path: str) -> np.ndarray:
    return np.array([point.split() for point in path.strip("MZ").split("L")], float)


@pytest.mark.parametrize("size", [(32, 64), (320, 640), (1600, 3200)])
def test_a_contour_lies_round_the_mask_in_pixels_of_the_original(size: tuple[int, int]) -> None:
    (path,) = contours(marked(*size), (32, 64))
    found = corners(path)
    assert found.min(axis=0) == pytest.approx([32, 8], abs=0.6)
    assert found.max(axis=0) == pytest.approx([64, 16], abs=0.6)


def test_the_smallest_part_of_a_large_mask_has_a_contour() -> None:
    mask = np.zeros((3000, 3000), bool)
    mask[1000, 2000] = True
    (path,) = contours(mask, (3000, 3000))
    assert corners(path)[0] == pytest.approx([2000, 1000], abs=6)


def test_a_noisy_mask_gives_no_more_than_some_contours() -> None:
    assert len(contours(np.random.default_rng(0).random((300, 300)) < 0.05, (300, 300))) == 50


def test_a_mask_that_cannot_be_read_or_does_not_fit_has_none(inspect: Inspect, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_text("no mask")
    Image.fromarray(marked(32, 96)).save(tmp_path / "wide.png")
    assert outline(tmp_path / "broken.png", inspect()) == outline(tmp_path / "wide.png", inspect()) == ()


def test_the_true_mask_is_drawn_on_a_card_whether_it_was_found_or_missed(
    facts: DetectorFacts, inspect: Inspect, written: Callable[[Report], str], tmp_path: Path
) -> None:
    Image.fromarray(marked(32, 32)).save(tmp_path / "mask.png")
    report = Report("evaluation", facts, labels={"found.png": "crack", "missed.png": "crack"})
    report.show_masks(dict.fromkeys(("found.png", "missed.png"), tmp_path / "mask.png"))
    for name, score in (("found.png", 0.9), ("missed.png", 0.2), ("without.png", 0.9)):
        report.add(inspect(name, score))
    page = written(report)
    assert page.count('<path class="truth inner" d="M') == 2
    assert page.count("true defect dashed") == 2
