"""A detector's parts as members of its file, and back. Loading runs nothing that the file brings."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
import safetensors.numpy

from urushi.calibration import Calibration
from urushi.catalogue.extras import require
from urushi.data.familiar import Familiar
from urushi.data.levels import LearntLevels
from urushi.errors import CalibrationError, DetectorFileError, RecipeError
from urushi.preprocessing import Pipeline
from urushi.recipe import Recipe
from urushi.runtime.backend import Backend
from urushi.runtime.choice import ENGINES, GRAPHS, Wish, choose, open_export

if TYPE_CHECKING:
    from urushi.runtime.torch_backend import TorchBackend

WEIGHTS, TILING = "weights.safetensors", "tiling.safetensors"
CALIBRATION, CALIBRATION_INT8 = "calibration.json", "calibration-int8.json"
FLOAT = "float"
_DAMAGE = (ValueError, KeyError, TypeError, RecursionError, CalibrationError, RecipeError, safetensors.SafetensorError)


def to_members(
    recipe: Recipe,
    pipeline: Pipeline,
    calibrations: Mapping[str, Calibration],
    graphs: Mapping[str, bytes],
    pattern: np.ndarray | None,
    familiar: Familiar | None,
) -> dict[str, bytes]:
    """Everything that the file holds beside the card, as bytes by member name.

    `calibrations` is that of float, `FLOAT`, and those of int8 by their engines.
    """
    state = pipeline.state()
    int8 = {engine: one.to_json() for engine, one in calibrations.items() if engine != FLOAT}
    known = {"familiar": familiar.to_json()} if familiar else {}
    return {
        "recipe.toml": recipe.to_toml().encode(),
        **graphs,
        CALIBRATION: _json(calibrations[FLOAT].to_json() | known),
        **({CALIBRATION_INT8: _json(int8)} if int8 else {}),
        **({"preprocessing.safetensors": safetensors.numpy.save(state)} if state else {}),
        **({} if pattern is None else {TILING: safetensors.numpy.save({"pattern": pattern})}),
    }


def from_members(members: Mapping[str, bytes], card: Mapping[str, Any], wish: Wish) -> dict[str, Any]:
    """The detector's fields from a file's members and card; raises DetectorFileError if they do not fit together.

    Raises InputError if it cannot be run as wished.
    """
    try:
        recipe = Recipe.from_toml(members["recipe.toml"].decode(), "recipe.toml")
        LearntLevels.from_json(card.get("levels"))  # its damage is found here and not with the first image
        state = members.get("preprocessing.safetensors")
        backend = _backend(recipe, members, card, wish)
        calibrations = _calibrations(members)
        own = calibrations.pop(way_of(backend))
        return {
            "recipe": recipe,
            "pipeline": Pipeline.of(recipe).with_state(safetensors.numpy.load(state) if state else {}),
            "backend": backend,
            "held_out": own.held_out,
            "threshold": own.threshold,
            "other_calibrations": calibrations,
            "card": card,
            "pattern": _pattern(recipe, members),
            "familiar": _familiar(members),
            "graphs": {name: members[name] for name in (WEIGHTS, *GRAPHS.values()) if name in members},
        }
    except _DAMAGE as error:
        raise DetectorFileError(
            f"its parts do not fit together ({error}); it is changed, or of another version of Urushi: fit it anew"
        ) from None


def way_of(backend: Backend) -> str:
    """The name of the calibration that belongs to a backend."""
    return backend.runtime if backend.precision == "int8" else FLOAT


def _calibrations(members: Mapping[str, bytes]) -> dict[str, Calibration]:
    int8 = json.loads(members.get(CALIBRATION_INT8, b"{}"))
    found = {FLOAT: json.loads(members[CALIBRATION])} | {engine: int8[engine] for engine in ENGINES if engine in int8}
    return {way: Calibration.from_json(one) for way, one in found.items()}


def _familiar(members: Mapping[str, bytes]) -> Familiar | None:
    """What the good images of the fit looked like; files of older versions do not tell."""
    found = json.loads(members[CALIBRATION]).get("familiar")
    return None if found is None else Familiar.from_json(found)


def _json(data: object) -> bytes:
    return json.dumps(data, indent=1, allow_nan=False).encode()


def _pattern(recipe: Recipe, members: Mapping[str, bytes]) -> np.ndarray | None:
    """The pattern of tiles that the file holds; raises ValueError if it does not fit the recipe."""
    if TILING not in members:
        return None
    pattern, side = safetensors.numpy.load(members[TILING])["pattern"], recipe.tiling.tile_px
    if pattern.shape != (side, side) or pattern.dtype != np.float32 or not np.isfinite(pattern).all():
        raise ValueError(f"the pattern of tiles is not one of finite numbers for {side} px")
    return pattern


def torch_backend(recipe: Recipe, files: Mapping[str, bytes], card: Mapping[str, Any], wish: Wish) -> "TorchBackend":
    """The graph in PyTorch with the file's weights; raises MissingPackageError, ValueError if they do not fit."""
    require("torch", "train")
    from urushi.runtime.torch_backend import TorchBackend
    from urushi.scoring import restore_graph

    graph = restore_graph(recipe, _checked_shape(card), files[WEIGHTS])
    return TorchBackend(graph, device=wish.device, n_threads=wish.n_threads)


def _backend(recipe: Recipe, files: Mapping[str, bytes], card: Mapping[str, Any], wish: Wish) -> Backend:
    """What runs the graph and fits the wish best: an export, or PyTorch with the weights."""
    chosen = choose(card, wish)
    if chosen is None:
        return torch_backend(recipe, files, card, wish)
    return open_export(files, chosen, _checked_shape(card), wish.n_threads)


def _checked_shape(card: Mapping[str, Any]) -> tuple[int, int, int]:
    """The image shape (C, H, W) that the card states, if what else it says of the fit is in order."""
    found, n_training = card["fit"]["image_shape"], card["fit"]["n_training"]
    if type(n_training) is not int or n_training < 1:
        raise ValueError("the card does not say how many images were learnt from")
    if not (isinstance(found, list) and len(found) == 3 and all(type(n) is int and 0 < n < 2**31 for n in found)):
        raise ValueError("the card's image shape is not three positive numbers")
    channels, height, width = found
    return channels, height, width
