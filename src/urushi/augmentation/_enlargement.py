"""Writes an enlarged data set in MVTec layout, and a record of each picture from which it can be made again."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, get_args

import numpy as np

from urushi import atomic_file
from urushi.augmentation._online import rng_for
from urushi.augmentation._plan import Picture
from urushi.augmentation._sequence import Augmentation, Border, Drawn, Interpolation
from urushi.data import defects
from urushi.data.dataset import Dataset
from urushi.data.folders import is_of_system
from urushi.data.images import read_image
from urushi.data.masks import fitting, read_mask
from urushi.data.stream import stream
from urushi.data.writing import MARKER, UNFINISHED, claim, finish, write_image
from urushi.errors import InputError, UnreadableImageError
from urushi.inspection import Unreadable
from urushi.printable import in_px

TITLE = "Augmented data set of Urushi"
RECORDS = "augmentation.jsonl"
_N_ATTEMPTS = 20


@dataclass(frozen=True, kw_only=True)
class Record:
    """How one picture was made; all that `replay` needs beside its source."""

    file: str  # below the written folder
    source: str  # below the folder that was read
    mask: str | None  # below the written folder; None where the picture has none
    source_mask: str | None  # below the folder that was read
    drawn: Drawn
    border: Border
    fill_level: float
    interpolation: Interpolation
    defect: defects.Defect | None  # put on before anything is moved

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` gives an equal record back."""
        return {**asdict(self), "drawn": self.drawn.to_json()}

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> "Record":
        """From a line of augmentation.jsonl; raises InputError for anything else."""
        try:
            if table["border"] not in get_args(Border) or table["interpolation"] not in get_args(Interpolation):
                raise ValueError(f"border {table['border']!r}, interpolation {table['interpolation']!r}")
            defect = None if table["defect"] is None else _defect(table["defect"])
            return cls(**{**table, "drawn": Drawn.from_json(table["drawn"]), "defect": defect})
        except (TypeError, KeyError, ValueError) as error:
            raise InputError(f"this is no record of an augmented picture: {error}.") from None


def read_records(folder: Path) -> list[Record]:
    """The records of a folder that `enlarge` wrote; raises InputError."""
    try:
        lines = (folder / RECORDS).read_text(encoding="utf-8").splitlines()
        return [Record.from_json(json.loads(line)) for line in lines]
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{folder / RECORDS} cannot be read: {error}") from None


