"""Folders into which a camera or another program writes images: each file is inspected once."""

import logging
import threading
from pathlib import Path

from urushi.data.arriving import parts_arriving
from urushi.data.folders import images_below, is_folder
from urushi.data.images import IMAGE_SUFFIXES, read_image
from urushi.data.pages import file_of
from urushi.data.samples import Problem
from urushi.data.watching import Watch
from urushi.data.writing import write_image, write_values
from urushi.errors import InputError, UnreadableImageError
from urushi.printable import printable
from urushi.serving.history import About, Received
from urushi.serving.line.arrivals import key_of
from urushi.serving.line.recorder import EndingError, Recorder
from urushi.serving.line.settings import Folder
from urushi.serving.station import Station

_MOST_CHARACTERS = 255
_LOOK_SECONDS = 0.25  # the folder may be large, and inspecting needs the processor
_log = logging.getLogger("urushi.serving")


class WatchedFolder:
    """One folder; a thread of its own takes the files one after the other, and leaves them where they are."""

    def __init__(self, name: str, settings: Folder, base: Path, station: Station) -> None:
        """Raises InputError where there is no such folder, NotFoundError where there is no such detector."""
        self._settings, self._folder = settings, base / settings.path
        if not is_folder(self._folder):
            raise InputError(f"there is no folder {str(self._folder)!r} to watch; make it, or check its spelling")
        self._recorder = Recorder.of(station, settings.detector, f"folder {name}")
        self._thread = threading.Thread(target=self._run, name=f"urushi-folder-{name}", daemon=True)

    def begin(self) -> None:
        """Forgets what is not there any more, and looks for what is."""
        entries = list(images_below(self._folder))
        if not any(isinstance(entry, Problem) for entry in entries):  # what cannot be seen may be there yet
            self._recorder.arrivals.forget(key for path in entries if (key := self._key(path)))  # type: ignore[arg-type]
        self._thread.start()

    def close(self) -> None:
        """Ends once the image at hand is recorded."""
        self._recorder.is_ending.set()
        self._thread.join()

    def _run(self) -> None:
        how = {"only_new": self._settings.only_new, "poll_seconds": _LOOK_SECONDS}
        watch = Watch(self._folder, **how, report=_log.warning, sleep=self._sleep)  # type: ignore[arg-type]
        try:
            for _ in parts_arriving(watch, self._attempt, lambda reason: _log.warning("%s", printable(reason))):
                pass
        except EndingError:
            pass
        except Exception:
            _log.exception("%s: is watched no more", self._recorder.name)

    def _sleep(self, seconds: float) -> None:
        if self._recorder.is_ending.wait(seconds):
            raise EndingError

    def _attempt(self, image: Path, is_last_try: bool) -> bool | None:
        """Whether it is in the history; None where it may still be on its way."""
        if (key := self._key(image)) is None:
            return None  # it has just gone
        about, name = self._about(image), self._recorder.name
        try:
            self._recorder.recorded(lambda: self._received(image), about, key, records_unreadable=is_last_try)
            return True
        except UnreadableImageError as error:
            if is_last_try:
                _log.error("%s: %s", name, printable(str(error)))
            return False if is_last_try else None
        except EndingError:
            raise
        except Exception:
            _log.exception("%s: %s was not inspected", name, printable(image.name))
            return False

    def _about(self, image: Path) -> About:
        part = printable(file_of(image).stem)[:100] if self._settings.part_id_from_name else None
        asked = self._settings
        return About(self._recorder.name, part_id=part, station=asked.station, tags=asked.tags)

    def _received(self, image: Path) -> Received:
        """A copy; of a page, its pixels."""
        objects, source = self._recorder.station.objects, printable(str(image.relative_to(self._folder)))
        if file_of(image) != image:
            return Received(_page(image, objects.incoming_place("")), source[-_MOST_CHARACTERS:])
        suffix = image.suffix.lower() if image.suffix.lower() in IMAGE_SUFFIXES else ""
        try:
            file = image.open("rb")
        except OSError as error:
            raise UnreadableImageError(source, f"cannot be read: {error.strerror}") from None
        with file:
            return Received(objects.receive(file, suffix), source[-_MOST_CHARACTERS:])

    def _key(self, image: Path) -> str | None:
        """Another one once the file is written anew; that of a page is its file's, a # and its number."""
        file = file_of(image)
        try:
            status = file.stat()
        except OSError:
            return None
        key = key_of(str(file.relative_to(self._folder)), status.st_mtime_ns, status.st_size)
        return key if file == image else f"{key}#{image.name.rpartition('#')[2]}"


def _page(image: Path, place: Path) -> Path:
    pixels = read_image(image)
    try:
        if pixels.dtype.kind == "f":
            write_values(path := place.with_suffix(".tif"), pixels)
        else:
            write_image(path := place.with_suffix(".png"), pixels)
    except InputError as error:
        raise OSError(str(error)) from None
    return path
