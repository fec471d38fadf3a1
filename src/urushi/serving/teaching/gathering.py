"""Good images out of the history, to learn from."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from urushi.errors import InputError, TooLargeError
from urushi.serving.history import History, Query, Received, forget, suffix_of
from urushi.serving.objects import Objects, linked
from urushi.serving.tables import Inspected


def good_ones(history: History, query: Query, *, only_judged: bool = False) -> Iterator[Inspected]:
    """Those with the verdict OK and, unless only these are asked for, normal ones without a verdict; last first."""
    if only_judged:
        return history.all(replace(query, verdict="ok"))
    return (row for row in history.all(query) if _is_good(row))


def chosen(history: History, numbers: Iterable[int]) -> Iterator[Inspected]:
    """Those that somebody has chosen; raises InputError for one that is known to be no good one."""
    for row in map(history.get, dict.fromkeys(numbers)):
        if _said(row) == "ng":
            raise InputError(f"inspection {row.id} has the verdict NG: it shows no good part; leave it out")
        yield row


def received(rows: Iterable[Inspected], history: History, objects: Objects, most: int) -> list[Received]:
    """Their images, as if they had just come; raises InputError where there are none, TooLargeError."""
    found: list[Received] = []
    try:
        for row in islice(rows, most + 1):
            place = objects.incoming_place(suffix := suffix_of(row.source))
            linked(history.original(row), place)
            found.append(Received(place, f"{row.id} {row.part_id or Path(row.source).stem}"[:200] + suffix))
        _require_some(len(found), most)
    except BaseException:
        for one in found:
            forget(one)
        raise
    return found


def _require_some(n: int, most: int) -> None:
    if n == 0:
        raise InputError("no inspection is known to be good: normal without a verdict, or with the verdict OK")
    if n > most:
        raise TooLargeError(f"there are more than {most:,} such images; choose a shorter time, or a tag")


def _is_good(row: Inspected) -> bool:
    return _said(row) == "ok" or (_said(row) is None and row.decision == "normal")


def _said(row: Inspected) -> str | None:
    return row.verdicts[-1].verdict if row.verdicts else None
