"""urushi scores: what there is, with every option and its default."""

from typing import Annotated

import typer


def scores(name: Annotated[str | None, typer.Argument(help="Show the options of this one.")] = None) -> None:
    """The scores, or one of them with every option."""
    from urushi.cli._catalogue import show_all, show_one
    from urushi.scoring.base import Score

    if name is None:
        show_all("urushi.scoring", Score, "score")
    else:
        show_one("urushi.scoring", name, Score, "score")
