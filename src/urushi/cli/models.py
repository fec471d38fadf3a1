"""urushi models: what there is, with every option and its default; and the layers of a network."""

from typing import TYPE_CHECKING, Annotated

import typer

from urushi.cli import _console

if TYPE_CHECKING:
    from urushi.recipe import Part


def models(
    name: Annotated[str | None, typer.Argument(help="Show the options of this one.")] = None,
    settings: Annotated[
        list[str], typer.Option("--set", metavar="OPTION=VALUE", help="Show the layers that this gives.")
    ] = [],  # noqa: B006  typer needs a literal default and never changes it
    image_shape: Annotated[
        tuple[int, int, int], typer.Option(metavar="C H W", help="Of the images, for the layers.")
    ] = (3, 128, 128),
) -> None:
    """The methods, or one of them with every option; with --set, the layers of its network."""
    from urushi.cli._catalogue import show_all, show_one
    from urushi.models.base import Reconstructor
    from urushi.recipe import Part, parse_setting

    if name is None:
        show_all("urushi.models", Reconstructor, "method")
    elif settings:
        chosen = dict(parse_setting(f"model.{text}") for text in settings)
        _layers(Part(name=name, **{key.removeprefix("model."): value for key, value in chosen.items()}), image_shape)
    else:
        show_one("urushi.models", name, Reconstructor, "model")


def _layers(part: "Part", image_shape: tuple[int, int, int]) -> None:
    from urushi.models import layers

    found = layers(part, image_shape)
    rows = [(one.name, one.kind, "×".join(map(str, one.output)), f"{one.n_parameters:,}") for one in found]
    _console.table(("layer", "kind", "output (C×H×W)", "parameters"), rows)
    total = sum(one.n_parameters for one in found)
    print(f"{total:,} parameters for images of {'×'.join(map(str, image_shape))}")
