"""Optional packages: what is missing is said with the command that installs it here."""

import json
import os
import shlex
import sys
from importlib.util import find_spec
from typing import Any

from urushi.errors import MissingPackageError


def is_installed(module: str) -> bool:
    """Whether a module can be found; imports nothing."""
    return find_spec(module) is not None


def require(module: str, extra: str) -> None:
    """Raises MissingPackageError, naming the extra to install, if a module cannot be found; imports nothing."""
    if not is_installed(module):
        raise MissingPackageError(f"this needs {module}, which is not installed: {how_to_install(extra)}")


def how_to_install(extra: str = "") -> str:
    """The command that adds an extra to this installation: to a checkout, a wheel, or what came from an index."""
    suffix = f"[{extra}]" if extra else ""
    if getattr(sys, "frozen", False):
        return f"it has to be built into this program, from an environment with urushi{suffix}"
    return command(suffix, _origin())


def command(suffix: str, origin: dict[str, Any] | None) -> str:
    """With the origin as pip notes it (https://packaging.python.org/en/latest/specifications/direct-url/)."""
    if origin is None:
        return f"pip install {_quoted(f'urushi{suffix}')}"
    url = str(origin.get("url", ""))
    if (vcs := origin.get("vcs_info")) is not None:
        url = f"{vcs.get('vcs')}+{url}@{vcs.get('commit_id')}"
    if not url.startswith("file:"):
        return f"pip install {_quoted(f'urushi{suffix} @ {url}')}"
    from urllib.parse import urlsplit
    from urllib.request import url2pathname  # late: it loads what speaks to servers

    is_editable = origin.get("dir_info", {}).get("editable", False)
    return f"pip install {'-e ' * is_editable}{_quoted(url2pathname(urlsplit(url).path) + suffix)}"


def _origin() -> dict[str, Any] | None:
    """What pip has noted of where Urushi came from; None of an index, and where nothing is known."""
    from importlib import metadata

    try:
        noted = metadata.distribution("urushi").read_text("direct_url.json")
        return None if noted is None else dict(json.loads(noted))
    except (metadata.PackageNotFoundError, ValueError, TypeError):
        return None


def _quoted(text: str) -> str:
    """For the shell of this system."""
    return f'"{text}"' if os.name == "nt" else shlex.quote(text)
