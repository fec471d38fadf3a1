import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from urushi.errors import InputError
from urushi.inspection import Inspection
from urushi.reporting.picture_folder import PictureFolder
from urushi.reporting.report import DetectorFacts, Report

Inspect = Callable[..., Inspection]
DataOf = Callable[[str], dict[str, Any]]


def write(page: Path, facts: DetectorFacts, images: list[Inspection], n_shown: int = 2) -> str:
    report = Report("shift", facts, n_shown=n_shown, folder=PictureFolder(page))
    for image in images:
        report.add(image)
    report.write(page)
    return page.read_text("utf-8")


def test_pictures_of_all_images_without_a_card_lie_beside_the_page(
    facts: DetectorFacts, inspect: Inspect, data_of: DataOf, tmp_path: Path
) -> None:
    images = [inspect(f"{number}.png", score) for number, score in enumerate((0.2, 0.9, 0.3, 0.8, 0.4))]
    page = write(tmp_path / "report.html", facts, images)
    pictures = sorted(path.name for path in (tmp_path / "report-pictures").glob("*.webp"))
    assert pictures == [f"{n:06d}{suffix}.webp" for n in (0, 2, 4) for suffix in ("-heat", "")]
    assert data_of(page)["pictures"] == {"folder": "report-pictures"}
    assert [f'data-number="{number}"' in page for number in range(5)] == [False, True, False, True, False]
    assert not (tmp_path / "report-pictures" / "UNFINISHED.txt").exists()
    picture = Image.open(tmp_path / "report-pictures" / "000004.webp")
    assert picture.size == (256, 256)
    assert abs(np.asarray(picture.convert("L")).mean() - 127.5) < 2


def test_the_page_does_not_grow_with_pictures_of_more_images(
    facts: DetectorFacts, inspect: Inspect, tmp_path: Path
) -> None:
    few = write(tmp_path / "few.html", facts, [inspect(f"{number}.png", 0.5) for number in range(3)])
    many = write(tmp_path / "many.html", facts, [inspect(f"{number}.png", 0.5) for number in range(13)])
    assert len(many) - len(few) < 10 * 900


def test_no_folder_is_made_where_every_image_has_a_card(facts: DetectorFacts, inspect: Inspect, tmp_path: Path) -> None:
    page = write(tmp_path / "report.html", facts, [inspect()])
    assert list(tmp_path.iterdir()) == [tmp_path / "report.html"]
    assert "img-src data:;" in page


def test_pictures_of_an_earlier_report_are_gone(facts: DetectorFacts, inspect: Inspect, tmp_path: Path) -> None:
    page, folder = tmp_path / "report.html", tmp_path / "report-pictures"
    write(page, facts, [inspect(f"{number}.png") for number in range(5)])
    write(page, facts, [inspect(f"{number}.png") for number in range(3)])
    assert sorted(path.name for path in folder.iterdir()) == ["000002-heat.webp", "000002.webp", "README.txt"]
    write(page, facts, [inspect()])
    assert not folder.exists()


def test_a_folder_of_somebody_else_is_refused_before_any_image(tmp_path: Path) -> None:
    (tmp_path / "report-pictures").mkdir()
    (tmp_path / "report-pictures" / "mine.png").write_bytes(b"")
    with pytest.raises(InputError, match="holds other files"):
        PictureFolder(tmp_path / "report.html")
    assert (tmp_path / "report-pictures" / "mine.png").exists()


def test_a_faint_picture_keeps_its_levels_where_that_costs_few_bytes(
    facts: DetectorFacts, inspect: Inspect, tmp_path: Path
) -> None:
    y, x = np.mgrid[:256, :256]
    levels = (70 + 4 * np.sin(x / 9) * np.cos(y / 7) + ((x // 16 + y // 16) % 2)) / 255
    faint = np.repeat(levels[..., None], 3, axis=2).astype(np.float32)
    write(tmp_path / "report.html", facts, [inspect(image=faint, original_size=(256, 256))], n_shown=0)
    shown = Image.open(io.BytesIO((tmp_path / "report-pictures" / "000000.webp").read_bytes())).convert("L")
    assert np.abs(np.asarray(shown, float) - 255 * levels).mean() < 1
