"""What cannot be asked of `urushi inspect` together; each raises InputError that says what to leave out or to add."""

from collections.abc import Mapping
from pathlib import Path

from urushi.catalogue.extras import require
from urushi.errors import InputError
from urushi.printable import printable


def require_one_source(
    paths: list[Path] | None, endless: Mapping[str, object], *, report: bool, false_discovery_rate: float | None
) -> None:
    """Paths, or one of the options that go on until they are stopped."""
    given = [name for name, value in endless.items() if value is not None]
    if bool(paths) + len(given) != 1:
        raise InputError(
            "give images or folders to inspect, a folder to watch with --watch, or a camera with --camera; one of them"
        )
    if given and (report or false_discovery_rate is not None):
        raise InputError(f"{given[0]} has no last image: leave out --report and --false-discovery-rate")


def refuse_out_of_place(
    endless: Mapping[str, object],
    every_frames: int | None,
    every_seconds: float | None,
    *,
    only_new: bool,
    idle_seconds: float | None,
) -> None:
    """Options of a watched folder or a camera, where there is none."""
    if only_new and endless["--watch"] is None:
        raise InputError("--only-new goes with --watch")
    if idle_seconds is not None and not any(value is not None for value in endless.values()):
        raise InputError("--idle-seconds goes with --watch or --camera")
    if endless["--camera"] is None and (every_frames or every_seconds):
        raise InputError("--every-frames and --every-seconds go with --camera")
    if every_frames and every_seconds:
        raise InputError("give --every-frames or --every-seconds")


def refuse_out_without_use(out: Path | None, is_used: object) -> None:
    """A folder into which nothing would be written."""
    if out is not None and not is_used:
        raise InputError(f"nothing would be written to {printable(str(out))}: give --maps, --masks or --report, too")


def refuse_on_ray(asked: Mapping[str, object]) -> None:
    """What parts do not hold; raises MissingPackageError where there is no Ray."""
    if names := [name for name, value in asked.items() if value]:
        raise InputError(f"--engine ray writes decisions, and no pictures: leave out {', '.join(names)}")
    require("ray", "ray")
