"""The layout of VisA: images anywhere below ROOT/<object>, listed in ROOT/split_csv/1cls.csv.

Zou et al., "SPot-the-Difference Self-Supervised Pre-training for Anomaly Detection and Segmentation", ECCV 2022.
The data set is one object; its folder ROOT/<object> is given, or ROOT itself where it holds a single one.
"""

import csv
from pathlib import Path, PurePosixPath

from urushi.data.folders import images_below, is_file, is_folder
from urushi.data.layouts.base import Found, Layout
from urushi.data.layouts.mvtec import missing_masks, no_training
from urushi.data.names import meaning
from urushi.data.samples import GOOD, Problem, Sample
from urushi.errors import DatasetError
from urushi.printable import counted

_TABLE = Path("split_csv", "1cls.csv")
_COLUMNS = ("object", "split", "label", "image", "mask")
_LABELS = {"good": 0, "defect": 1}
_ANOMALY = "anomaly"  # VisA does not say which kind

Row = dict[str, str]


class Visa(Layout):
    """One object of VisA."""

    expects = "ROOT/<object> beside ROOT/split_csv/1cls.csv with the columns object, split, label, image, mask"

    def matches(self, root: Path) -> bool:
        """Whether split_csv/1cls.csv lies in the folder or beside it."""
        return is_file(_table_of(root))

    def find(self, root: Path) -> Found:
        """The samples of one object; raises DatasetError if the table is broken, lists several objects or not this."""
        table = _table_of(root)
        if not is_file(table):
            raise DatasetError(f"There is no {str(_TABLE)!r} in or beside {str(root)!r}; expected: {Visa.expects}.")
        rows = _rows(table)
        wanted = _only_object(rows, root) if table == root / _TABLE else root.absolute().name
        chosen = [row for row in rows if row["object"] == wanted]
        if not chosen:
            raise DatasetError(f"{str(table)!r} lists no object {wanted!r}; it lists: {_objects(rows)}.")
        return _found(chosen, root, wanted, table)


def _table_of(root: Path) -> Path:
    inside = root / _TABLE
    return inside if is_file(inside) else root.absolute().parent / _TABLE


def _rows(table: Path) -> list[Row]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = set(_COLUMNS) - set(reader.fieldnames or ())
            rows = [{name: (row[name] or "").strip() for name in _COLUMNS} for row in reader] if not missing else []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{str(table)!r} cannot be read: {error}") from error
    if missing:
        raise DatasetError(f"{str(table)!r} lacks the columns {sorted(missing)}; it must have {', '.join(_COLUMNS)}.")
    return rows


def _objects(rows: list[Row]) -> str:
    return ", ".join(sorted({row["object"] for row in rows})) or "nothing"


def _only_object(rows: list[Row], root: Path) -> str:
    objects = {row["object"] for row in rows}
    if len(objects) != 1:
        raise DatasetError(f"{str(root)!r} holds several objects: {_objects(rows)}. Give the folder of one of them.")
    return objects.pop()


def _found(rows: list[Row], root: Path, wanted: str, table: Path) -> Found:
    found = Found([], [])
    seen: set[Path] = set()
    for row in rows:
        try:
            sample = _sample(row, root, wanted)
            if sample.path in seen:
                raise ValueError(f"lists {row['image']!r} a second time")
        except ValueError as error:
            found.problems.append(Problem(table, str(error)))
        else:
            seen.add(sample.path)
            found.samples.append(sample)
    masks = {sample.mask for sample in found.samples if sample.mask}
    training = Found([sample for sample in found.samples if sample.split == "train"], [])
    found.problems.extend(missing_masks(found.samples) if masks else [])
    found.problems.extend(no_training(root, training))
    found.problems.extend(_unlisted(root / wanted if _is_top(root) else root, seen | masks))
    return found


def _is_top(root: Path) -> bool:
    return is_file(root / _TABLE)


def _sample(row: Row, root: Path, wanted: str) -> Sample:
    split, kind = meaning(row["split"]).split, meaning(row["label"]).kind
    if split not in ("train", "test") or kind not in _LABELS:
        given = f"split {row['split']!r} and label {row['label']!r}"
        raise ValueError(f"has {given} for {row['image']!r}; allowed are train and test, normal and anomaly")
    label = _LABELS[kind]
    mask = _inside(root, wanted, row["mask"]) if row["mask"] else None
    image = _inside(root, wanted, row["image"])
    return Sample(image, split, label, _ANOMALY if label else GOOD, mask)


def _inside(root: Path, wanted: str, entry: str) -> Path:
    """The file of a table entry; raises ValueError if it would lie outside the object's folder or does not exist."""
    parts = PurePosixPath(entry).parts
    if parts[:1] != (wanted,) or ".." in parts or any("\\" in part for part in parts):
        raise ValueError(f"lists {entry!r}, which does not lie in {wanted!r}")
    path = root.joinpath(*(parts if _is_top(root) else parts[1:]))
    folders = [folder for folder in path.parents if root in folder.parents]
    if not is_file(path):
        raise ValueError(f"lists {entry!r}, which is not there or out of reach")
    if any(folder.is_symlink() for folder in folders):
        raise ValueError(f"lists {entry!r}, which lies behind a symbolic link")
    return path


def _unlisted(folder: Path, listed: set[Path]) -> list[Problem]:
    entries = list(images_below(folder)) if is_folder(folder) else []
    n_unlisted = sum(isinstance(entry, Path) and entry not in listed for entry in entries)
    unsearched = [entry for entry in entries if isinstance(entry, Problem)]
    unlisted = f"{counted(n_unlisted, 'image is', 'images are')} not listed in the table"
    return [*unsearched, *([Problem(folder, unlisted)] if n_unlisted else [])]
