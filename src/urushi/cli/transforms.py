"""urushi transforms: the transforms of augmentation, with every option and its default."""

from typing import Annotated

import typer


def transforms(name: Annotated[str | None, typer.Argument(help="Show the options of this one.")] = None) -> None:
    """The transforms of augmentation, or one of them with every option."""
    from urushi.augmentation.base import Transform
    from urushi.cli._catalogue import show_all, show_one

    if name is None:
        show_all("urushi.augmentation", Transform, "transform")
    else:
        show_one("urushi.augmentation", name, Transform, f"augmentation.{name}")
