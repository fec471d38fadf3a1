"""The first looks at what jobs have learnt: in the station's folder, the last ones."""

import shutil
from pathlib import Path

from pydantic import ValidationError

from urushi.errors import NotFoundError
from urushi.serving.teaching.first_look import FACTS, FirstLook

PICTURE = r"(planted|held_out)-[0-9](-[0-9])?\.webp"
_MOST = 50


class FirstLooks:
    """By the numbers of their jobs."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "first-looks"
        self.root.mkdir(exist_ok=True)

    def keep(self, number: int, taken: Path) -> None:
        """Moves the folder of one that was taken here; the oldest are removed beyond fifty."""
        self.forget(number)
        taken.replace(self.root / str(number))
        for old in sorted(self.root.iterdir(), key=lambda one: int(one.name))[:-_MOST]:
            shutil.rmtree(old)

    def miss(self, number: int, reason: str) -> None:
        """Says of a job why there is none."""
        self.forget(number)
        (place := self.root / str(number)).mkdir()
        (place / FACTS).write_text(FirstLook(left_out=[reason]).model_dump_json(), "utf-8")

    def forget(self, number: int) -> None:
        """That of a job, if there is one."""
        shutil.rmtree(self.root / str(number), ignore_errors=True)

    def get(self, number: int) -> FirstLook:
        """That of a job; empty where there is none, or not any more."""
        try:
            return FirstLook.model_validate_json((self.root / str(number) / FACTS).read_bytes())
        except (FileNotFoundError, ValidationError):
            return FirstLook()

    def picture(self, number: int, file: str) -> bytes:
        """One of its pictures; raises NotFoundError."""
        try:
            return (self.root / str(number) / file).read_bytes()
        except FileNotFoundError:
            raise NotFoundError("this picture is not there any more") from None
