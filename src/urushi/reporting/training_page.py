"""The page of a training run: what it rebuilt from epoch to epoch, its losses, and how its rate was found (S2 §6.2)."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from urushi.errors import InputError
from urushi.reporting.page import render, write_whole
from urushi.reporting.pictures import data_uri, display_size, resize_image, rgb_bytes, svg_uri
from urushi.reporting.plots.learning_curves import learning_curves_figure, read_learning_curves
from urushi.reporting.plots.learning_rate import learning_rate_figure
from urushi.reporting.plots.style import svg

_MOST_EPOCHS = 8
_LONG_SIDE_PX = 160
_BYTES = 14_000  # of a picture


@dataclass(frozen=True)
class Rebuilt:
    """Pictures of a few images as they came, or as they were rebuilt after an epoch, as data URIs."""

    name: str
    pictures: tuple[str, ...]


def write_training_page(folder: Path, title: str, trained: Mapping[str, Any]) -> Path:
    """Writes `training.html` into a run's folder and gives its path; `trained` is what the card says of the training.

    Raises InputError if the folder holds no losses, a file in it is damaged, or it cannot be written.
    """
    page = folder / "training.html"
    context = {
        "title": title,
        "trained": trained,
        "rows": list(read_reconstructions(folder, int(trained["best_epoch"]))),
        "curves": svg_uri(svg(learning_curves_figure(read_learning_curves(folder)))),
        "finder": _finder(folder / "learning_rate.csv", float(trained["learning_rate"])),
    }
    write_whole(page, render(context, "training"))
    return page


def read_reconstructions(folder: Path, best_epoch: int) -> Iterator[Rebuilt]:
    """The images as they came, then as they were rebuilt after the first, some, the best and the last epoch kept.

    Of eight epochs at most, spread evenly over the logarithm of their number, since early ones change most; nothing
    where none were kept. Raises InputError for a damaged file.
    """
    found = ((re.fullmatch(r"epoch-(\d+)", path.stem), path) for path in folder.glob("reconstructions/*.npy"))
    files = {int(match[1]): path for match, path in found if match}
    for n, epoch in enumerate(_some(sorted(files), best_epoch)):
        original, rebuilt = _read(files[epoch])
        if n == 0:
            yield Rebuilt("what came", _shown(original))
        yield Rebuilt(f"epoch {epoch}", _shown(rebuilt))


def _some(epochs: Sequence[int], best_epoch: int) -> list[int]:
    if len(epochs) <= _MOST_EPOCHS:
        return list(epochs)
    wanted = np.geomspace(1, epochs[-1] + 1, _MOST_EPOCHS - 1) - 1
    nearest = {min(epochs, key=lambda epoch: abs(epoch - goal)) for goal in (*wanted, best_epoch)}
    return sorted(nearest)


def _read(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """What came and what was rebuilt, (n, H, W, C) in [0, 1] each."""
    try:
        both = np.load(file, allow_pickle=False)
        came, rebuilt = both.astype(np.float32).transpose(0, 1, 3, 4, 2) / 255
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{file} cannot be read as pictures of a training run ({error}); remove it") from None
    return came, rebuilt


def _shown(images: np.ndarray) -> tuple[str, ...]:
    size = display_size(images.shape[1:3], _LONG_SIDE_PX)
    return tuple(data_uri(resize_image(rgb_bytes(image), size), _BYTES) for image in images)


def _finder(file: Path, chosen: float) -> str | None:
    """The range test as a picture; None where the rate was stated."""
    if not file.is_file():
        return None
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            rows = [(float(row["rate"]), float(row["loss"])) for row in csv.DictReader(lines)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} cannot be read as a range test ({error}); remove it") from None
    rates, losses = zip(*rows, strict=True) if rows else ((), ())
    return svg_uri(svg(learning_rate_figure(rates, losses, chosen)))
