"""The options of a class are the keyword-only arguments of its `__init__`; this module reads, prints and checks them.

An argument is written `size: Annotated[int, Field(ge=1, description="what it is, in px")] = 64`; pydantic does the
checking. The same few lines serve models, scores, threshold rules and preprocessing steps.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError, create_model
from pydantic.fields import FieldInfo

from urushi.catalogue.entries import nearest
from urushi.errors import RecipeError

T = TypeVar("T")


@dataclass(frozen=True)
class Option:
    """One option as a user sees it: name, type, default (None and is_required where there is none), description."""

    name: str
    type: str
    default: Any
    is_required: bool
    description: str


def fields_of(cls: type) -> dict[str, FieldInfo]:
    """Every option of a class as pydantic knows it, in the order of its signature."""
    return dict(_schema(cls).model_fields)


def describe(cls: type) -> list[Option]:
    """All options of a class in the order of its signature."""
    fields = fields_of(cls)
    return [Option(n, _type_name(f), f.get_default(), f.is_required(), f.description or "") for n, f in fields.items()]


def check(cls: type, options: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Options checked and completed with defaults; raises RecipeError naming every wrong one and what is allowed."""
    allowed = tuple(_schema(cls).model_fields)
    problems = [f"{where}.{n} is unknown{nearest(n, allowed)}" for n in options if n not in allowed]
    try:
        checked = _schema(cls).model_validate({n: v for n, v in options.items() if n in allowed})
    except ValidationError as error:
        problems += [f"{where}.{_path(e['loc'])} = {e['input']!r}: {e['msg']}" for e in error.errors()]
    if problems:
        raise RecipeError("\n".join(problems))
    return {n: getattr(checked, n) for n in allowed}


def build(cls: type[T], options: Mapping[str, Any], where: str, *context: Any) -> T:
    """An object of the class from checked options; `context` are its positional arguments (e.g. the image shape)."""
    return cls(*context, **check(cls, options, where))


@cache  # a schema takes ten milliseconds to make, and each part of a recipe needs one
def _schema(cls: type) -> Any:
    hints = get_type_hints(cls.__init__, include_extras=True)  # type: ignore[misc]
    parameters = inspect.signature(cls).parameters.values()
    fields: dict[str, Any] = {
        p.name: (hints[p.name], ... if p.default is p.empty else p.default)
        for p in parameters
        if p.kind is p.KEYWORD_ONLY
    }
    return create_model(
        cls.__name__, __config__=ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True), **fields
    )


def adapter(kind: Any) -> TypeAdapter[Any]:
    """What reads objects of a class, or lists of them, from plain values; it, too, takes a while to make."""
    return _adapter(kind)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _type_name(field: FieldInfo) -> str:
    return _readable(field.annotation)


def _readable(annotation: Any) -> str:
    """`Literal["a", "b"] | None` as a person writes it: a, b or none."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(str(value) for value in inner)
    if origin in (Union, UnionType):
        return " or ".join(_readable(part) for part in inner)
    if inner:
        return f"list of {_readable(inner[0])}"
    return "none" if annotation is NoneType else str(getattr(annotation, "__name__", annotation))


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)
