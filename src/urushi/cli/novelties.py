"""urushi novelties: what has gathered in a novelty buffer, grouped, shown and named."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from urushi.cli import _console
from urushi.errors import InputError
from urushi.printable import printable

if TYPE_CHECKING:
    from urushi.defect_types import NoveltyBuffer


def novelties(
    buffer: Annotated[Path, typer.Argument(metavar="FILE", help="Made by `urushi inspect --novelty-buffer FILE`.")],
    name: Annotated[
        list[str] | None, typer.Option(metavar="NUMBER=NAME", help="Name a proposal of the last listing; repeatable.")
    ] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(metavar="OLD=NEW", help="Give a type another name; that of another type makes them one."),
    ] = None,
    page: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Write a picture that shows the images of each group.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Propose new types of defects from similar images, name them.

    Later images are then told by name: `urushi inspect --novelty-buffer FILE`.
    """
    from urushi.defect_types import changes, update

    names, others = dict(map(_parsed, name or [])), dict(map(_renamed, rename or []))

    def changed(found: "NoveltyBuffer | None") -> "NoveltyBuffer":
        """Numbers are those of the last listing, even where images have come since."""
        if found is None:
            raise InputError(f"{buffer} does not exist; `urushi inspect --novelty-buffer {buffer}` makes one")
        if others:
            found = found.renamed(others)
        return found.named(names) if names else found if others else found.proposed()

    found = update(buffer, changed)
    groups = _groups(found)
    if page is not None:
        _draw(found, groups, page)
    noticed = changes(found)
    if as_json:
        told = [vars(change) for change in noticed]
        print(json.dumps({"format": 1, "groups": _as_json(found, groups), "changes": told}, indent=1))
    else:
        _table(found, groups)
        for change in noticed:
            print(printable(change.text))


def _parsed(text: str) -> tuple[int, str]:
    number, equals, name = text.partition("=")
    if not (equals and number.strip().isdecimal()):
        raise InputError(f"a proposal is named NUMBER=NAME, such as 1=crack, not {text!r}")
    return int(number), name.strip()


def _renamed(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not (equals and old.strip() and new.strip()):
        raise InputError(f"a type is renamed OLD=NEW, such as scrach=scratch, not {text!r}")
    return old.strip(), new.strip()


def _groups(found: "NoveltyBuffer") -> dict[str, list[int]]:
    """Rows by what they are called: named types first, then proposals, then the rest."""
    groups: dict[tuple[int, int, str], list[int]] = {}
    for row, (name, proposal) in enumerate(zip(found.names, found.proposals, strict=True)):
        key = (0, 0, name) if name else (1, proposal, f"proposal {proposal}") if proposal else (2, 0, "not grouped")
        groups.setdefault(key, []).append(row)
    return {key[2]: rows for key, rows in sorted(groups.items())}


def _as_json(found: "NoveltyBuffer", groups: dict[str, list[int]]) -> list[dict[str, object]]:
    return [
        {
            "name": found.names[rows[0]] or None,
            "proposal": found.proposals[rows[0]] or None,
            "sources": [found.sources[row] for row in rows],
        }
        for rows in groups.values()
    ]


def _table(found: "NoveltyBuffer", groups: dict[str, list[int]]) -> None:
    rows = [(name, str(len(own)), found.sources[own[0]], found.sources[own[-1]]) for name, own in groups.items()]
    _console.table(("group", "images", "the first", "the last"), rows)
    if any(found.proposals):
        _console.note("look at them with --page groups.png; name one with --name 1=NAME")


def _draw(found: "NoveltyBuffer", groups: dict[str, list[int]], path: Path) -> None:
    from urushi.reporting.plots.grouped_pictures import grouped_pictures_figure
    from urushi.reporting.plots.style import write

    pictures = {name: [found.pictures[row] for row in rows] for name, rows in groups.items()}
    png, _ = write(grouped_pictures_figure(pictures), path.with_suffix(""))
    _console.note(f"picture: {png}")
