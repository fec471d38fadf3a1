"""urushi inspect: decisions on images, one line each."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from urushi.cli import _console
from urushi.cli._datasets import BitsOption
from urushi.cli._engine import EngineName, EngineOption, RayAddressOption
from urushi.cli._on_ray import PartsAs, inspect_on_ray
from urushi.cli._running import DeviceOption, PrecisionOption, RuntimeOption, ThreadsOption, load, require_detector
from urushi.printable import printable

if TYPE_CHECKING:
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
    from urushi.cli import _inspect_refusals as refusals
    from urushi.cli._inspecting import Found, Wanted, inspect_arriving, inspect_found

    endless = {"--watch": watch, "--camera": camera}
    pictures = {"--maps": maps or maps_as, "--masks": masks, "--report": report}
    named = {"--types": types, "--novelty-buffer": novelty_buffer}
    refusals.require_one_source(paths, endless, report=report, false_discovery_rate=false_discovery_rate)
    refusals.refuse_out_of_place(endless, every_frames, every_seconds, only_new=only_new, idle_seconds=idle_seconds)
    refusals.refuse_out_without_use(out, any(pictures.values()) or engine == EngineName.ray)
    out = out or Path("inspection")
    how = {"precision": precision, "device": device, "bits": bits}
    if engine == EngineName.ray:
        refusals.refuse_on_ray(endless | pictures | named | {"--false-discovery-rate": false_discovery_rate})
        require_detector(detector)
        loaded = load(detector, runtime=runtime, n_threads=n_threads or 1, **how)  # type: ignore[arg-type]
        where = {"n_workers": workers, "address": ray_address, "fail_on_anomaly": fail_on_anomaly}
        inspect_on_ray(loaded, paths or [], out, parts_as=parts_as, size=part_size, **where)  # type: ignore[arg-type]
    require_detector(detector)
    source = None if camera is None else _camera(camera)
    found = Found.below(paths) if paths else None
    _note_watched(source.name if source else watch)
    runtime = runtime or ("torch" if any(named.values()) else None)  # the others compute no latent code
    loaded = load(detector, runtime=runtime, n_threads=n_threads, **how)  # type: ignore[arg-type]
    teller = _teller(loaded, types, novelty_buffer, gathers_unsure=gather_unsure)
    maps_as = (maps_as or MapFormat.png) if maps or maps_as else None
    wanted = Wanted(out, output_format, maps_as, masks=masks, report=report, teller=teller)
    if found is not None:
        tally = inspect_found(loaded, found, wanted, false_discovery_rate)
    else:
        often = {"every_frames": every_frames, "every_seconds": every_seconds}
        arriving = partial(_arriving, loaded, source, watch, often, only_new=only_new, idle_seconds=idle_seconds)
        tally = inspect_arriving(loaded, arriving, wanted)
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


def _camera(text: str) -> "CameraSource":
    from urushi.data.camera_source import CameraSource

    return CameraSource.of(text)


def _note_watched(name: str | Path | None) -> None:
    """A folder that is none is told of where it is opened."""
    if isinstance(name, str) or (name is not None and name.is_dir()):
        _console.note(f"watching {name if isinstance(name, str) else printable(str(name))}; Ctrl-C ends it")


def _arriving(
    detector: "Detector",
    source: "CameraSource | None",
    watch: Path | None,
    often: Mapping[str, float | None],
    *,
    only_new: bool,
    idle_seconds: float | None,
) -> "Iterator[Inspection | Unreadable]":
    """Of a camera, or else of the folder that is watched."""
    from urushi.cli._camera import seen
    from urushi.cli._watching import watch_of, watched

    if source is not None:
        return seen(detector, source, **often, idle_seconds=idle_seconds)  # type: ignore[arg-type]
    assert watch is not None
    return watched(detector, watch_of(watch, only_new=only_new, idle_seconds=idle_seconds))
