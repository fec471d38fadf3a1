"""Learning goes on from a detector file: `urushi fit --add` and `--remove`."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from urushi.cli import _console
from urushi.cli._datasets import images_in, note_problems
from urushi.cli._good_images import good_images
from urushi.cli._places import require_detector_place
from urushi.printable import counted, printable

if TYPE_CHECKING:
    from urushi.data.images import ImageSource
    from urushi.detector import Detector

_OF_A_NEW_FIT = (
    "recipe",
    "settings",
    "false_alarm_rate",
    "resume",
    "from_checkpoint",
    "seed",
    "final",
    "mlflow",
    "ignore",
    "inspect_only",
)
_MOST_LISTED = 20


@dataclass(frozen=True)
class Images:
    """Which images were given, as files and folders."""

    places: Sequence[Path]
    layout: str | None
    good_folders: Sequence[str]
    bits: int | None
    group_by: str | None = None

    def found(self) -> list[Path]:
        """Each of them; of a folder those that a fit would take. Raises DatasetError."""
        return [image for place in self.places for image in self._in(place)]

    def grouped(self, sources: Sequence[Path]) -> "Sequence[ImageSource]":
        """With the product of each, where it was said; raises RecipeError, DatasetError."""
        from urushi.data.groups import grouped, section_of

        return grouped(sources, section_of(self.group_by) if self.group_by else None)

    def _in(self, place: Path) -> Iterator[Path]:
        from urushi.data.pages import images_in_file

        if place.is_dir():
            yield from good_images(place, self.layout, self.good_folders).paths
        else:
            yield from images_in_file(place, lambda problem: note_problems([problem]))


def refuse_beside(context: typer.Context, add: Path | None, remove: Path | None) -> None:
    """Raises InputError for options that belong to a new fit, or do not go together."""
    from urushi.errors import InputError

    if (add is None) == (remove is None):
        raise InputError("--selected goes with --add DETECTOR" if add is None else "give --add or --remove, not both")
    given = [name for name in _OF_A_NEW_FIT if context.get_parameter_source(name).name != "DEFAULT"]  # type: ignore[union-attr]
    names = ", ".join(f"--{'set' if name == 'settings' else name.replace('_', '-')}" for name in given)
    if given:
        raise InputError(
            f"{names}: a detector learns on by its own recipe; leave it out, or fit anew. `urushi calibrate` changes "
            "the false-alarm rate"
        )
    if remove and context.params["group_by"]:
        raise InputError("--group-by goes with --add: images are removed by their pixels, whatever their product")
    if remove and context.params["selected"]:
        raise InputError("--selected goes with --add: removed images take their scores with them")


def go_on(
    add: Path | None,
    remove: Path | None,
    output: Path | None,
    images: Images,
    defects: Path | None,
    *,
    is_selected: bool,
    device: str,
) -> None:
    """Writes the detector that has learnt on; without a place of its own it takes the old one's, which is kept."""
    from urushi.detector import Detector

    require_detector_place(output, "-o")
    path = add or remove
    assert path is not None
    old, start = Detector.load(path, runtime="torch", device=device), time.monotonic()
    sources, labelled = images.found(), images_in(defects, images.good_folders)
    how: dict[str, Any] = {"defects": labelled, "bits": images.bits}
    new = old.add(images.grouped(sources), **how, is_selected=is_selected) if add else old.remove(sources, **how)
    kept = save(new, path, output)
    _report(old, new, sources, time.monotonic() - start)
    print(f"{output or path}: {_state(new)}{f'; the detector before is {kept}' if kept else ''}")
    if new.unreadable:
        raise typer.Exit(1)


def save(new: "Detector", path: Path, output: Path | None) -> Path | None:
    """Where the old file is kept, if the new one takes its place."""
    is_same = output is None or (output.exists() and output.samefile(path))
    kept = _copied(path) if is_same else None
    new.save(output or path)
    return kept


def _copied(path: Path) -> Path:
    """part.1.urushi, part.2.urushi …: the first that is free."""
    from urushi import atomic_file
    from urushi.errors import InputError

    places = (path.with_name(f"{path.stem}.{number}{path.suffix}") for number in count(1))
    place = next(place for place in places if not place.exists())
    try:
        atomic_file.replace(place, path.read_bytes())
    except OSError as error:
        raise InputError(f"the old detector cannot be kept as {place}: {error.strerror}; give -o a place") from None
    return place


def _state(new: "Detector") -> str:
    facts = new.card["fit"]
    products = f" of {counted(n, 'product')}" if (n := new.held_out.normals.n_groups) else ""
    scores = len(new.held_out.scores)
    return (
        f"has learnt {counted(facts['n_training'], 'good image')}, {counted(scores, 'score')}{products} "
        f"{'sets' if scores == 1 else 'set'} the threshold"
    )


def _report(old: "Detector", new: "Detector", sources: Sequence[Path], seconds: float) -> None:
    facts = new.card["rounds"][-1]
    _console.list_unreadable(new.unreadable)
    if facts["what"] == "added":
        _report_added(old, facts, sources)
    note_exports(old, new)
    print(f"{counted(facts['n_images'], 'image')} {facts['what']} in {seconds:.1f} s")
    print_threshold(old, new)


def _report_added(old: "Detector", facts: Mapping[str, Any], sources: Sequence[Path]) -> None:
    names = [printable(str(source)) for source in sources]
    _list("note: images that it knows, by their pixels, are left out", [names[i] for i in facts["known"]])
    _list("note: images with the same pixels as others are left out", [names[i] for i in facts["copies"]])
    again = [names[i] for i in facts.get("of_known_products", ())]
    _list("note: images of products that it had learnt; they are learnt, but leave the threshold alone", again)
    unlike = [f"{names[one['image']]}: {one['text']}" for one in facts["unlike"]]
    _list("warning: new images that look like none that it had learnt; they are learnt all the same", unlike)
    above = [f"{names[one['image']]} (score {one['score']:.6g})" for one in facts["above"]]
    _list(f"note: new images above the threshold {old.threshold.value:.6g} before they were learnt", above)
    if len(above) > 2 * (old.threshold.false_alarm_rate or 0) * facts["n_images"] + 1 and not facts["is_selected"]:
        _console.note(
            "note: that is more than its false-alarm rate says. If they were chosen because they were called "
            "anomalous, add them with --selected, or their scores raise the threshold more than they should"
        )


def _list(text: str, lines: Sequence[str]) -> None:
    if not lines:
        return
    _console.note(f"{text}: {len(lines)}")
    for line in lines[:_MOST_LISTED]:
        _console.note(f"  {line}")
    if len(lines) > _MOST_LISTED:
        _console.note(f"  and {len(lines) - _MOST_LISTED} more")


def note_exports(old: "Detector", new: "Detector") -> None:
    """That exported graphs are of the old detector."""
    if old.ways.exports and not new.ways.exports:
        engines = sorted({str(entry["runtime"]) for entry in old.ways.exports})
        _console.note(
            f"note: its exported graphs ({', '.join(engines)}) are of the detector before and left out; "
            f"`urushi export --to {engines[0]}` makes new ones"
        )


def print_threshold(old: "Detector", new: "Detector") -> None:
    """The old and the new one."""
    print(f"threshold {old.threshold.value:.6g} -> {new.threshold.value:.6g}: {new.threshold.explanation}")