def replay(record: Record, root: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """The picture and its mask (H, W) bool made again from the folder that was read, equal to what was written.

    Raises UnreadableImageError where the source has gone, and InputError where it does not fit any more.
    """
    image = read_image(root / record.source)
    mask = None if record.source_mask is None else _mask_of(image, root / record.source, root / record.source_mask)
    return _made(record, image, mask)


def enlarge(
    dataset: Dataset, folder: Path, augmentation: Augmentation, pictures: Sequence[Picture], *, seed: int, about: str
) -> Iterator[Record | Unreadable]:
    """Write the pictures of a `plan`, and what becomes of each: its record, or why it could not be made.

    The records are written as well, to augmentation.jsonl, and `about` to README.txt. Raises InputError, before
    anything is written, where the folder lies in that of the data set or holds files of something else.
    """
    _require_apart(dataset.root, folder)
    _require_room(folder, pictures)
    claim(folder, TITLE, about)
    return _written(_Writer(dataset.root, folder, augmentation, seed), pictures)


def _written(writer: "_Writer", pictures: Sequence[Picture]) -> Iterator[Record | Unreadable]:
    sources = [list(group) for _, group in groupby(pictures, attrgetter("position"))]
    with atomic_file.growing(writer.folder / RECORDS) as file:
        for results in stream(writer.write, sources, ahead=16):
            for result in results:
                if isinstance(result, Record):
                    file.write(json.dumps(result.to_json()) + "\n")
                yield result
    finish(writer.folder)


@dataclass(frozen=True)
class _Writer:
    root: Path
    folder: Path
    augmentation: Augmentation
    seed: int

    def write(self, pictures: list[Picture]) -> list[Record | Unreadable]:
        """All pictures of one source, which is read once."""
        sample = pictures[0].source
        try:
            image = _readable(sample.path)
            mask = None if sample.mask is None else _mask_of(image, sample.path, sample.mask)
        except UnreadableImageError as error:
            return [Unreadable(error.source, error.reason)]
        return [self._write_one(picture, image, mask) for picture in pictures]

    def _write_one(self, picture: Picture, image: np.ndarray, mask: np.ndarray | None) -> Record | Unreadable:
        try:
            record = self._record(picture, image, mask)
            made, made_mask = _made(record, image, mask)
        except InputError as error:
            return Unreadable(str(picture.source.path), f"{_file(picture)} is not written: {error}")
        write_image(self.folder / record.file, made)
        if record.mask is not None and made_mask is not None:
            write_image(self.folder / record.mask, made_mask)
        return record

    def _record(self, picture: Picture, image: np.ndarray, mask: np.ndarray | None) -> Record:
        sample, a = picture.source, self.augmentation
        has_mask = sample.mask is not None or bool(picture.defect)
        return Record(
            file=_file(picture),
            source=_below(sample.path, self.root),
            mask=_mask_file(picture) if has_mask else None,
            source_mask=None if sample.mask is None else _below(sample.mask, self.root),
            drawn=self._drawn(picture, image, mask),
            border=a.border,
            fill_level=a.fill_level,
            interpolation=a.interpolation,
            defect=self._defect(picture, image),
        )

    def _drawn(self, picture: Picture, image: np.ndarray, mask: np.ndarray | None) -> Drawn:
        """Drawn anew while less than half of a defect is left in the picture, which would then be called anomalous."""
        if picture.defect or not picture.variant:
            return Drawn()
        rng = rng_for(self.seed, picture.variant, picture.position)
        for _ in range(_N_ATTEMPTS):
            drawn = self.augmentation.draw(rng, (image.shape[0], image.shape[1]))
            if mask is None or not mask.any() or 2 * self.augmentation.apply_mask(mask, drawn).sum() >= mask.sum():
                return drawn
        raise InputError(f"less than half of the defect was left in the picture, {_N_ATTEMPTS} times in a row.")

    def _defect(self, picture: Picture, image: np.ndarray) -> defects.Defect | None:
        if not picture.defect:
            return None
        rng = np.random.default_rng((self.seed, picture.variant, picture.position, defects.KINDS.index(picture.defect)))
        return defects.draw(rng, image.shape, kinds=[picture.defect])


def _made(record: Record, image: np.ndarray, mask: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    if record.defect is not None:
        image, mask = defects.apply(image, record.defect)
    augmentation = Augmentation((), record.border, record.fill_level, record.interpolation)
    moved_mask = None if mask is None else augmentation.apply_mask(mask, record.drawn)
    return augmentation.apply(image, record.drawn), moved_mask


def _file(picture: Picture) -> str:
    return f"{picture.split}/{picture.kind}/{picture.stem}.png"


def _mask_file(picture: Picture) -> str:
    return f"ground_truth/{picture.kind}/{picture.stem}_mask.png"


def _below(path: Path, root: Path) -> str:
    return (path.relative_to(root) if path.is_relative_to(root) else path.absolute()).as_posix()


def _readable(path: Path) -> np.ndarray:
    image = read_image(path)
    if image.dtype.kind == "f" and not (image.min() >= 0 and image.max() <= 1):  # written so that NaN fails as well
        raise UnreadableImageError(
            str(path),
            f"its levels are {image.min():g}…{image.max():g}; PNG holds floats of 0…1 only, so scale it first",
        )
    return image


def _mask_of(image: np.ndarray, path: Path, mask_path: Path) -> np.ndarray:
    """The mask of an image, as large as it; raises UnreadableImageError."""
    size = (image.shape[0], image.shape[1])
    mask = read_mask(mask_path)
    turned = fitting(mask, size, path)
    if turned is None or turned.shape != size:
        raise UnreadableImageError(
            str(mask_path), f"mask and image differ in size: {in_px(mask.shape)} and {in_px(size)}"
        )
    return turned


def _require_apart(root: Path, folder: Path) -> None:
    source, target = root.resolve(), folder.resolve()
    if source.is_relative_to(target) or target.is_relative_to(source):
        raise InputError(f"{folder} and {root} lie in one another; give a folder elsewhere.")


def _require_room(folder: Path, pictures: Sequence[Picture]) -> None:
    """Variants of an earlier run with other wishes must not stay beside those of this one."""
    if not (folder / MARKER).is_file():
        return  # new, empty or refused by `claim`
    own = {MARKER, UNFINISHED, RECORDS, *map(_file, pictures), *map(_mask_file, pictures)}
    files = (
        path for path in folder.rglob("*") if not (path.is_dir() or atomic_file.is_draft(path) or is_of_system(path))
    )
    found = sorted(path.relative_to(folder).as_posix() for path in files)
    if others := [name for name in found if name not in own]:
        raise InputError(
            f"{folder} holds {len(others)} other files, such as {others[0]!r}; empty it or give a new folder."
        )


def _defect(table: Mapping[str, Any]) -> defects.Defect:
    shapes = tuple(defects.Shape(tuple((x, y) for x, y in s["points"]), s["width"]) for s in table["shapes"])
    source = None if table["source"] is None else tuple(table["source"])
    return defects.Defect(**{**table, "shapes": shapes, "tint": tuple(table["tint"]), "source": source})
