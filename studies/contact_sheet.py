"""A picture of how a detector did on one category: normal above, anomalous below; not for committing."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from urushi import Inspection, Unreadable
from urushi.data.dataset import Sample
from urushi.reporting.heat_map import overlay
from urushi.reporting.pictures import display_size, resize_image, rgb_bytes

N_EACH = 4
SIDE_PX, GAP_PX, CAPTION_PX = 224, 4, 28


def write_sheet(path: Path, results: Sequence[tuple[Sample, Inspection | Unreadable]]) -> None:
    """Images evenly spread over those sorted by path, not picked by hand: input, reconstruction if any, heat map."""
    blocks = [_row(_spread(results, label)) for label in (0, 1)]
    width = max(block.shape[1] for block in blocks)
    padded = [np.pad(block, ((0, 0), (0, width - block.shape[1]), (0, 0)), constant_values=255) for block in blocks]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(padded)).save(path)


def _spread(results: Sequence[tuple[Sample, Inspection | Unreadable]], label: int) -> list[tuple[Sample, Inspection]]:
    own = [(sample, one) for sample, one in results if sample.label == label and isinstance(one, Inspection)]
    places = np.linspace(0, len(own) - 1, min(N_EACH, len(own))).round().astype(int)
    return [own[place] for place in places]


def _row(chosen: list[tuple[Sample, Inspection]]) -> np.ndarray:
    return np.concatenate([_block(sample, one) for sample, one in chosen], axis=1)


def _block(sample: Sample, one: Inspection) -> np.ndarray:
    """A caption and below it the pictures of one image, one under the other."""
    size = display_size((one.view.height, one.view.width), SIDE_PX)
    shown = [one.image] if one.reconstruction is None else [one.image, one.reconstruction]
    pictures = [resize_image(rgb_bytes(picture), size) for picture in shown]
    pictures.append(overlay(one.image, one.anomaly_map, one.map_scale, one.regions, one.view, long_side_px=SIDE_PX))
    return np.concatenate([_caption(sample, one), *map(_square, pictures)])


def _square(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    space = np.full((SIDE_PX + GAP_PX, SIDE_PX + GAP_PX, 3), 255, np.uint8)
    space[:height, :width] = picture
    return space


def _caption(sample: Sample, one: Inspection) -> np.ndarray:
    canvas = Image.new("RGB", (SIDE_PX + GAP_PX, CAPTION_PX), "white")
    colour = "black" if (one.decision == "anomalous") == (sample.label == 1) else "red"
    lines = f"{sample.defect} / {sample.path.name}\n{one.decision}, {one.score / one.threshold:.2f} x threshold"
    ImageDraw.Draw(canvas).multiline_text(
        (2, 1), lines.encode("latin-1", "replace").decode("latin-1"), fill=colour, spacing=1
    )
    return np.asarray(canvas)
