"""The two ways of `urushi inspect` on this machine: images that are there, and images as they arrive."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from urushi.cli import _console
from urushi.cli._batch import decide_together
from urushi.cli._datasets import note_found, note_problems
from urushi.cli._outputs import Listener, ReportWriter, Tally, make_folder, map_writer, mask_writer
from urushi.cli._printing import printer
from urushi.data.dataset import Problem, count_other_files
from urushi.data.names import Names
from urushi.data.parts import find_parts
from urushi.data.progress import tracked
from urushi.errors import DatasetError
from urushi.inspection import Inspection, Unreadable
from urushi.printable import counted

if TYPE_CHECKING:
    from urushi.cli._typing import TypeTeller
    from urushi.detector import Detector

Result = Inspection | Unreadable


@dataclass(frozen=True)
class Wanted:
    """What is made of results beside the tally: printed lines, names of types, and pictures in the folder `out`."""

    out: Path
    output_format: str
    maps_as: str | None  # suffix of the files of maps without its dot; None: there are none
    masks: bool
    report: bool
    teller: "TypeTeller | None"

    @property
    def has_pictures(self) -> bool:
        return bool(self.maps_as or self.masks or self.report)

    def listeners(self, tally: Tally) -> list[Listener]:
        """The tally, and what writes maps and masks; the folder of a report is made here, too."""
        if self.report:
            make_folder(self.out)
        writers = [map_writer(self.out, f".{self.maps_as}")] if self.maps_as else []
        return [tally, *writers, *([mask_writer(self.out)] if self.masks else [])]

    def typed(self, results: Iterator[Result]) -> Iterator[Result]:
        """With the types of defects, where these are asked for."""
        return self.teller.tell(results) if self.teller else results

    def close(self, listeners: Sequence[Listener]) -> None:
        """There are no more results."""
        for listener in listeners:
            listener.close()
        if self.teller:
            self.teller.close()


@dataclass(frozen=True)
class Found:
    """Files of images in order, and what the search for them stumbled over."""

    files: Sequence[Path]
    stumbled: Sequence[Unreadable]

    @classmethod
    def below(cls, paths: list[Path]) -> "Found":
        """What there is in folders and files; says what is left alone. Raises DatasetError where nothing is."""
        entries, left_out = find_parts(paths, Names())
        note_problems(left_out)
        files = [entry for entry in entries if not isinstance(entry, Problem)]
        stumbled = [Unreadable(str(entry.path), entry.reason) for entry in entries if isinstance(entry, Problem)]
        if not entries:
            raise DatasetError(f"no images below {', '.join(map(str, paths))}; give images or a folder that holds some")
        note_found(len(files), "image", paths)
        if n_others := count_other_files(paths):
            _console.note(f"note: {counted(n_others, 'other file was', 'other files were')} left alone")
        return cls(files, stumbled)

    def inspected(self, detector: "Detector") -> Iterator[Result]:
        """Images in order; what the search for files stumbled over comes last."""
        from urushi.data.pages import images_in_file

        shown = tracked(self.files, "inspecting", len(self.files))
        images = (image for file in shown for image in images_in_file(file, lambda problem: note_problems([problem])))
        return chain(detector.inspect_many(images), self.stumbled)


def inspect_found(detector: "Detector", found: Found, wanted: Wanted, false_discovery_rate: float | None) -> Tally:
    """Decides on each image by itself, or with a rate on all together; pictures are then made in a second pass."""
    listeners, results = wanted.listeners(tally := Tally()), found.inspected(detector)
    if false_discovery_rate is not None:
        detector, results = decide_together(detector, results, false_discovery_rate)
        results = found.inspected(detector) if wanted.has_pictures else results
    if wanted.report:
        listeners.append(ReportWriter(wanted.out / "report.html", detector))
    with printer(wanted.output_format, detector, outlives_reader=wanted.has_pictures) as show:
        _tell(wanted.typed(results), listeners, show)
    wanted.close(listeners)
    return tally


def inspect_arriving(detector: "Detector", arriving: Callable[[], Iterator[Result]], wanted: Wanted) -> Tally:
    """Until stopped, one line of JSON for each image."""
    from urushi.cli._watching import until_stopped

    listeners = wanted.listeners(tally := Tally(is_endless=True))
    with until_stopped():
        results = wanted.typed(arriving())
        with printer("jsonl", detector, outlives_reader=False) as show:
            _tell(results, listeners, show)
    wanted.close(listeners)
    return tally


def _tell(results: Iterable[Result], listeners: Sequence[Listener], show: Callable[[Result], None]) -> None:
    """Each result to stdout and to the listeners, as it comes."""
    for result in results:
        if isinstance(result, Unreadable):
            _console.list_unreadable([result])
        for listener in listeners:
            listener.add(result)
        show(result)
