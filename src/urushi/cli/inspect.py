"""urushi inspect: decisions on images, one line each."""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from urushi.cli import _console
from urushi.cli._datasets import BitsOption, note_found, note_problems
from urushi.cli._engine import EngineName, EngineOption, RayAddressOption
from urushi.cli._on_ray import PartsAs, inspect_on_ray
from urushi.cli._running import DeviceOption, PrecisionOption, RuntimeOption, ThreadsOption, load, require_detector
from urushi.data.progress import tracked
from urushi.printable import counted, printable

if TYPE_CHECKING:
    from urushi.cli._outputs import Listener
    from urushi.cli._typing import TypeTeller
    from urushi.data.camera_source import CameraSource
    from urushi.detector import Detector
    from urushi.inspection import Inspection, Unreadable


class Format(StrEnum):
    """How results are printed."""

    table = "table"
    json = "json"
    csv = "csv"
    jsonl = "jsonl"


class MapFormat(StrEnum):
    """How anomaly maps are written."""

    png = "png"
    npy = "npy"
    tiff = "tiff"


def inspect(
    detector: Annotated[Path, typer.Argument(metavar="DETECTOR", help="A detector file, made by `urushi fit`.")],
    paths: Annotated[list[Path] | None, typer.Argument(metavar="PATH", help="Images, or folders of images.")] = None,
    watch: Annotated[
        Path | None, typer.Option(help="Inspect what arrives in this folder, one line of JSON each, until stopped.")
    ] = None,
    only_new: Annotated[
        bool, typer.Option("--only-new", help="With --watch: leave alone what lies there already.")
    ] = False,
    idle_seconds: Annotated[
        float | None, typer.Option(min=0, help="With --watch or --camera: end when nothing has arrived for so long.")
    ] = None,
    camera: Annotated[
        str | None,
        typer.Option(
            help="Inspect the pictures of a camera, one line of JSON each, until stopped: the number of a device, an "
            "rtsp:// or http(s):// URL, or a video file, which ends."
        ),
    ] = None,
    every_frames: Annotated[
        int | None, typer.Option(min=1, help="With --camera: each so many frames; without it, every one.")
    ] = None,
    every_seconds: Annotated[float | None, typer.Option(min=0.001, help="With --camera: or after so long.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for maps, masks, report or parts.", show_default="inspection")
    ] = None,
    output_format: Annotated[Format, typer.Option("--format", help="What is printed.")] = Format.table,
    maps: Annotated[bool, typer.Option("--maps", help="Write an overlay of the heat map for each image.")] = False,
    maps_as: Annotated[
        MapFormat | None,
        typer.Option(help="What --maps writes: overlays, the default, or anomaly maps as they were computed."),
    ] = None,
    masks: Annotated[
        bool, typer.Option("--masks", help="Write a mask of the regions for each image, in its size.")
    ] = False,
    report: Annotated[bool, typer.Option("--report", help="Write one HTML page, worst first.")] = False,
    runtime: RuntimeOption = None,
    precision: PrecisionOption = None,
    device: DeviceOption = "cpu",
    n_threads: ThreadsOption = None,
    bits: BitsOption = None,
    types: Annotated[
        Path | None, typer.Option(help="Name the type of each defect by this file, made by `urushi classify`.")
    ] = None,
    novelty_buffer: Annotated[
        Path | None,
        typer.Option(help="Gather anomalous images in this file, to name what comes again: see `urushi novelties`."),
    ] = None,
    gather_unsure: Annotated[
        bool, typer.Option("--gather-unsure", help="With --novelty-buffer: gather what is unsure, too.")
    ] = False,
    fail_on_anomaly: Annotated[
        bool, typer.Option("--fail-on-anomaly", help="Exit with status 3 if anything is anomalous; unsure is not.")
    ] = False,
    false_discovery_rate: Annotated[
        float | None,
        typer.Option(
            help="Decide on all images together, so that on average at most this share of those called anomalous is "
            "good. Nothing is printed before the last one is scored; --maps, --masks and --report inspect them twice."
        ),
    ] = None,
    engine: EngineOption = EngineName.local,
    ray_address: RayAddressOption = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="With --engine ray: how many; without it, one for each processor.")
    ] = None,
    parts_as: Annotated[PartsAs, typer.Option(help="With --engine ray: how parts are written.")] = PartsAs.parquet,
    part_size: Annotated[int, typer.Option(min=1, help="With --engine ray: images in each part.")] = 256,
) -> None:
    """Inspect images and print score, p-value and decision of each."""
    from urushi.cli._batch import decide_together
    from urushi.cli._outputs import Listener, ReportWriter, Tally, make_folder, map_writer, mask_writer

    endless = {"--watch": watch, "--camera": camera}
    _refuse_what_does_not_go_together(paths, endless, report=report, false_discovery_rate=false_discovery_rate)
    _refuse_out_of_place(endless, every_frames, every_seconds, only_new=only_new, idle_seconds=idle_seconds)
    _refuse_out_without_use(out, maps or maps_as or masks or report or engine == EngineName.ray)
    out = out or Path("inspection")
    if engine == EngineName.ray:
        asked: dict[str, object] = {
            **endless,
            "--maps": maps or maps_as,
            "--masks": masks,
            "--report": report,
            "--types": types,
        }
        asked |= {"--novelty-buffer": novelty_buffer, "--false-discovery-rate": false_discovery_rate}
        _refuse_on_ray([name for name, value in asked.items() if value])
        require_detector(detector)
        how = {"runtime": runtime, "precision": precision, "device": device, "n_threads": n_threads or 1, "bits": bits}
        loaded = load(detector, **how)  # type: ignore[arg-type]
        where = {"n_workers": workers, "address": ray_address, "fail_on_anomaly": fail_on_anomaly}
        inspect_on_ray(loaded, paths or [], out, parts_as=parts_as, size=part_size, **where)  # type: ignore[arg-type]
    typed = types is not None or novelty_buffer is not None
    runtime = "torch" if typed and runtime is None else runtime  # the others compute no latent code
    require_detector(detector)
    source = None if camera is None else _camera(camera)
    found = _found(paths or []) if watch is None and source is None else None
    if source is not None:
        _console.note(f"watching {source.name}; Ctrl-C ends it")
    if watch is not None and watch.is_dir():
        _console.note(f"watching {printable(str(watch))}; Ctrl-C ends it")
    loaded = load(detector, runtime=runtime, precision=precision, device=device, n_threads=n_threads, bits=bits)
    if report:
        make_folder(out)
    writers = [map_writer(out, f".{maps_as or MapFormat.png}")] if maps or maps_as else []
    writers += [mask_writer(out)] if masks else []
    shows_pictures = bool(writers) or report
    teller = _teller(loaded, types, novelty_buffer, gathers_unsure=gather_unsure)
    listeners: list[Listener] = [tally := Tally(is_endless=found is None), *writers]
    if found is None:
        from urushi.cli._camera import seen
        from urushi.cli._watching import until_stopped, watch_of, watched

        with until_stopped():
            if watch is not None:
                arrived = watched(loaded, watch_of(watch, only_new=only_new, idle_seconds=idle_seconds))
            elif source is not None:
                often = {"every_frames": every_frames, "every_seconds": every_seconds}
                arrived = seen(loaded, source, **often, idle_seconds=idle_seconds)  # type: ignore[arg-type]
            arrived = teller.tell(arrived) if teller else arrived
            _tell(arrived, listeners, loaded, Format.jsonl, outlives_reader=False)
    else:
        results = _results(loaded, *found)
        if false_discovery_rate is not None:
            loaded, results = decide_together(loaded, results, false_discovery_rate)
            results = _results(loaded, *found) if shows_pictures else results
        listeners += [ReportWriter(out / "report.html", loaded)] if report else []
        results = teller.tell(results) if teller else results
        _tell(results, listeners, loaded, output_format, outlives_reader=shows_pictures)
    for listener in listeners:
        listener.close()
    if teller:
        teller.close()
    raise typer.Exit(tally.status(fail_on_anomaly=fail_on_anomaly))


