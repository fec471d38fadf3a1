"""All words of the page in each language, out of one file, and numbers as they are written there."""

import tomllib
from functools import cache
from importlib import resources
from typing import Literal

from urushi.reporting.page import number, percent, times

Language = Literal["en", "de"]
LANGUAGES: tuple[Language, ...] = ("en", "de")
_GERMAN = str.maketrans({",": ".", ".": ","})


class Words:
    """Of one language: `words("n_parts", n=3)`; a text with a bar has a singular and a plural, by `n`."""

    def __init__(self, language: Language) -> None:
        self.language = language

    def __call__(self, key: str, /, **values: object) -> str:
        """The text of a key, with its values put in; raises KeyError for one that is none."""
        text = table()[key][LANGUAGES.index(self.language)]
        one, bar, several = text.partition("|")
        if bar:
            text = one if values.get("n") == 1 else several
        return text.format(**{name: self._shown(value) for name, value in values.items()})

    def number(self, value: object, n_digits: int = 4) -> str:
        """As the report shows it."""
        return self._localised(number(value, n_digits))

    def percent(self, share: float | None) -> str:
        """A share in [0, 1]; an en dash where there is none."""
        return "–" if share is None else self._localised(percent(share))

    def times(self, ratio: float) -> str:
        """In units of a limit."""
        return self._localised(times(ratio))

    def counted(self, n: int, one: str, several: str | None = None) -> str:
        """A number and what it counts."""
        return f"{self.number(n)} {one if n == 1 else several or one}"

    def _localised(self, text: str) -> str:
        return text.translate(_GERMAN) if self.language == "de" else text

    def _shown(self, value: object) -> str:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return self.number(value) if is_number else str(value)


@cache
def table() -> dict[str, list[str]]:
    """For each key its text in each language."""
    return tomllib.loads((resources.files(__package__) / "words.toml").read_text("utf-8"))


def preferred(accepted: str) -> Language:
    """The first language of a header Accept-Language that there is, by its weights; English without one."""
    found = []
    for place, one in enumerate(accepted.split(",")[:20]):
        name, _, weight = one.strip().partition(";q=")
        try:
            found.append((-float(weight or 1), place, name[:2].lower()))
        except ValueError:
            continue
    known = (name for weight, _, name in sorted(found) if weight < 0 and name in LANGUAGES)
    return "de" if next(known, "en") == "de" else "en"
