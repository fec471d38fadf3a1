"""A recipe: the whole description of a detector, read from and written to TOML, checked before anything runs."""

import tomllib
from collections.abc import Mapping
from typing import Any, get_args

import tomli_w
from pydantic import ValidationError, model_validator

from urushi.catalogue.entries import nearest
from urushi.errors import RecipeError
from urushi.recipes.files import parse_toml, read_recipe, recipe_names
from urushi.recipes.sections import (
    Augmentation,
    Candidate,
    Groups,
    Part,
    Polygon,
    Region,
    Section,
    Split,
    Tiling,
    Training,
    Trial,
)

__all__ = [
    "Augmentation",
    "Candidate",
    "Groups",
    "Part",
    "Polygon",
    "Recipe",
    "Region",
    "Split",
    "Tiling",
    "Training",
    "Trial",
    "parse_setting",
    "recipe_names",
]


class Recipe(Section):
    """The description of a detector: a section for each room that an image passes."""

    description: str = ""
    preprocessing: tuple[Part, ...]
    region: Region | None = None  # None: all of an image counts
    groups: Groups | None = None  # None: each image is of a product of its own
    tiling: Tiling = Tiling()
    augmentation: Augmentation = Augmentation()
    model: Part
    score: Part
    threshold: Part = Part(name="conformal")
    training: Training = Training()
    split: Split = Split()
    trial: Trial = Trial()

    @model_validator(mode="after")
    def _has_one_view(self) -> "Recipe":
        if self.region is not None and self.tiling.tile_px:
            raise RecipeError(
                "a region does not go together with tiles, of which each would need a part of it; "
                "set tiling.tile_px = 0, or cut the images to what shall be inspected"
            )
        return self

    @model_validator(mode="after")
    def _has_candidates(self) -> "Recipe":
        for candidate in self.trial.candidates:
            self.of(candidate)  # raises RecipeError before anything runs
        return self

    @classmethod
    def from_table(cls, table: Mapping[str, Any], origin: str) -> "Recipe":
        """From the values of a TOML file; raises RecipeError that names every wrong key of the sections."""
        try:
            return cls.model_validate(table)
        except ValidationError as error:
            raise RecipeError("\n".join(f"{origin}: {_explain(e)}" for e in error.errors())) from None

    @classmethod
    def from_toml(cls, text: str, origin: str = "recipe") -> "Recipe":
        """From the TOML of a recipe without base; raises RecipeError with the line where the TOML is broken."""
        return cls.from_table(parse_toml(text, origin), origin)

    @classmethod
    def find(cls, name_or_path: str) -> "Recipe":
        """A recipe by the name of a shipped one, or by the path of a TOML file; whole, also where it has a base."""
        return cls.from_table(read_recipe(name_or_path), name_or_path)

    def to_toml(self) -> str:
        """The whole recipe, defaults included, as TOML; `from_toml` gives an equal one back."""
        return tomli_w.dumps(self.model_dump(exclude_none=True))

    def with_settings(self, settings: Mapping[str, Any]) -> "Recipe":
        """A copy with values set by dotted name (`training.max_epochs`, `preprocessing.resize.height`)."""
        table = self.model_dump(exclude_none=True)
        for key, value in settings.items():
            _set(table, key, value)
        return Recipe.from_table(table, "settings")

    def of(self, candidate: Candidate) -> "Recipe":
        """The recipe that a candidate of its trial stands for, which has no trial itself; raises RecipeError."""
        return self.model_copy(update={"trial": Trial()}).with_settings(candidate.settings)


def parse_setting(text: str) -> tuple[str, Any]:
    """`section.key=value` as given on the command line; the value is TOML, or else a bare word."""
    key, equals, value = text.partition("=")
    if not (equals and key and value):
        raise RecipeError(f"a setting is written section.key=value, not {text!r}")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value
    except (ValueError, RecursionError):  # a number of thousands of digits, or brackets as many deep
        raise RecipeError(f"{key}: no setting has a value of {len(value)} characters like {value[:20]}…") from None


def _set(table: dict[str, Any], key: str, value: Any) -> None:
    section, _, rest = key.partition(".")
    name, _, option = rest.partition(".")
    if section == "preprocessing":
        _set_part(table["preprocessing"], key, "preprocessing step", name, option, value)
    elif section == "augmentation" and option:
        _set_part(table["augmentation"]["transforms"], key, "transform", name, option, value)
    elif rest and section in Recipe.model_fields and isinstance(table.setdefault(section, {}), dict):
        table[section][rest] = value
    else:
        sections = tuple(name for name in Recipe.model_fields if name != "description")
        raise RecipeError(f"{key}: settings are written section.key{nearest(section, sections)}")


def _set_part(parts: list[dict[str, Any]], key: str, kind: str, name: str, option: str, value: Any) -> None:
    found = [part for part in parts if part["name"] == name]
    if len(found) != 1:
        raise RecipeError(f"{key}: the recipe has {len(found)} {kind}s called {name!r}, not one")
    if not option:
        raise RecipeError(f"{key}: name the option of the {kind} as well, such as preprocessing.resize.height")
    found[0][option] = value


def _explain(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if where == "base":
        return "base: only a recipe that is read by its name or from its file begins with another"
    if error["type"] == "extra_forbidden":
        section = Recipe.model_fields.get(str(error["loc"][0]))
        owner: Any = section.annotation if section and len(error["loc"]) > 1 else Recipe
        owner = next(iter(get_args(owner)), owner)  # of a section that may be left out
        return f"{where} is unknown{nearest(str(error['loc'][-1]), tuple(owner.model_fields))}"
    if error["type"] == "missing":
        return f"{where} is missing"
    return f"{where} = {error['input']!r}: {error['msg']}"
