"""Which graph of a detector file is run, and by what."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from urushi.catalogue import options
from urushi.catalogue.extras import how_to_install, is_installed
from urushi.errors import DetectorFileError, InputError
from urushi.runtime._signature import Shape
from urushi.runtime.backend import Backend, usable_cores
from urushi.runtime.names import Engine, Precision, Runtime
from urushi.runtime.onnx_backend import OnnxBackend
from urushi.runtime.openvino_backend import OpenvinoBackend

DISTRUSTED = "its int8 graph has no threshold of its own, since an older Urushi made it, and is not used"
GRAPHS: dict[Precision, str] = {"fp32": "graph.onnx", "int8": "graph-int8.onnx"}  # members of a detector file
ENGINES: dict[Engine, Callable[..., Backend]] = {"onnx": OnnxBackend, "openvino": OpenvinoBackend}
_MODULES = {"onnx": "onnxruntime", "openvino": "openvino", "torch": "torch"}


class Wish(NamedTuple):
    """What the user asks for; None is whatever is fastest."""

    runtime: Runtime | None = None
    precision: Precision | None = None
    device: str = "cpu"  # others are PyTorch's
    n_threads: int | None = None  # None: as many as there are cores

    @classmethod
    def of(cls, backend: Backend) -> "Wish":
        """That another process run a detector as this backend does."""
        # PyTorch's number of threads is a setting of the whole process, and another process has its own.
        if backend.runtime == "torch":
            return cls("torch", None, backend.device)
        return cls(backend.runtime, backend.precision, backend.device, backend.n_threads)


class Exported(NamedTuple):
    """A graph in a detector file that has passed its parity gate in one engine."""

    runtime: Engine
    precision: Precision
    milliseconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]  # for one image, when it was exported
    has_own_threshold: bool = False  # without one, what is not fp32 has passed only the gate of an older Urushi

    @property
    def is_usable(self) -> bool:
        """Whether its runtime is installed, and its decisions can be trusted."""
        return is_installed(_MODULES[self.runtime]) and not self.is_distrusted

    @property
    def is_distrusted(self) -> bool:
        """Whether it would decide by a threshold that was made for other numbers."""
        return self.precision != "fp32" and not self.has_own_threshold


def exports(card: Mapping[str, Any]) -> list[Exported]:
    """What a card says was exported, fastest first; raises DetectorFileError where that is damaged."""
    try:
        entries = options.adapter(list[Exported]).validate_python(
            [{name: entry[name] for name in Exported._fields if name in entry} for entry in card.get("exports", [])]
        )
    except (TypeError, KeyError, ValueError):
        raise DetectorFileError("its card does not say what was exported; export it anew") from None
    return sorted(entries, key=lambda entry: entry.milliseconds)


def choose(card: Mapping[str, Any], wish: Wish) -> Exported | None:
    """The fastest export that is installed here and fits the wish; None is PyTorch. Int8 is only taken if asked for.

    Raises InputError where the wish cannot be granted.
    """
    if wish.runtime == "torch" or wish.device != "cpu":
        _require_torch_alone(wish)
        return None
    precision = wish.precision or "fp32"
    found = [e for e in exports(card) if wish.runtime in (None, e.runtime) and e.precision == precision]
    usable = [e for e in found if e.is_usable]
    if usable:
        return usable[0]
    if wish.runtime is None and wish.precision != "int8" and is_installed("torch"):
        return None
    raise InputError(_why_not(found, wish, has_int8=any(not e.is_distrusted for e in exports(card) if e not in found)))


def open_export(files: Mapping[str, bytes], chosen: Exported, image_shape: Shape, n_threads: int | None) -> Backend:
    """The engine with the graph; raises DetectorFileError if it cannot be loaded, or does not fit the images."""
    member = GRAPHS[chosen.precision]
    if member not in files:
        raise DetectorFileError(f"its card speaks of {member}, which it does not hold")
    n_threads = n_threads or usable_cores()
    return ENGINES[chosen.runtime](files[member], image_shape, precision=chosen.precision, n_threads=n_threads)


def _require_torch_alone(wish: Wish) -> None:
    if wish.runtime not in (None, "torch") or wish.precision == "int8":
        asked = wish.runtime if wish.runtime not in (None, "torch") else "int8"
        raise InputError(f"{asked} was asked for, but PyTorch with the device {wish.device!r}, too; leave out either")


def _why_not(found: list[Exported], wish: Wish, *, has_int8: bool) -> str:
    """What is missing, and what to do about it."""
    if found and all(entry.is_distrusted for entry in found):
        return f"{DISTRUSTED}; make one that has: `urushi export DETECTOR --to {found[0].runtime} --int8`"
    if found:
        engine = found[0].runtime
        install = how_to_install("" if engine == "onnx" else "openvino")
        return f"the graph is for {_MODULES[engine]}, which is not installed: {install}"
    if has_int8 and wish == Wish():
        return "the detector holds an int8 graph alone, which runs only if asked for: --precision int8"
    if wish.runtime is None and wish.precision != "int8":
        return (
            "the detector holds no exported graph, and torch is not installed; run `urushi export DETECTOR --to onnx` "
            f"where it was fitted, or {how_to_install('train')}"
        )
    wanted = " ".join(filter(None, (wish.runtime, wish.precision)))
    command = f"urushi export DETECTOR --to {wish.runtime or 'onnx'}"
    return f"the detector holds no {wanted} graph; make one: `{command}{' --int8' * (wish.precision == 'int8')}`"
