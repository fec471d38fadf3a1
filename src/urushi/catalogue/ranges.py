"""Over which values an option can be tuned, from its own type, bounds and default."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from urushi.catalogue.options import fields_of

_REACH = 4  # how many times more or less than now, where an option has no bound
_WIDE = 50  # a range whose ends differ by more than this is searched by ratios


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both included."""

    low: float
    high: float
    is_whole: bool

    @property
    def is_by_ratio(self) -> bool:
        """Whether steps are ratios rather than differences."""
        return self.low > 0 and self.high / self.low >= _WIDE


Values = tuple[Any, ...] | Range  # one of some, or a number of a range


def ranges(cls: type, given: Mapping[str, Any]) -> dict[str, Values]:
    """Of each option of a class that has several values, round those given; lists, parts and free text have none."""
    found = {name: _values(field, given.get(name, field.get_default())) for name, field in fields_of(cls).items()}
    return {name: values for name, values in found.items() if values is not None}


def _values(field: FieldInfo, now: Any) -> Values | None:
    kinds = [kind for kind in _kinds(field.annotation) if kind is not NoneType]
    if len(kinds) == 1 and get_origin(kinds[0]) is Literal:
        return get_args(kinds[0])
    if kinds == [bool]:
        return (False, True)
    if kinds and set(kinds) <= {int, float} and isinstance(now, int | float) and not isinstance(now, bool):
        return _range(field, now, is_whole=kinds == [int])
    return None


def _kinds(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _range(field: FieldInfo, now: float, *, is_whole: bool) -> Range | None:
    low, high = _bound(field, "ge", "gt", 1, is_whole=is_whole), _bound(field, "le", "lt", -1, is_whole=is_whole)
    if low is None or high is None:
        if now <= 0:
            return None
        low = max(now / _REACH, -math.inf if low is None else low)
        high = min(now * _REACH, math.inf if high is None else high)
    if is_whole:
        low, high = math.ceil(low), math.floor(high)
    return Range(low, high, is_whole) if low < high else None


def _bound(field: FieldInfo, inclusive: str, exclusive: str, inwards: int, *, is_whole: bool) -> float | None:
    """The last value within; that of an open bound lies a little inside it."""
    for one in field.metadata:
        if (found := getattr(one, inclusive, None)) is not None:
            return float(found)
        if (found := getattr(one, exclusive, None)) is not None:
            return float(found) + inwards * (1 if is_whole else 1e-3 * max(abs(found), 1))
    return None
