"""Names and messages from outside, made safe to show, and large objects in few words."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_FORMULA = ("=", "+", "-", "@")  # what a spreadsheet takes for the beginning of one


class Summarised(ABC):
    """Printed as one line, and shown by a notebook as a small table, without arrays and files."""

    @abstractmethod
    def summary(self) -> Mapping[str, Any]:
        """What tells it from others: short values by their names."""

    def __repr__(self) -> str:
        values = (f"{name}={_short(value)}" for name, value in self.summary().items())
        return f"{type(self).__name__}({', '.join(values)})"

    def _repr_html_(self) -> str:
        """For notebooks; nothing in it is taken for markup."""
        rows = ((name.replace("_", " "), value) for name, value in self.summary().items())
        cells = (f"<tr><th>{escape(name)}</th><td>{escape(_short(value))}</td></tr>" for name, value in rows)
        return f"<table><caption>{type(self).__name__}</caption>{''.join(cells)}</table>"


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else repr(value)


def printable(text: str, *, keep_lines: bool = False) -> str:
    """What can't be seen or encoded (line breaks, control and bidi characters, lone surrogates) appears as escapes."""
    return "".join(c if c.isprintable() or (keep_lines and c == "\n") else ascii(c)[1:-1] for c in text)


def cell(text: str) -> str:
    """A text that does nothing where it is shown: no terminal obeys it, and no spreadsheet takes it for a formula."""
    shown = printable(text, keep_lines=True)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def in_px(size: Sequence[int]) -> str:
    """A size (height, width, …) as it is said everywhere: its width first, and which is which unless it is square."""
    height, width, *_ = size
    return f"{width} × {height} px" + ("" if height == width else " (width × height)")


def counted(n: int, one: str, several: str | None = None) -> str:
    """'1 image', '2,000 images': a number and what it counts; `several` where more changes than an s."""
    return f"{n:,} {one if n == 1 else several or f'{one}s'}"
