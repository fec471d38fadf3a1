"""urushi models, scores, steps, transforms, recipes: what there is, made from the classes themselves."""

import inspect
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from urushi import catalogue
from urushi.catalogue.extras import require
from urushi.cli import _completion, _console

if TYPE_CHECKING:
    from urushi.recipe import Part


def _one_of(room: str) -> Any:
    return typer.Argument(help="Show the options of this one.", autocompletion=_completion.entry_of(room))


def models(
    name: Annotated[str | None, _one_of("urushi.models")] = None,
    settings: Annotated[
        list[str], typer.Option("--set", metavar="OPTION=VALUE", help="Show the layers that this gives.")
    ] = [],  # noqa: B006  typer needs a literal default and never changes it
    image_shape: Annotated[
        tuple[int, int, int], typer.Option(metavar="C H W", help="Of the images, for the layers.")
    ] = (3, 128, 128),
) -> None:
    """The methods, or one of them with every option. With --set, the layers of its network."""
    require("torch", "train")
    from urushi.models.base import Reconstructor
    from urushi.recipe import Part, parse_setting

    if name is None:
        _show_all("urushi.models", Reconstructor, "method")
    elif settings:
        chosen = dict(parse_setting(f"model.{text}") for text in settings)
        _layers(Part(name=name, **{key.removeprefix("model."): value for key, value in chosen.items()}), image_shape)
    else:
        _show_one("urushi.models", name, Reconstructor, "model")


def scores(name: Annotated[str | None, _one_of("urushi.scoring")] = None) -> None:
    """The scores, or one of them with every option."""
    require("torch", "train")
    from urushi.scoring.base import Score

    if name is None:
        _show_all("urushi.scoring", Score, "score")
    else:
        _show_one("urushi.scoring", name, Score, "score")


def steps(name: Annotated[str | None, _one_of("urushi.preprocessing")] = None) -> None:
    """The preprocessing steps, or one of them with every option."""
    from urushi.preprocessing.base import Step

    if name is None:
        _show_all("urushi.preprocessing", Step, "step")
    else:
        _show_one("urushi.preprocessing", name, Step, f"preprocessing.{name}")


def transforms(name: Annotated[str | None, _one_of("urushi.augmentation")] = None) -> None:
    """The transforms of augmentation, or one with every option."""
    from urushi.augmentation.base import Transform

    if name is None:
        _show_all("urushi.augmentation", Transform, "transform")
    else:
        _show_one("urushi.augmentation", name, Transform, f"augmentation.{name}")


def recipes(
    name: Annotated[
        str | None, typer.Argument(help="Print this one as TOML, defaults included.", autocompletion=_completion.recipe)
    ] = None,
) -> None:
    """The recipes, or one of them as TOML. Change it and give it to `urushi fit --recipe FILE.toml`."""
    from urushi.recipe import Recipe, recipe_names

    if name is not None:
        print(Recipe.find(name).to_toml(), end="")
        return
    rows = ((n, r.model.name, r.description) for n in recipe_names() for r in [Recipe.find(n)])
    _console.table(("recipe", "model", "what it is for"), rows)


def _layers(part: "Part", image_shape: tuple[int, int, int]) -> None:
    from urushi.models import layers

    found = layers(part, image_shape)
    rows = [(one.name, one.kind, "×".join(map(str, one.output)), f"{one.n_parameters:,}") for one in found]
    _console.table(("layer", "kind", "output (C×H×W)", "parameters"), rows)
    total = sum(one.n_parameters for one in found)
    print(f"{total:,} parameters for images of {'×'.join(map(str, image_shape))}")


def _show_all(room: str, base: type, what: str) -> None:
    """Every entry of a room with the first sentence of its module."""
    rows = ((name, _about(catalogue.load(room, name, base)).split("\n")[0]) for name in catalogue.names(room))
    _console.table((what, "what it is"), rows)


def _show_one(room: str, name: str, base: type, section: str) -> None:
    """One entry with all its options: name, type, default, meaning."""
    from urushi.catalogue import options

    cls: type = catalogue.load(room, name, base)
    print(_about(cls) + "\n\n" + inspect.cleandoc(cls.__doc__ or "") + "\n")
    rows = [(o.name, o.type, "" if o.is_required else o.default, o.description) for o in options.describe(cls)]
    _console.table(("option", "type", "default", "meaning"), rows)
    print(f"set them with --set {section}.OPTION=VALUE, or in a recipe")


def _about(cls: type) -> str:
    """The opening words of the class's module."""
    return (sys.modules[cls.__module__].__doc__ or "").strip()
