"""The detector file: a stored zip of known members, checked by digest, written atomically. Nothing is unpickled."""

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from urushi import __version__, atomic_file
from urushi.errors import DetectorFileError, InputError

FORMAT = 2
_PLAIN = 1  # what older versions read: it has no region, which they would not leave out, and no sums
CARD = "card.json"
REQUIRED = ("recipe.toml", "weights.safetensors", "calibration.json", CARD)
OPTIONAL = (
    "preprocessing.safetensors",
    "tiling.safetensors",
    "graph.onnx",
    "graph-int8.onnx",
    "calibration-int8.json",
    "sums.safetensors",
    "images.json",
)
_EPOCH = (1980, 1, 1, 0, 0, 0)  # a zip's earliest date: equal contents give equal files


def write(path: Path, members: Mapping[str, bytes], card: Mapping[str, Any]) -> None:
    """Writes members and card to a temporary file beside `path`, flushes and renames it: the old file or the new."""
    try:
        atomic_file.replace(path, packed(members, card))
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}; choose another place with -o") from None


def packed(members: Mapping[str, bytes], card: Mapping[str, Any]) -> bytes:
    """What a detector file holds."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    number = FORMAT if "region" in card or "sums.safetensors" in members else _PLAIN
    facts = {**card, "format": number, "urushi": __version__, "digests": digests}
    return _zip({**members, CARD: json.dumps(facts, indent=1, allow_nan=False).encode()})


def read(path: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """All members and the card; raises DetectorFileError if the file is damaged, foreign or of a newer format."""
    try:
        return _read(path, str(path))
    except FileNotFoundError:
        raise DetectorFileError(f"{path} does not exist; make one with `urushi fit GOOD_DIR -o {path}`") from None
    except OSError as error:
        raise DetectorFileError(f"{path} cannot be read: {error.strerror or error}") from None


def is_detector(path: Path) -> bool:
    """Whether a file has the members of a detector, be they damaged; what can't be read is none."""
    if not path.is_file():  # to open a pipe would wait for whoever writes into it
        return False
    try:
        with zipfile.ZipFile(path) as file:
            return set(REQUIRED) <= set(file.namelist())
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return False


def unpacked(content: bytes) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The inverse of `packed`; raises DetectorFileError as `read` does."""
    return _read(io.BytesIO(content), "a detector from another process")


def _read(source: Path | io.BytesIO, path: str) -> tuple[dict[str, bytes], dict[str, Any]]:
    try:
        members = _unzip(source)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError) as error:
        raise DetectorFileError(f"{path} is damaged or no detector file ({error}); copy or fit it anew") from None
    card = _card(path, members)
    _check(path, members, card)
    return members, card


def _zip(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
    return buffer.getvalue()


def _unzip(source: Path | io.BytesIO) -> dict[str, bytes]:
    with zipfile.ZipFile(source) as archive:
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        if strange := sorted(set(names) - {*REQUIRED, *OPTIONAL}):
            raise zipfile.BadZipFile(f"unexpected member {strange[0]!r}")
        if len(set(names)) < len(names):
            raise zipfile.BadZipFile("a member occurs twice")
        # Members are stored as they are, so no size in the file can lie beyond the file's own.
        if any(e.compress_type != zipfile.ZIP_STORED or e.file_size != e.compress_size for e in entries):
            raise zipfile.BadZipFile("a member is compressed")
        return {name: archive.read(name) for name in names}


def _card(path: str, members: Mapping[str, bytes]) -> dict[str, Any]:
    if CARD not in members:
        raise DetectorFileError(f"{path} is no detector file: its {CARD} is missing")
    try:
        card = json.loads(members[CARD])
        number = int(card["format"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise DetectorFileError(f"{path} is damaged: its {CARD} does not state a format") from None
    if number < 1:
        raise DetectorFileError(f"{path} is damaged: there is no format {number}")
    if number > FORMAT:
        raise DetectorFileError(
            f"{path} has format {number}, written by Urushi {card.get('urushi')}; this Urushi {__version__} reads up "
            f"to format {FORMAT}: upgrade it"
        )
    return dict(card)


def _check(path: str, members: Mapping[str, bytes], card: Mapping[str, Any]) -> None:
    if missing := [name for name in REQUIRED if name not in members]:
        raise DetectorFileError(f"{path} is incomplete: {missing[0]} is missing; copy or fit it anew")
    found = {name: hashlib.sha256(content).hexdigest() for name, content in members.items() if name != CARD}
    if card.get("digests") != found:
        raise DetectorFileError(f"{path} was changed after it was written: its digests do not match; copy it anew")
