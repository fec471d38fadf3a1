"""Render the page of a report: templates, escaping, and a file that is either whole or not there."""

import base64
import hashlib
import json
import math
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import BaseLoader, ChoiceLoader, Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from urushi import atomic_file
from urushi.errors import InputError
from urushi.printable import counted, in_px, printable
from urushi.reporting.figure_names import named

_SCRIPTS = {"report": ("page.js", "threshold.js", "viewer.js", "gallery.js")}
_STYLES = {"report": (), "comparison": ("study.css", "comparison.css")}  # of a page's own, if not that of its name
_TEMPLATES = resources.files("urushi.reporting") / "templates"  # may lie in a zip


def render(context: Mapping[str, Any], page: str = "report") -> str:
    """Render a page from its template and the style of all pages; every value is escaped and made printable.

    A page may have a style of its own, named like its template. Pictures come from the page itself and, with a
    `folder` in the context, from beside it.
    """
    style = _sources("report.css", *_STYLES.get(page, (f"{page}.css",)))
    script = _sources(*_SCRIPTS.get(page, ()))
    # Chromium takes files beside a page that is a file for its own, Firefox does not.
    images = "data: 'self' file:" if context.get("folder") else "data:"
    policy = (
        f"default-src 'none'; img-src {images}; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    template = _environment().get_template(f"{page}.html.j2")
    return template.render(context, style=style, script=script, policy=Markup(policy))


def write_whole(path: Path, content: str) -> None:
    """Write a text file so that a reader sees the old file or the new one, never a part; raises InputError."""
    try:
        atomic_file.replace(path, content.encode("utf-8", errors="backslashreplace"))
    except OSError as error:
        raise InputError(
            f"Cannot write {path}: {error.strerror}. Name a file in an existing, writable folder."
        ) from error


def to_json(value: object) -> str:
    """Encode plain values as ASCII JSON that is safe inside a script element; what is not finite becomes null."""
    text = json.dumps(_plain(value), allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def number(value: object, n_digits: int = 4) -> str:
    """Show a number with that many significant digits; an en dash for what is missing or not finite."""
    plain = _plain(value)
    if isinstance(plain, int | float) and not isinstance(plain, bool):
        return f"{plain:,}" if isinstance(plain, int) else f"{plain:.{n_digits}g}"
    return "–"


def metric(value: float | None) -> str:
    """Show a metric with three decimals; an en dash where it is not defined."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.3f}"


def times(ratio: float) -> str:
    """Show a value in units of its limit with two decimals, which are 1.00 only of 1 itself."""
    if not math.isfinite(ratio):
        return "–"
    least = 1.01 if ratio > 1 else -math.inf
    most = math.inf if ratio > 1 else 0.99 if ratio < 1 else 1
    return f"{min(max(round(ratio, 2), least), most):.2f} ×"


def text(value: object) -> str:
    """Show any value of a card in one line: words as they are, numbers rounded, the rest as JSON."""
    plain = _plain(value)
    if isinstance(plain, str):
        return plain
    return number(plain) if plain is None or isinstance(plain, float) else json.dumps(plain, ensure_ascii=False)


def percent(rate: float) -> str:
    """Show a rate in [0, 1] as per cent."""
    return f"{100 * rate:.3g} %"


def place(share: float) -> float:
    """Give the place of a share on an axis from 0 to 1, in per cent; what lies beyond stays at its end."""
    return round(100 * min(max(share, 0), 1), 2)


def folder_and_name(source: str) -> tuple[str, str]:
    """Split a path of any system after its last separator; the first part keeps the separator and may be empty."""
    cut = max(source.rfind("/"), source.rfind("\\")) + 1
    return source[:cut], source[cut:]


def breakable(path: str) -> Markup:
    """Let a path of any system be broken after each of its separators, and within a name only where it must."""
    escaped = str(escape(printable(path)))  # a plain string, as joining parts of Markup would escape <wbr> too
    return Markup(re.sub(r"([/\\])", r"\1<wbr>", escaped))


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # numpy arrays and scalars
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def environment(*loaders: BaseLoader) -> Environment:
    """What renders templates of these loaders and those of a report; every value is escaped and made printable."""
    environment = Environment(
        loader=ChoiceLoader([*loaders, FunctionLoader(lambda name: _sources(name) or None)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # `type` and not `isinstance`: Markup is our own and stays as it is.
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.filters.update(
        number=number,
        times=times,
        metric=metric,
        percent=percent,
        text=text,
        folder_and_name=folder_and_name,
        breakable=breakable,
        counted=counted,
        named=named,
        in_px=in_px,
        place=place,
    )
    return environment


@cache  # with the templates that it has compiled
def _environment() -> Environment:
    return environment()


def source(name: str) -> str:
    """A style or script of the report, or of a page of its own."""
    return str(_sources(name))


def _sources(*names: str) -> Markup:
    """The files of these names that there are, one after the other."""
    files = [_TEMPLATES / name for name in names]
    return Markup("".join(file.read_text("utf-8") for file in files if file.is_file()))


def _digest(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode("ascii")
