"""A detector's parts as members of its file, and back. Loading runs nothing that the file brings."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
import safetensors.numpy

from urushi.calibration import HeldOut, Threshold
from urushi.catalogue.extras import require
from urushi.data.familiar import Familiar
from urushi.errors import CalibrationError, DetectorFileError, RecipeError
from urushi.preprocessing import Pipeline
from urushi.recipe import Recipe
from urushi.runtime.backend import Backend
from urushi.runtime.choice import GRAPHS, Wish, choose, open_export

if TYPE_CHECKING:
    from urushi.runtime.torch_backend import TorchBackend

WEIGHTS, TILING = "weights.safetensors", "tiling.safetensors"
_DAMAGE = (ValueError, KeyError, TypeError, RecursionError, CalibrationError, RecipeError, safetensors.SafetensorError)


def to_members(
    recipe: Recipe,
    pipeline: Pipeline,
    held_out: HeldOut,
    threshold: Threshold,
    graphs: Mapping[str, bytes],
    pattern: np.ndarray | None,
    familiar: Familiar | None,
) -> dict[str, bytes]:
    """Everything that the file holds beside the card, as bytes by member name."""
    state = pipeline.state()
    calibration = {"held_out": held_out.to_json(), "threshold": threshold.to_json()}
    calibration |= {"familiar": familiar.to_json()} if familiar else {}
    return {
        "recipe.toml": recipe.to_toml().encode(),
        **graphs,
        "calibration.json": json.dumps(calibration, indent=1, allow_nan=False).encode(),
        **({"preprocessing.safetensors": safetensors.numpy.save(state)} if state else {}),
        **({} if pattern is None else {TILING: safetensors.numpy.save({"pattern": pattern})}),
    }


def from_members(members: Mapping[str, bytes], card: Mapping[str, Any], wish: Wish) -> dict[str, Any]:
    """The detector's fields from a file's members and card; raises DetectorFileError if they do not fit together.

    Raises InputError if it cannot be run as wished.
    """
    try:
        recipe = Recipe.from_toml(members["recipe.toml"].decode(), "recipe.toml")
        calibration = json.loads(members["calibration.json"])
        held_out = HeldOut.from_json(calibration["held_out"])
        state = members.get("preprocessing.safetensors")
        return {
            "recipe": recipe,
            "pipeline": Pipeline.of(recipe).with_state(safetensors.numpy.load(state) if state else {}),
            "backend": _backend(recipe, members, card, wish),
            "held_out": held_out,
            "threshold": held_out.qualified(Threshold.from_json(calibration["threshold"])),
            "card": card,
            "pattern": _pattern(recipe, members),
            "familiar": Familiar.from_json(calibration["familiar"]) if "familiar" in calibration else None,
            "graphs": {name: members[name] for name in (WEIGHTS, *GRAPHS.values()) if name in members},
        }
    except _DAMAGE as error:
        raise DetectorFileError(
            f"its parts do not fit together ({error}); it is changed, or of another version of Urushi: fit it anew"
        ) from None


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
    """The image shape (C, H, W) that the card states."""
    found = card["fit"]["image_shape"]
    if not (isinstance(found, list) and len(found) == 3 and all(type(n) is int and 0 < n < 2**31 for n in found)):
        raise ValueError("the card's image shape is not three positive numbers")
    channels, height, width = found
    return channels, height, width
