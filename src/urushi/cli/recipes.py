"""urushi recipes: the recipes that come with Urushi."""

from typing import Annotated

import typer

from urushi.cli import _console


def recipes(
    name: Annotated[str | None, typer.Argument(help="Print this one as TOML, defaults included.")] = None,
) -> None:
    """The recipes, or one of them as TOML, to be changed and given to `urushi fit --recipe FILE.toml`."""
    from urushi.recipe import Recipe, recipe_names

    if name is not None:
        print(Recipe.find(name).to_toml(), end="")
        return
    rows = ((n, r.model.name, r.description) for n in recipe_names() for r in [Recipe.find(n)])
    _console.table(("recipe", "model", "what it is for"), rows)
