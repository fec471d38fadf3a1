"""Which images show one product: scans of one are no independent images, and no product is ever divided."""

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from urushi.data.images import ImageSource, Stated, name_of
from urushi.errors import DatasetError, RecipeError
from urushi.printable import counted
from urushi.recipe import Groups

_MOST_BYTES = 64 * 2**20  # of a table: some hundred thousand images
_Group = Callable[[str], str | None]  # the path of an image -> its product


def groups_of(sources: Sequence[ImageSource], section: Groups | None) -> tuple[str, ...]:
    """The product of each image: the one that is stated of it, or by its name as a recipe says; none if neither is.

    Raises DatasetError if some images have a product and others do not, RecipeError if a table cannot be read.
    """
    stated = [Stated.of(source).group for source in sources]
    if section is None and not any(stated):
        return ()
    rule: _Group = _rule(section) if section else lambda _: None
    found = [own or rule(_path(source)) for own, source in zip(stated, sources, strict=True)]
    if missing := [name_of(source) for source, group in zip(sources, found, strict=True) if not group]:
        how = f"by {in_words(section)}" if section else "for no group is stated of them"
        raise DatasetError(
            f"{len(missing)} of {counted(len(sources), 'image')} belong to no product, {how}; the first: {missing[0]}. "
            "Each image must be of one, or none: an image that nobody knows may be of a product in another part"
        )
    return tuple(str(group) for group in found)


def section_of(text: str) -> Groups:
    """What `--group-by` says: `folder`, `TABLE.csv:COLUMN`, or a regular expression; raises RecipeError."""
    table, _, column = text.rpartition(":")
    if text == "folder":
        given: dict[str, str | bool] = {"folder": True}
    elif table.lower().endswith(".csv"):
        given = {"csv": table, "column": column}
    else:
        given = {"pattern": text}
    try:
        return Groups.model_validate(given)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise RecipeError(
            f"products are told by 'folder', by TABLE.csv:COLUMN, or by a regular expression, not {text!r}: {reason}"
        ) from None


def grouped(sources: Sequence[ImageSource], section: Groups | None) -> list[ImageSource]:
    """Each image with its product stated; as they are without a section. Raises as `groups_of`."""
    groups = groups_of(sources, section) if section else ()
    pairs = zip(map(Stated.of, sources), groups, strict=True) if groups else ()
    return [replace(source, group=group) for source, group in pairs] or list(sources)


def digest_of(group: str) -> str:
    """16 hex digits that stand for the name of a product, which may be nobody's business."""
    return hashlib.blake2b(group.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def in_words(section: Groups) -> str:
    """How a recipe tells products."""
    if section.pattern is not None:
        return f"the pattern '{section.pattern}'"
    return "folder" if section.folder else f"the column {section.column!r} of {section.csv}"


def sizes(groups: Sequence[str]) -> dict[str, int]:
    """Facts for a card: how many products there are, and images of the one with the fewest and the most."""
    counts = Counter(groups).values()
    return {"n": len(counts), "smallest": min(counts), "largest": max(counts)}


def _path(source: ImageSource) -> str:
    inner = source.source if isinstance(source, Stated) else source
    return Path(inner).as_posix() if isinstance(inner, (str, Path)) else ""


def _rule(section: Groups) -> _Group:
    if section.pattern is not None:
        pattern = re.compile(section.pattern)
        return lambda path: _matched(pattern, path if "/" in pattern.pattern else PurePosixPath(path).name)
    if section.folder:
        return lambda path: str(PurePosixPath(path).parent) if path else None
    assert section.csv is not None
    table = _table(Path(section.csv), section.image_column, str(section.column))
    return lambda path: _listed(table, path)


def _matched(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return "-".join(part for part in found.groups() if part) if found else None


_Rows = Mapping[str, Sequence[tuple[tuple[str, ...], str]]]  # name of a file -> parts of its path, product


def _table(path: Path, image_column: str, column: str) -> _Rows:
    rows: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for image, group in _entries(path, image_column, column):
        parts = PurePosixPath(image.replace("\\", "/")).parts
        if parts and group:
            rows.setdefault(parts[-1], []).append((parts, group))
    return rows


def _entries(path: Path, *columns: str) -> Iterator[tuple[str, ...]]:
    """Some columns of a CSV with a head, row by row; raises RecipeError."""
    try:
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            raise RecipeError(f"groups.csv: {path} is no file of at most {_MOST_BYTES >> 20} MiB")
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if missing := [name for name in columns if name not in (rows.fieldnames or ())]:
                there = ", ".join(map(repr, rows.fieldnames or ())) or "none"
                raise RecipeError(f"groups.csv: {path} has no column {missing[0]!r}; it has: {there[:300]}")
            yield from (tuple((row[name] or "").strip() for name in columns) for row in rows)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RecipeError(f"groups.csv: {path} cannot be read as a table in UTF-8: {error}") from None


def _listed(rows: _Rows, path: str) -> str | None:
    """By the longest end of its path that the table has; raises RecipeError if there are two products of that."""
    parts = PurePosixPath(path).parts
    file = (*parts[:-1], parts[-1].rpartition("#")[0]) if parts and "#" in parts[-1] else ()
    for own in (parts, file):
        found = [(len(end), group) for end, group in rows.get(own[-1] if own else "", ()) if own[-len(end) :] == end]
        best = {group for length, group in found if length == max(found)[0]}
        if len(best) > 1:
            raise RecipeError(f"groups.csv: {path} is of {len(best)} products there: {', '.join(sorted(best)[:5])}")
        if best:
            return best.pop()
    return None
