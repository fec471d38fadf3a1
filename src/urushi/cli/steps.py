"""urushi steps: the preprocessing steps, with every option and its default."""

from typing import Annotated

import typer


def steps(name: Annotated[str | None, typer.Argument(help="Show the options of this one.")] = None) -> None:
    """The preprocessing steps, or one of them with every option."""
    from urushi.cli._catalogue import show_all, show_one
    from urushi.preprocessing.base import Step

    if name is None:
        show_all("urushi.preprocessing", Step, "step")
    else:
        show_one("urushi.preprocessing", name, Step, f"preprocessing.{name}")
