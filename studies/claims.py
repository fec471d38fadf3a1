"""python -m studies.claims [--pages radli-czuni,…]

What the sources claim, judged by the committed records: one page for each file in studies/published, written to
docs/published. A file names records, tables of published figures with ours below them, and claims; see `Source`.
Nothing is fitted. What a claim says of one data set is paired over its repeats; of a group of data sets, or of none in
particular, over these, each counting once with the mean of its repeats. Verdicts are those of `urushi study`.
"""

import json
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

from benchmarks import command_line
from pydantic import BaseModel, ConfigDict, Field

from studies import RESULTS
from urushi.recipes.files import parse_toml
from urushi.study.plan import Claim, Place
from urushi.study.verdicts import Judged, judged

SOURCES = Path(__file__).parent / "published"
PAGES = Path(__file__).parent.parent / "docs" / "published"
Unit = int | str  # a repeat by its seed, or a data set


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Records(_Table):
    """Where the rows of a study say what they are of: paths of keys with dots between, down from a row."""

    study: str  # its JSON in studies/results, which need not be there yet
    is_of: dict[str, str] = Field(default={}, alias="of")  # what all rows are of: parts of a `Place`
    columns: dict[str, str]  # parts of a `Place`, and the seed, by the path of where a row says it
    each: str | None = None  # the path of a list of which each element becomes a row beside the rest
    figures: dict[str, str | float]  # by name, the path of the number; or the number, of which all rows are said to be

    def measured(self, folder: Path) -> Iterator[tuple[Place, int, Mapping[str, float]]]:
        """Place, seed and figures of each row; nothing where the study was not run."""
        path = folder / f"{self.study}.json"
        for row in json.loads(path.read_text(encoding="utf-8"))["rows"] if path.is_file() else ():
            for one in [row] if self.each is None else [row | element for element in at(row, self.each) or ()]:
                parts = {part: at(one, column) for part, column in self.columns.items()}
                seed = parts.pop("seed", 0)
                found = {name: at(one, of) if isinstance(of, str) else of for name, of in self.figures.items()}
                yield Place(**self.is_of | parts), seed, {k: v for k, v in found.items() if v is not None}


class Column(_Table):
    """A column of a table: what its heading says, and the part of the place that is its own."""

    label: str
    place: Place


class Line(_Table):
    """A line of a table: figures that somebody has published, one a column, or a place of ours."""

    label: str
    where: str = ""  # the table of the source
    published: tuple[float | None, ...] | None = None
    place: Place | None = None


class Figures(_Table):
    """A table: published figures, and below them ours."""

    title: str
    columns: tuple[Column, ...] = ()  # none: those of the source
    lines: Annotated[tuple[Line, ...], Field(min_length=1)]
    digits: int = 3
    note: str = ""


class Source(_Table):
    """What a document has published and claims, and where our records of it are."""

    title: str
    about: str  # what was measured there and here, and how they differ
    groups: dict[str, tuple[str, ...]] = {}  # data sets that a place may name together
    columns: tuple[Column, ...] = ()  # of tables that have none of their own
    records: Annotated[tuple[Records, ...], Field(min_length=1)]
    tables: tuple[Figures, ...] = ()
    claims: Annotated[tuple[Claim, ...], Field(min_length=1)]
    end: str = ""  # what was seen beside the claims

    @classmethod
    def of(cls, path: Path) -> Self:
        """From a TOML file; raises RecipeError, ValidationError."""
        return cls.model_validate(parse_toml(path.read_text(encoding="utf-8"), str(path)))


class Found(BaseModel):
    """The records of a source, by place."""

    source: Source
    folder: Path = RESULTS

    @cached_property
    def by_place(self) -> dict[Place, dict[str, dict[Unit, float]]]:
        """Figures by name and seed, of places that say all but the figure."""
        found: dict[Place, dict[str, dict[Unit, float]]] = defaultdict(lambda: defaultdict(dict))
        for records in self.source.records:
            for place, seed, figures in records.measured(self.folder):
                for name, value in figures.items():
                    found[place][name][seed] = value
        return found

    def figures_at(self, place: Place) -> dict[Unit, float]:
        """A figure by repeat, where the place names one data set; else by data set, the mean over its repeats."""
        wanted = place.model_dump(exclude_none=True)
        name, data = wanted.pop("figure", "roc_auc"), wanted.pop("data", None)
        sets = self.source.groups.get(data, None if data is None else (data,))
        rest = {one: seeds[name] for one, seeds in self.by_place.items() if name in seeds and _is_at(one, wanted)}
        if data is not None and data not in self.source.groups:
            return dict(next((seeds for one, seeds in rest.items() if one.data == data), {}))
        return {
            str(one.data): statistics.fmean(seeds.values())
            for one, seeds in rest.items()
            if sets is None or one.data in sets
        }

    def judged(self, claim: Claim) -> Judged:
        """What the records say of a claim."""
        return judged(claim, self.figures_at)


def _is_at(place: Place, wanted: Mapping[str, Any]) -> bool:
    """Whether the place says the same, and beside it no more than its data set."""
    return place.model_dump(exclude_none=True, exclude={"data"}) == wanted


def at(row: Mapping[str, Any], path: str) -> Any:
    """What stands at the end of a path of keys; None where it breaks off."""
    found: Any = row
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def main() -> None:
    from studies.claims_page import page

    every = tuple(sorted(path.stem for path in SOURCES.glob("*.toml")))
    options = command_line.parser(__doc__, RESULTS, pages=every).parse_args()
    for name in options.pages:
        path = PAGES / f"{name}.md"
        path.write_text(page(name, options.results), encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
