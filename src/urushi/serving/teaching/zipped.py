"""A zip of images: everything that its list of members says is checked before the first of them is inflated."""

import io
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO, cast

from urushi.errors import InputError, TooLargeError
from urushi.printable import counted, printable

_MOST_AT_ONCE = 4 << 20  # bytes: the list of members is read in one piece, and takes ten times the memory
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ARCHIVES = {".zip", ".jar", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".cab", ".iso"}
_ENCRYPTED = 0x1
_CHUNK = 1 << 20
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError, OverflowError)


class _Bounded(io.BufferedReader):
    """A file of which no more than so much is read in one piece."""

    def read(self, n_bytes: int | None = -1, /) -> bytes:
        if n_bytes is not None and n_bytes > _MOST_AT_ONCE:
            raise TooLargeError("its list of members is too long: send fewer images in a zip")
        return super().read(n_bytes)


def members(place: Path, n_images: int, n_bytes: int) -> Iterator[tuple[str, BinaryIO]]:
    """The files in a zip with their names, one after the other; folders are none.

    Raises InputError and TooLargeError, but for damaged content before the first one is given: for more than n_images
    members or n_bytes that they state, names that lead elsewhere or cannot be shown, links, archives within.
    """
    with _sound(), _Bounded(io.FileIO(place)) as file, zipfile.ZipFile(file) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        _check(entries, n_images, n_bytes)
        for entry in entries:
            with archive.open(entry) as member:
                yield entry.filename, cast("BinaryIO", member)


def copied(source: BinaryIO, place: Path, most: int) -> int:
    """Writes what can be read there into a new file, and gives its bytes; raises TooLargeError beyond `most`."""
    n_bytes = 0
    with _sound(), place.open("xb") as file:
        while piece := source.read(_CHUNK):
            n_bytes += len(piece)
            if n_bytes > most:
                raise TooLargeError(_too_large(most))
            file.write(piece)
    return n_bytes


@contextmanager
def _sound() -> Iterator[None]:
    """What zipfile raises as an error of ours."""
    try:
        yield
    except _BROKEN as error:
        raise InputError(f"this is no zip, or a damaged one ({printable(str(error))[:200]}); pack it anew") from None


def _check(entries: list[zipfile.ZipInfo], n_images: int, n_bytes: int) -> None:
    if not entries:
        raise InputError("this zip holds no files; pack good images")
    if len(entries) > n_images:
        raise TooLargeError(f"this zip holds {len(entries):,} files; at most {n_images:,} more are taken")
    if sum(entry.file_size for entry in entries) > n_bytes:
        raise TooLargeError(f"unpacked it would be larger: {_too_large(n_bytes)}")
    for entry in entries:
        if reason := _refused(entry):
            raise InputError(f"{printable(entry.filename)[:100]!r} in this zip {reason}; pack good images alone")


def _refused(entry: zipfile.ZipInfo) -> str | None:
    path, kind = PurePosixPath(entry.filename.replace("\\", "/")), stat.S_IFMT(entry.external_attr >> 16)
    if not entry.filename.isprintable() or len(entry.filename) > 1000:
        return "has a name that cannot be shown"
    if path.is_absolute() or PureWindowsPath(entry.filename).drive or ".." in path.parts:
        return "leads to another folder"
    if kind not in (0, stat.S_IFREG):
        return "is a link or no file"
    if path.suffix.lower() in _ARCHIVES:
        return "is an archive itself"
    if entry.flag_bits & _ENCRYPTED:
        return "is encrypted"
    return None if entry.compress_type in _PACKED else "is packed in a way that is not taken (only stored or deflated)"


def _too_large(most: int) -> str:
    return f"at most {counted(most // 1_000_000, 'MB', 'MB')} more are taken into a teaching set"
