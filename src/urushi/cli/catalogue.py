"""urushi models, scores, steps, transforms, recipes: what there is, made from the classes themselves."""

import inspect
import re
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer

from urushi import catalogue
from urushi.catalogue.extras import require
from urushi.cli import _completion, _console

if TYPE_CHECKING:
    from urushi.recipe import Part


def _one_of(room: str) -> Any:
    return typer.Argument(
        metavar="NAME", help="Show the options of this one.", autocompletion=_completion.entry_of(room)
    )


SourceOption = Annotated[
    bool, typer.Option("--source", help="With the places in the sources that it follows: see docs/sources.md.")
]
_BASES = {
    "urushi.models": "Reconstructor",
    "urushi.scoring": "Score",
    "urushi.preprocessing": "Step",
    "urushi.augmentation": "Transform",
}
_IN_BRACKETS, _PLACE = re.compile(r"\s*\(([^()]*)\)"), re.compile(r"\bS[1-5]\b|§|\bMETHODS\b")
_AUTHORS = {"S1": "Yelisieiev", "S2": "Sode", "S3": "Boracchi", "S4": "Rádli and Czúni", "S5": "Kashihara"}
_OUTSIDE = re.compile(r"\b(S[1-5])\b(?: (?:§|eqs?\.?|tables?|chapter) ?[\d.–]*\d(?: and [\d.]*\d)?)?")


def models(
    name: Annotated[str | None, _one_of("urushi.models")] = None,
    settings: Annotated[
        list[str], typer.Option("--set", metavar="OPTION=VALUE", help="Show the layers that this gives.")
    ] = [],  # noqa: B006  typer needs a literal default and never changes it
    image_shape: Annotated[
        tuple[int, int, int], typer.Option(metavar="C H W", help="Of the images, for the layers.")
    ] = (3, 128, 128),
    source: SourceOption = False,
) -> None:
    """The methods, or one of them with every option. With --set, the layers of its network."""
    require("torch", "train")
    if name is None or not settings:
        _show("urushi.models", name, "method", "model", has_places=source)
        return
    from urushi.recipe import Part, parse_setting

    print(_first_sentence("urushi.models", name, has_places=source))
    chosen = dict(parse_setting(f"model.{text}") for text in settings)
    _layers(Part(name=name, **{key.removeprefix("model."): value for key, value in chosen.items()}), image_shape)


def scores(name: Annotated[str | None, _one_of("urushi.scoring")] = None, source: SourceOption = False) -> None:
    """The scores, or one of them with every option."""
    require("torch", "train")
    _show("urushi.scoring", name, "score", "score", has_places=source)


def steps(name: Annotated[str | None, _one_of("urushi.preprocessing")] = None, source: SourceOption = False) -> None:
    """The preprocessing steps, or one of them with every option."""
    _show("urushi.preprocessing", name, "step", f"preprocessing.{name}", has_places=source)


def transforms(
    name: Annotated[str | None, _one_of("urushi.augmentation")] = None, source: SourceOption = False
) -> None:
    """The transforms of augmentation, or one with every option."""
    _show("urushi.augmentation", name, "transform", f"augmentation.{name}", has_places=source)


def recipes(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="Print this one as TOML, defaults included.", autocompletion=_completion.recipe
        ),
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


def _show(room: str, name: str | None, what: str, section: str, *, has_places: bool) -> None:
    """Every entry of a room with its first sentence, or one with all its options: name, type, default, meaning."""
    if name is None:
        named = ((one, _first_sentence(room, one, has_places=has_places)) for one in catalogue.names(room))
        _console.table((what, "what it is"), named)
        return
    print(_shown(catalogue.opening(room, name), has_places=has_places) + "\n")
    from urushi.catalogue import options  # late: what it is is said before the class is imported

    cls: type = catalogue.load(room, name, getattr(import_module(f"{room}.base"), _BASES[room]))
    print(_shown(inspect.cleandoc(cls.__doc__ or ""), has_places=has_places) + "\n")
    rows = [
        (o.name, o.type, "" if o.is_required else o.default, _shown(o.description, has_places=has_places))
        for o in options.describe(cls)
    ]
    _console.table(("option", "type", "default", "meaning"), rows)
    print(f"set them with --set {section}.OPTION=VALUE, or in a recipe")


def _first_sentence(room: str, name: str, *, has_places: bool) -> str:
    return _shown(catalogue.opening(room, name).split("\n")[0], has_places=has_places)


def _shown(text: str, *, has_places: bool) -> str:
    """The text; without places in the sources, brackets keep only what names none, and authors stand for letters."""

    def kept(brackets: re.Match[str]) -> str:
        rest = [part.strip() for part in brackets[1].split(";") if not _PLACE.search(part)]
        return brackets[0] if not _PLACE.search(brackets[1]) else f" ({'; '.join(rest)})" if rest else ""

    return text if has_places else _OUTSIDE.sub(lambda found: _AUTHORS[found[1]], _IN_BRACKETS.sub(kept, text))