def _teller(
    detector: "Detector", types: Path | None, novelty_buffer: Path | None, *, gathers_unsure: bool
) -> "TypeTeller | None":
    """What names types of defects, if that is asked for."""
    from urushi.errors import InputError

    if gathers_unsure and novelty_buffer is None:
        raise InputError("--gather-unsure goes with --novelty-buffer FILE, where images gather")
    if types is None and novelty_buffer is None:
        return None
    from urushi.cli._typing import TypeTeller

    return TypeTeller(detector, types, novelty_buffer, gathers_unsure=gathers_unsure)


def _refuse_on_ray(names: list[str]) -> None:
    from urushi.catalogue.extras import require
    from urushi.errors import InputError

    if names:
        raise InputError(f"--engine ray writes decisions, and no pictures: leave out {', '.join(names)}")
    require("ray", "ray")


def _refuse_out_without_use(out: Path | None, is_used: object) -> None:
    from urushi.errors import InputError

    if out is not None and not is_used:
        raise InputError(f"nothing would be written to {printable(str(out))}: give --maps, --masks or --report, too")


def _camera(text: str) -> "CameraSource":
    from urushi.data.camera_source import CameraSource

    return CameraSource.of(text)


def _refuse_out_of_place(
    endless: Mapping[str, object],
    every_frames: int | None,
    every_seconds: float | None,
    *,
    only_new: bool,
    idle_seconds: float | None,
) -> None:
    from urushi.errors import InputError

    if only_new and endless["--watch"] is None:
        raise InputError("--only-new goes with --watch")
    if idle_seconds is not None and not any(value is not None for value in endless.values()):
        raise InputError("--idle-seconds goes with --watch or --camera")
    if endless["--camera"] is None and (every_frames or every_seconds):
        raise InputError("--every-frames and --every-seconds go with --camera")
    if every_frames and every_seconds:
        raise InputError("give --every-frames or --every-seconds")


