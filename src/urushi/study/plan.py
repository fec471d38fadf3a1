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
_WITH_RECIPES = ("data", "methods", "baselines")
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
    model: Part | None = None  # instead of the recipe's model, with options of its own
    varies: str | None = None  # the setting that `vary` varies for this method, where it is another one
    value: int | float | str | None = None  # the value of `vary` with which ratios, scores and rules are compared


class Baseline(_Table):
    """A recipe beside the methods as it is, with its own preprocessing and score; nothing of it is varied."""

    name: _Name
    recipe: str
    settings: dict[str, _Setting] = {}
    value: None = None


class Vary(_Table):
    """One setting that is varied, and its values."""

    setting: str
    values: Annotated[tuple[int | float | str, ...], Field(min_length=1)]
    label: str = ""  # how tables and plots name it


class Place(_Table):
    """Where a figure stands in the tables: what is not said is the method's chosen value, its first score, the ratio.

    In a claim also which figure it is; one of `drawing`, such as "roc_auc" or "error of needle".
    """

    data: str | None = None
    method: str | None = None
    value: int | float | str | None = None
    score: str | None = None
    ratio: float | None = None
    figure: str | None = None

    def joined(self, other: "Place") -> "Place":
        """With what the other says beside."""
        return Place(**self.model_dump(exclude_none=True) | other.model_dump(exclude_none=True))


class Claim(_Table):
    """An ordering that somebody states: at each of the places `at`, the figure `above` is higher than each `below`.

    With `within`, that they differ by less than it.
    """

    text: str
    source: str = ""
    at: Annotated[tuple[Place, ...], Field(min_length=1)]
    above: Place
    below: Annotated[tuple[Place, ...], Field(min_length=1)]
    within: Annotated[float, Field(gt=0)] | None = None

    @property
    def statement(self) -> str:
        """Its words, with the margin where it has one."""
        return self.text if self.within is None else f"{self.text} (within {self.within:g})"

    def pairs(self) -> Iterator[tuple[Place, Place]]:
        """Both sides of each comparison."""
        return ((at.joined(self.above), at.joined(below)) for at in self.at for below in self.below)


class Published(_Table):
    """Figures that somebody else has published, shown below ours."""

    data: str
    method: str
    value: int | float | str | None = None
    score: str | None = None
    ratio: float | None = None
    figures: dict[str, Annotated[tuple[float, ...], Field(min_length=1, max_length=2)]]  # mean and standard error


class Study(_Table):
    """A whole study; `of` reads it and names every wrong key."""

    title: str
    description: str = ""
    data: Annotated[tuple[Data, ...], Field(min_length=1)]
    methods: Annotated[tuple[Method, ...], Field(min_length=1)]
    baselines: tuple[Baseline, ...] = ()
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
    claims: tuple[Claim, ...] = ()

    @classmethod
    def of(cls, path: Path) -> "Study":
        """From a TOML file; raises InputError that names every wrong key."""
        try:
            found = cls.model_validate(parse_toml(path.read_text(encoding="utf-8"), str(path)))
            return found._with_recipes_beside(path.parent)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot be read as a study: {error}") from None
        except ValidationError as error:
            raise InputError("\n".join(f"{path}: {_explain(e)}" for e in error.errors())) from None

    @field_validator("data", "methods", "baselines")
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
    def _names_are_those_of_one(self) -> Self:
        self._named_apart(self.compared)
        return self

    @model_validator(mode="after")
    def _claims_are_of_what_is_measured(self) -> Self:
        data, methods = {one.name for one in self.data}, {one.name for one in self.compared}
        for claim in self.claims:
            for place in (one for pair in claim.pairs() for one in pair):
                if place.data not in data or place.method not in methods:
                    raise ValueError(
                        f"the claim {claim.text!r} is of the data set {place.data!r} and the method {place.method!r}; "
                        f"there are {', '.join(sorted(data))} and {', '.join(sorted(methods))}"
                    )
        return self

    @model_validator(mode="after")
    def _chosen_values_are_varied(self) -> Self:
        for method in self.methods:
            if method.value is not None and (self.vary is None or method.value not in self.vary.values):
                raise ValueError(f"the value {method.value!r} of the method {method.name} is none of vary.values")
        return self

    @property
    def compared(self) -> tuple[Method | Baseline, ...]:
        """The methods, and after them the baselines."""
        return (*self.methods, *self.baselines)

    def values(self, one: Method | Baseline) -> tuple[Any, ...]:
        """Those with which it is fitted."""
        return self.vary.values if self.vary and isinstance(one, Method) else (None,)

    def runs(self) -> Iterator["Run"]:
        """Every fit, repeat by repeat, so that an interrupted study has something of everything."""
        for seed in range(self.repeats):
            for data in self.data:
                for one in self.compared:
                    scores = self.scores if isinstance(one, Method) else ()
                    for value in self.values(one):
                        yield Run(data, one, value, seed, self._recipe(data, one, value), scores)

    def chosen(self, method: str) -> Any:
        """The value with which a method enters the tables that do not vary it: its own, or the last."""
        (found,) = (one for one in self.compared if one.name == method)
        return found.value if found.value is not None else self.values(found)[-1]

    def _with_recipes_beside(self, folder: Path) -> Self:
        """Recipes that are files beside the study are found from wherever it is run."""

        def placed(one: Any) -> Any:
            is_beside = one.recipe is not None and (folder / one.recipe).is_file()
            return one.model_copy(update={"recipe": str(folder / one.recipe)}) if is_beside else one

        return self.model_copy(update={key: tuple(map(placed, getattr(self, key))) for key in _WITH_RECIPES})

    def _pairs(self) -> Iterator[tuple[Data, Method]]:
        return ((data, method) for data in self.data for method in self.methods)

    def _recipe(self, data: Data, one: Method | Baseline, value: Any) -> Recipe:
        if isinstance(one, Baseline):
            return Recipe.find(one.recipe).with_settings(one.settings)
        recipe = Recipe.find(str(data.recipe or one.recipe))
        if one.model:
            recipe = recipe.model_copy(update={"model": one.model})
        varied = {one.varies or self.vary.setting: value} if self.vary else {}
        return recipe.with_settings(data.settings | one.settings | varied)


@dataclass(frozen=True)
class Run:
    """One fit of a study, and what it is measured by."""

    data: Data
    method: Method | Baseline
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
        # Without defaults: an option that recipes get later on changes no key.
        recipe = self.recipe.model_dump(mode="json", exclude={"threshold", "description"}, exclude_defaults=True)
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
