"""urushi models: what there is, with every option and its default."""

from typing import Annotated

import typer


def models(name: Annotated[str | None, typer.Argument(help="Show the options of this one.")] = None) -> None:
    """The methods, or one of them with every option."""
    from urushi.cli._catalogue import show_all, show_one
    from urushi.models.base import Reconstructor

    if name is None:
        show_all("urushi.models", Reconstructor, "method")
    else:
        show_one("urushi.models", name, Reconstructor, "model")
