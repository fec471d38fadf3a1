"""The command line of a benchmark or a study."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.record import RESULTS


def parser(
    about: str | None, results: Path = RESULTS, **defaults: int | Sequence[str] | Sequence[int]
) -> argparse.ArgumentParser:
    """Options by their defaults, each a whole number or a list of names or numbers; and where the results go."""
    made = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in defaults.items():
        read = int if isinstance(default, int) else numbers if isinstance(default[0], int) else names
        made.add_argument(f"--{name.replace('_', '-')}", type=read, default=default)
    made.add_argument("--results", "--out", type=Path, default=results)
    return made


def names(text: str) -> list[str]:
    """'screw,brick' -> both words."""
    return text.split(",")


def numbers(text: str) -> list[int]:
    """'16,32' -> both whole numbers."""
    return [int(part) for part in text.split(",")]


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """What was asked for, but for where the results go."""
    return {name: value for name, value in vars(options).items() if name != "results"}
