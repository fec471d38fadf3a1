"""A detector's parts as members of its file, and back. Loading runs nothing that the file brings."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import safetensors
import safetensors.numpy

from urushi.calibration import HeldOut, Threshold
from urushi.errors import CalibrationError, DetectorFileError, RecipeError
from urushi.extras import require
from urushi.preprocessing import Pipeline
from urushi.recipe import Recipe
from urushi.runtime.backend import Backend

if TYPE_CHECKING:
    from urushi.detector import Detector

_DAMAGE = (ValueError, KeyError, TypeError, RecursionError, CalibrationError, RecipeError, safetensors.SafetensorError)


def members_of(detector: "Detector") -> dict[str, bytes]:
    """Everything that the file holds beside the card, as bytes by member name."""
    state = detector.pipeline.state()
    calibration = {"held_out": detector.held_out.to_json(), "threshold": detector.threshold.to_json()}
    return {
        "recipe.toml": detector.recipe.to_toml().encode(),
        "weights.safetensors": _weights(detector.backend),
        "calibration.json": json.dumps(calibration, indent=1, allow_nan=False).encode(),
        **({"preprocessing.safetensors": safetensors.numpy.save(state)} if state else {}),
    }


def parts_from(members: Mapping[str, bytes], card: Mapping[str, Any], device: str) -> dict[str, Any]:
    """The detector's fields from a file's members and card; raises DetectorFileError if they do not fit together."""
    try:
        recipe = Recipe.from_toml(members["recipe.toml"].decode(), "recipe.toml")
        calibration = json.loads(members["calibration.json"])
        held_out = HeldOut.from_json(calibration["held_out"])
        state = members.get("preprocessing.safetensors")
        return {
            "recipe": recipe,
            "pipeline": Pipeline.of(recipe).with_state(safetensors.numpy.load(state) if state else {}),
            "backend": _backend(recipe, members["weights.safetensors"], card["fit"]["image_shape"], device),
            "held_out": held_out,
            "threshold": held_out.qualified(Threshold.from_json(calibration["threshold"])),
            "card": card,
        }
    except _DAMAGE as error:
        raise DetectorFileError(
            f"its parts do not fit together ({error}); it is changed, or of another version of Urushi: fit it anew"
        ) from None


def _weights(backend: Backend) -> bytes:
    import safetensors.torch

    state = backend.graph.state_dict()  # type: ignore[attr-defined]
    return safetensors.torch.save({name: tensor.contiguous() for name, tensor in state.items()})


def _backend(recipe: Recipe, weights: bytes, shape: object, device: str) -> Backend:
    require("torch", "train")
    from urushi.building import restore_graph
    from urushi.runtime.torch_backend import TorchBackend

    return TorchBackend(restore_graph(recipe, shape, weights), device=device)
