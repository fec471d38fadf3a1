"""A table of a study, as it is shown."""

from dataclasses import dataclass

NONE = "—"  # what was not measured, or is undefined


@dataclass(frozen=True)
class Table:
    """Cells as they are shown."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
