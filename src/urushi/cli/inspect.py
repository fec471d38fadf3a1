"""urushi inspect: decisions on images, one line each."""

from collections.abc import Iterator
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from urushi.cli import _console
from urushi.cli._running import DeviceOption, PrecisionOption, RuntimeOption, ThreadsOption, load

if TYPE_CHECKING:
    from urushi.detector import Detector
    from urushi.inspection import Inspection, Unreadable


class Format(StrEnum):
    """How results are printed."""

    table = "table"
    json = "json"
    csv = "csv"


def inspect(
    detector: Annotated[Path, typer.Argument(metavar="DETECTOR", help="A detector file, made by `urushi fit`.")],
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Images, or folders of images.")],
    out: Annotated[Path, typer.Option(help="Folder for maps and report.")] = Path("inspection"),
    output_format: Annotated[Format, typer.Option("--format", help="What is printed.")] = Format.table,
    maps: Annotated[bool, typer.Option("--maps", help="Write an overlay of the heat map for each image.")] = False,
    report: Annotated[bool, typer.Option("--report", help="Write one HTML page, worst first.")] = False,
    runtime: RuntimeOption = None,
    precision: PrecisionOption = None,
    device: DeviceOption = "cpu",
    n_threads: ThreadsOption = None,
    fail_on_anomaly: Annotated[
        bool, typer.Option("--fail-on-anomaly", help="Exit with status 3 if anything is anomalous; unsure is not.")
    ] = False,
    false_discovery_rate: Annotated[
        float | None,
        typer.Option(
            help="Decide on all images together, so that on average at most this share of those called anomalous is "
            "good. Nothing is printed before the last one is scored; --maps and --report inspect them twice."
        ),
    ] = None,
) -> None:
    """Inspect images and print score, p-value and decision of each."""
    from urushi.cli._batch import decide_together
    from urushi.cli._outputs import Listener, MapWriter, ReportWriter, Tally, make_folder
    from urushi.cli._printing import printer
    from urushi.inspection import Unreadable

    loaded = load(detector, runtime=runtime, precision=precision, device=device, n_threads=n_threads)
    if maps or report:
        make_folder(out)
    results = _results(loaded, paths)
    if false_discovery_rate is not None:
        loaded, results = decide_together(loaded, results, false_discovery_rate)
        results = _results(loaded, paths) if maps or report else results
    tally = Tally()
    listeners: list[Listener] = [
        tally,
        *([MapWriter(out)] if maps else []),
        *([ReportWriter(out / "report.html", loaded)] if report else []),
    ]
    with printer(output_format.value, loaded, outlives_reader=maps or report) as show:
        for result in _console.progress(results, "inspecting"):
            if isinstance(result, Unreadable):
                _console.list_unreadable([result])
            for listener in listeners:
                listener.add(result)
            show(result)
    for listener in listeners:
        listener.close()
    raise typer.Exit(tally.status(fail_on_anomaly=fail_on_anomaly))


def _results(detector: "Detector", paths: list[Path]) -> "Iterator[Inspection | Unreadable]":
    """Images in order; what the search for files stumbled over comes last. Wrong paths are found out at once."""
    from urushi.data.dataset import Problem, count_other_files, find_images
    from urushi.errors import DatasetError
    from urushi.inspection import Unreadable

    stumbled: list[Unreadable] = []

    def images() -> Iterator[Path]:
        for found in find_images(paths):
            if isinstance(found, Problem):
                stumbled.append(Unreadable(str(found.path), found.reason))
            else:
                yield found

    source = images()
    first = next(source, None)
    if first is None and not stumbled:
        raise DatasetError(f"no images below {', '.join(map(str, paths))}; give images or a folder that holds some")
    if n_others := count_other_files(paths):
        _console.note(f"note: {n_others} other files were left alone")
    found = chain([] if first is None else [first], source)
    return chain(detector.inspect_many(found), _late(stumbled))


def _late(items: "list[Unreadable]") -> "Iterator[Unreadable]":
    """The items that are in the list once it is asked for them."""
    yield from items
