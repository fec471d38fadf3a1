"""The pictures of images that have no card in a report: WebP files in a folder beside it, which its list shows."""

import re
from contextlib import suppress
from pathlib import Path

from urushi.data import writing

_TITLE = "Pictures of an Urushi report"
_ABOUT = "They belong to the page beside this folder and are written anew with it: keep nothing of your own here."
_OURS = re.compile(r"\d{6,}(-heat)?\.webp|README\.txt|UNFINISHED\.txt")


class PictureFolder:
    """The folder of a page: report.html has report-pictures, which is made with the first picture.

    Raises InputError, as `add` does, if the folder holds other files or cannot be written.
    """

    def __init__(self, page: Path) -> None:
        self.folder = page.with_name(f"{page.stem}-pictures")
        self._written: set[str] = set()
        if self.folder.exists():
            writing.claim(self.folder, _TITLE, _ABOUT)

    @property
    def is_used(self) -> bool:
        """Whether there are pictures in it."""
        return bool(self._written)

    def add(self, number: int, picture: bytes, heat: bytes) -> None:
        """The picture of the image of this number, from 0, and its heat map, both as WebP."""
        if not self._written:
            writing.claim(self.folder, _TITLE, _ABOUT)
        for suffix, content in (("", picture), ("-heat", heat)):
            name = f"{number:06d}{suffix}.webp"
            writing.write_bytes(self.folder / name, content)
            self._written.add(name)

    def close(self) -> None:
        """Removes what an earlier report left in the folder, and the folder itself where nothing is needed of it."""
        if not self.folder.is_dir():
            return
        kept = {*self._written, writing.MARKER} if self._written else set()
        with suppress(OSError):  # what is still looked at somewhere may stay
            for path in self.folder.iterdir():
                if _OURS.fullmatch(path.name) and path.name not in kept:
                    path.unlink()
            if not kept:
                self.folder.rmdir()
