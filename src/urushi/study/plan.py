"""What a study is to measure, read from TOML: data sets, methods, repeats, scores, threshold rules, anomaly ratios."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from urushi.catalogue.entries import nearest
from urushi.errors import InputError
from urushi.recipe import Part, Recipe
from urushi.recipes.files import parse_toml

_Name = Annotated[str, Field(pattern=r"^[\w .+-]{1,60}$")]  # it becomes part of file names
_Share = Annotated[float, Field(gt=0, lt=1)]
_Setting = str | int | float | bool | list[Any] | dict[str, Any]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(_Table):
    """A data set with a labelled test split, and the recipe that its images need."""

    name: _Name
    folder: str  # below the folder of data
    recipe: str | None = None  # name or path of a recipe; the methods bring theirs where there is none
    settings: dict[str, _Setting] = {}


class Method(_Table):
    """Something to be compared: a recipe, or changes to those of the data sets."""

    name: _Name
    recipe: str | None = None
    settings: dict[str, _Setting] = {}
    value: int | float | str | None = None  # the value of `vary` with which ratios, scores and rules are compared


class Vary(_Table):
    """One setting that is varied, and its values."""

    setting: str
    values: Annotated[tuple[int | float | str, ...], Field(min_length=1)]
    label: str = ""  # how tables and plots name it


class Published(_Table):
    """A figure that somebody else has published, shown beside ours."""

    data: str
    method: str
    value: int | float | str | None = None
    score: str | None = None
    ratio: float | None = None
    figure: str = "roc_auc"
    mean: float
    standard_error: float | None = None


class Study(_Table):
    """A whole study; `of` reads it and names every wrong key."""

    title: str
    description: str = ""
    data: Annotated[tuple[Data, ...], Field(min_length=1)]
    methods: Annotated[tuple[Method, ...], Field(min_length=1)]
    vary: Vary | None = None
    scores: tuple[Part, ...] = ()  # none: that of each recipe
    thresholds: Annotated[tuple[Part, ...], Field(min_length=1)] = (Part(name="conformal"),)
    repeats: Annotated[int, Field(ge=1, description="fits of each recipe, with seeds 0, 1, …")] = 1
    draws: Annotated[int, Field(ge=1, description="test sets drawn from the test split of each repeat")] = 10
    anomaly_ratio: Annotated[_Share, Field(description="share of anomalies in these test sets")] = 0.5
    anomaly_ratios: tuple[_Share, ...] = ()  # for a table over ratios, all test sets of one total
    threshold_defects: Annotated[
        float, Field(ge=0, lt=1, description="share of the anomalies kept from tests, for rules that need defects")
    ] = 0.3
    published: tuple[Published, ...] = ()
    source: str = ""  # who published them

    @classmethod
    def of(cls, path: Path) -> "Study":
        """From a TOML file; raises InputError that names every wrong key."""
        try:
            return cls.model_validate(parse_toml(path.read_text(encoding="utf-8"), str(path)))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot be read as a study: {error}") from None
        except ValidationError as error:
            raise InputError("\n".join(f"{path}: {_explain(e)}" for e in error.errors())) from None

    @field_validator("data", "methods")
    @classmethod
    def _named_apart(cls, found: tuple[Any, ...]) -> tuple[Any, ...]:
        names = [one.name for one in found]
        if len(set(names)) < len(names):
            raise ValueError(f"two have the same name: {', '.join(names)}; give each its own")
        return found

    @model_validator(mode="after")
    def _each_has_one_recipe(self) -> Self:
        for data, method in self._pairs():
            if (data.recipe is None) == (method.recipe is None):
                raise ValueError(f"either the data set {data.name} or the method {method.name} must name a recipe")
        return self

    @model_validator(mode="after")
    def _chosen_values_are_varied(self) -> Self:
        for method in self.methods:
            if method.value is not None and (self.vary is None or method.value not in self.vary.values):
                raise ValueError(f"the value {method.value!r} of the method {method.name} is none of vary.values")
        return self

    def runs(self) -> Iterator["Run"]:
        """Every fit, repeat by repeat, so that an interrupted study has something of everything."""
        for seed in range(self.repeats):
            for data, method in self._pairs():
                for value in self.vary.values if self.vary else (None,):
                    yield Run(data, method, value, seed, self._recipe(data, method, value), self.scores)

    def chosen(self, method: str) -> Any:
        """The value with which a method enters the tables that do not vary it: its own, or the last."""
        (found,) = (one for one in self.methods if one.name == method)
        return found.value if found.value is not None or self.vary is None else self.vary.values[-1]

    def _pairs(self) -> Iterator[tuple[Data, Method]]:
        return ((data, method) for data in self.data for method in self.methods)

    def _recipe(self, data: Data, method: Method, value: Any) -> Recipe:
        varied = {self.vary.setting: value} if self.vary else {}
        return Recipe.find(str(data.recipe or method.recipe)).with_settings(data.settings | method.settings | varied)


@dataclass(frozen=True)
class Run:
    """One fit of a study, and what it is measured by."""

    data: Data
    method: Method
    value: Any
    seed: int
    recipe: Recipe
    scores: tuple[Part, ...]

    @property
    def name(self) -> str:
        """For people and file names."""
        value = "" if self.value is None else f"-{self.value}"
        return f"{self.data.name}-{self.method.name}{value}-{self.seed}".replace(" ", "_")

    def key(self, fingerprint: str) -> str:
        """What the result depends on: recipe, scores, seed and the images; 16 hex digits."""
        recipe = self.recipe.model_dump(mode="json", exclude={"threshold", "description"})
        parts = [recipe, [part.model_dump(mode="json") for part in self.scores], self.seed, fingerprint]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def label_of(part: Part) -> str:
    """A score or rule in tables: its name, and its options where it has some."""
    return " ".join([part.name, *(f"{name}={_short(value)}" for name, value in part.options.items())])


def _short(value: Any) -> str:
    """Parts inside a part by their names alone."""
    if isinstance(value, list) and all(isinstance(one, dict) and "name" in one for one in value):
        return "+".join(one["name"] for one in value)
    return str(value)


def _explain(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"]) or "study"
    if error["type"] == "extra_forbidden":
        return f"{where} is unknown{nearest(str(error['loc'][-1]), tuple(Study.model_fields))}"
    if error["type"] == "missing":
        return f"{where} is missing"
    return f"{where}: {error['msg'].removeprefix('Value error, ')}"