def _refuse_what_does_not_go_together(
    paths: list[Path] | None, endless: Mapping[str, object], *, report: bool, false_discovery_rate: float | None
) -> None:
    from urushi.errors import InputError

    given = [name for name, value in endless.items() if value is not None]
    if bool(paths) + len(given) != 1:
        raise InputError(
            "give images or folders to inspect, a folder to watch with --watch, or a camera with --camera; one of them"
        )
    if given and (report or false_discovery_rate is not None):
        raise InputError(f"{given[0]} has no last image: leave out --report and --false-discovery-rate")


def _tell(
    results: "Iterable[Inspection | Unreadable]",
    listeners: "list[Listener]",
    detector: "Detector",
    output_format: Format,
    *,
    outlives_reader: bool,
) -> None:
    """Each result to stdout and to the listeners, as it comes."""
    from urushi.cli._printing import printer
    from urushi.inspection import Unreadable

    with printer(output_format.value, detector, outlives_reader=outlives_reader) as show:
        for result in results:
            if isinstance(result, Unreadable):
                _console.list_unreadable([result])
            for listener in listeners:
                listener.add(result)
            show(result)


def _found(paths: list[Path]) -> "tuple[list[Path], list[Unreadable]]":
    """Files of images in order, and what the search for them stumbled over. Wrong paths are found out at once."""
    from urushi.data.dataset import Problem, count_other_files
    from urushi.data.names import Names
    from urushi.data.parts import find_parts
    from urushi.errors import DatasetError
    from urushi.inspection import Unreadable

    entries, left_out = find_parts(paths, Names())
    note_problems(left_out)
    files = [entry for entry in entries if not isinstance(entry, Problem)]
    stumbled = [Unreadable(str(entry.path), entry.reason) for entry in entries if isinstance(entry, Problem)]
    if not entries:
        raise DatasetError(f"no images below {', '.join(map(str, paths))}; give images or a folder that holds some")
    note_found(len(files), "image", paths)
    if n_others := count_other_files(paths):
        _console.note(f"note: {counted(n_others, 'other file was', 'other files were')} left alone")
    return files, stumbled


def _results(
    detector: "Detector", files: list[Path], stumbled: "list[Unreadable]"
) -> "Iterator[Inspection | Unreadable]":
    """Images in order; what the search for files stumbled over comes last."""
    from urushi.data.pages import images_in_file

    shown = tracked(files, "inspecting", len(files))
    images = (image for file in shown for image in images_in_file(file, lambda problem: note_problems([problem])))
    return chain(detector.inspect_many(images), stumbled)
