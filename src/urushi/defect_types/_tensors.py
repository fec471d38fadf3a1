"""Arrays and plain facts in one safetensors file: nothing in it runs, and its sizes cannot lie."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from urushi import atomic_file
from urushi.errors import InputError


def write_tensors(path: Path, kind: str, tensors: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
    """Writes the file atomically; raises InputError if the place can't be written."""
    metadata = {"kind": kind, "facts": json.dumps(facts, allow_nan=False)}
    content = safetensors.numpy.save({name: np.ascontiguousarray(value) for name, value in tensors.items()}, metadata)
    try:
        atomic_file.replace(path, content)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}; choose another place") from None


def read_tensors(path: Path, kind: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and facts; raises InputError if the file is missing, damaged or of another kind."""
    try:
        with safetensors.safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  no mapping
        facts = json.loads(metadata["facts"])
    except (OSError, safetensors.SafetensorError, KeyError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as {kind!r}: {error}") from None
    if metadata.get("kind") != kind or not isinstance(facts, dict):
        raise InputError(f"{path} holds {metadata.get('kind')!r}, not {kind!r}")
    if not all(np.isfinite(value).all() for value in tensors.values()):
        raise InputError(f"{path} is damaged: it holds values that are no numbers")
    return tensors, facts
