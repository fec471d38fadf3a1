"""The page of a source: published figures beside ours, and a verdict for each claim. Written by `studies.claims`."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks import record

from studies import RESULTS
from studies.claims import SOURCES, Column, Figures, Found, Line, Source
from urushi.evaluation.below_chance import MARK
from urushi.study.page import markdown
from urushi.study.plan import Claim, Place
from urushi.study.table import NONE, Table
from urushi.study.verdicts import Judged

NOTE = (
    "Each difference is what is said to be higher less the other, with its 95 % interval (Student): over repeats where "
    "it is of one data set, on the same test images, else over data sets, each counting once. **Holds**: the intervals "
    "of all comparisons are above 0 (or inside the margin). **Does not**: one is contradicted, at 95 % for the whole "
    "claim. What was not run, or only once, or has 0 in its interval, is not decidable."
)
OURS = (
    "Ours are means ± standard errors, over repeats or, where a line is of several data sets, over these; —: not run."
)


def page(name: str, folder: Path = RESULTS) -> str:
    """Markdown of the source in studies/published with this name, from the records in `folder`."""
    made = (
        f"*Written by `python -m studies.claims` from [its file](../../studies/published/{name}.toml) and the records.*"
    )
    return written(Found(source=Source.of(SOURCES / f"{name}.toml"), folder=folder), made)


def written(found: Found, made: str) -> str:
    """The page, and at its end how it was made."""
    source = found.source
    tables = [markdown(_verdicts(found)), *(markdown(_figures(found, one)) for one in source.tables)]
    parts = [
        f"# {source.title}",
        source.about.strip(),
        *tables,
        OURS if source.tables else "",
        source.end.strip(),
        made,
    ]
    return record.remarked("\n\n".join(filter(None, parts)))


def _verdicts(found: Found) -> Table:
    rows = tuple(_verdict(claim, found.judged(claim), found) for claim in found.source.claims)
    return Table(
        "What is claimed, and what was found", ("claim", "where", "here", "paired over", "difference"), rows, NOTE
    )


def _verdict(claim: Claim, said: Judged, found: Found) -> tuple[str, ...]:
    named = {above.data for above, *_ in said.comparisons}
    unit = "data sets" if named & {None, *found.source.groups} else "repeats"
    here = f"**{said.verdict}**" if said.verdict != "not decidable" else f"not decidable here: {_reason(said)}"
    differences = said.differences if any(len(one) for *_, one in said.comparisons) else NONE
    return (claim.statement, claim.source, here, f"{said.n_pairs} {unit}", differences)


def _reason(said: Judged) -> str:
    """Why nothing is decided."""
    counts = [len(found) for *_, found in said.comparisons]
    if missing := counts.count(0):
        return "not run" if missing == len(counts) else f"{missing} of {len(counts)} comparisons not run"
    return "one pair only" if min(counts) < 2 else "an interval has 0 in it"


def _figures(found: Found, table: Figures) -> Table:
    columns = table.columns or found.source.columns
    rows = tuple((*_head(line), *_cells(found, line, columns, table.digits)) for line in table.lines)
    return Table(table.title, ("", "", *(column.label for column in columns)), rows, table.note.strip())


def _head(line: Line) -> tuple[str, str]:
    return (line.label, line.where if line.place is None else "**ours**")


def _cells(found: Found, line: Line, columns: Sequence[Column], digits: int) -> list[str]:
    if line.place is None:
        return [NONE if value is None else f"{value:.{digits}f}" for value in line.published or ()]
    return [_cell(found, line.place.joined(column.place), digits) for column in columns]


def _cell(found: Found, place: Place, digits: int) -> str:
    values = list(found.figures_at(place).values())
    if not values:
        return NONE
    mean, error = record.mean_and_error(values)
    mark = f" {MARK}" if "roc" in (place.figure or "roc_auc").lower() and mean < 0.5 else ""
    return f"{mean:.{digits}f}" + (f" ± {error:.{digits}f}" if len(values) > 1 else "") + mark
