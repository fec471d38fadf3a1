"""Options of every command that runs many jobs: on what, for how long each; and what is shown of them meanwhile."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from urushi.jobs import Engine


class EngineName(StrEnum):
    """What runs jobs."""

    local = "local"
    ray = "ray"


EngineOption = Annotated[EngineName, typer.Option(help="What runs the jobs: this process's machine, or Ray.")]
RayAddressOption = Annotated[
    str | None, typer.Option(help="With --engine ray: of a cluster; without it, one on this machine, for this command.")
]
BudgetOption = Annotated[
    float | None,
    typer.Option(min=1, help="Seconds that a job may take; one that takes longer is stopped, and shown so."),
]


def engine_of(name: EngineName, address: str | None, preload: "Sequence[str]" = ()) -> "Engine":
    """The engine; raises InputError for an address without Ray, MissingPackageError without the extra."""
    from urushi.errors import InputError

    if name == EngineName.ray:
        from urushi.distributed import RayEngine

        return RayEngine(tuple(preload), address)
    if address is not None:
        raise InputError("--ray-address goes with --engine ray")
    from urushi.jobs import LocalEngine

    return LocalEngine(tuple(preload))
