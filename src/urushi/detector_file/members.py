"""A detector's parts as members of its file, and back. Loading runs nothing that the file brings."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import numpy as np
import safetensors
import safetensors.numpy
from pydantic import Field, TypeAdapter

from urushi.calibration import Calibration
from urushi.catalogue.extras import require
from urushi.data.familiar import Familiar
from urushi.data.learnt_images import LearntImages
from urushi.detector_file import archive
from urushi.errors import BackboneError, CalibrationError, DetectorFileError, RecipeError
from urushi.inspection import Beside
from urushi.preprocessing import Pipeline
from urushi.recipe import Recipe
from urushi.runtime.backend import Backend
from urushi.runtime.choice import ENGINES, GRAPHS, Wish, choose, exports, open_export
from urushi.runtime.ways import FLOAT, WEIGHTS, Ways

if TYPE_CHECKING:
    from urushi.runtime.torch_backend import TorchBackend

TILING = "tiling.safetensors"
LEVELS, EXPORTS = "levels", "exports"  # keys of the card
CALIBRATION, CALIBRATION_INT8 = "calibration.json", "calibration-int8.json"
_BITS = TypeAdapter[int | None](Annotated[int, Field(ge=1, le=16, strict=True)] | None)
_DAMAGE = (ValueError, KeyError, TypeError, RecursionError, CalibrationError, RecipeError, safetensors.SafetensorError)


def to_members(
    recipe: Recipe,
    pipeline: Pipeline,
    ways: Ways,
    pattern: np.ndarray | None,
    familiar: Familiar | None,
    learnt: LearntImages | None,
) -> dict[str, bytes]:
    """Everything that the file holds beside the card, as bytes by member name."""
    state = pipeline.state()
    int8 = {engine: one.to_json() for engine, one in ways.calibrations.items() if engine != FLOAT}
    known = {"familiar": familiar.to_json()} if familiar else {}
    return {
        "recipe.toml": recipe.to_toml().encode(),
        **ways.graphs,
        CALIBRATION: _json(ways.calibrations[FLOAT].to_json() | known),
        **({CALIBRATION_INT8: _json(int8)} if int8 else {}),
        **({"preprocessing.safetensors": safetensors.numpy.save(state)} if state else {}),
        **({} if pattern is None else {TILING: safetensors.numpy.save({"pattern": pattern})}),
        **(learnt.to_members() if learnt else {}),
    }


def read(path: Path, wish: Wish) -> dict[str, Any]:
    """As `from_members`, of a file."""
    return of_content(path, archive.read(path), wish)


def of_content(path: Path, content: tuple[dict[str, bytes], dict[str, Any]], wish: Wish) -> dict[str, Any]:
    """As `from_members`, of what `archive.read` has found in a file."""
    try:
        return from_members(*content, wish)
    except DetectorFileError as error:
        raise DetectorFileError(f"{path} cannot be used: {error}") from None


def from_members(members: Mapping[str, bytes], card: Mapping[str, Any], wish: Wish) -> dict[str, Any]:
    """The detector's fields from a file's members and card; raises DetectorFileError if they do not fit together.

    Raises InputError if it cannot be run as wished.
    """
    try:
        recipe = Recipe.from_toml(members["recipe.toml"].decode(), "recipe.toml")
        state = members.get("preprocessing.safetensors")
        pipeline = Pipeline.of(recipe).with_state(safetensors.numpy.load(state) if state else {})
        _check_area(pipeline, card)
        backend = _backend(recipe, pipeline, members, card, wish)
        ways = _ways(members, card)
        ways.calibration(backend)  # that there is none is found here and not with the first image
        return {
            "recipe": recipe,
            "pipeline": pipeline,
            "backend": backend,
            "ways": ways,
            "origin": {key: value for key, value in card.items() if key not in (LEVELS, EXPORTS)},
            "bits": _BITS.validate_python(_levels(card).get("bits")),
            "pattern": _pattern(recipe, members),
            "familiar": _familiar(members, card),
            "learnt": LearntImages.from_members(members),
        }
    except BackboneError as error:
        raise DetectorFileError(f"its network: {error}") from None
    except _DAMAGE as error:
        raise DetectorFileError(
            f"its parts do not fit together ({error}); it is changed, or of another version of Urushi: fit it anew"
        ) from None


def card_of(origin: Mapping[str, Any], bits: int | None, ways: Ways) -> dict[str, Any]:
    """What the card says: where a detector comes from, its bits a channel where they were stated, what was exported."""
    # Before the rest, so that what is loaded and saved again is the same file.
    return {LEVELS: {"bits": bits}, **({EXPORTS: list(ways.exports)} if ways.exports else {}), **origin}


def _ways(members: Mapping[str, bytes], card: Mapping[str, Any]) -> Ways:
    exports(card)  # whose damage is found here and not when it is calibrated
    graphs = {name: members[name] for name in (WEIGHTS, *GRAPHS.values()) if name in members}
    return Ways(graphs, _calibrations(members), tuple(card.get(EXPORTS, ())))


def _calibrations(members: Mapping[str, bytes]) -> dict[str, Calibration]:
    int8 = json.loads(members.get(CALIBRATION_INT8, b"{}"))
    found = {FLOAT: json.loads(members[CALIBRATION])} | {engine: int8[engine] for engine in ENGINES if engine in int8}
    return {way: Calibration.from_json(one) for way, one in found.items()}


def _familiar(members: Mapping[str, bytes], card: Mapping[str, Any]) -> Familiar | None:
    """What the good images of the fit looked like; files of older versions do not tell, or part of it in the card."""
    found = json.loads(members[CALIBRATION]).get("familiar")
    return None if found is None else Familiar.from_json({"highest": _levels(card).get("seen", {}), **found})


def _levels(card: Mapping[str, Any]) -> dict[str, Any]:
    return dict(card.get(LEVELS, {}))


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


def torch_backend(
    recipe: Recipe, pipeline: Pipeline, files: Mapping[str, bytes], card: Mapping[str, Any], wish: Wish
) -> "TorchBackend":
    """The graph in PyTorch with the file's weights; raises MissingPackageError, ValueError if they do not fit."""
    require("torch", "train")
    from urushi.runtime.torch_backend import TorchBackend
    from urushi.scoring import restore_graph

    shape, backbone = _checked_shape(card), dict(card["fit"].get("backbone", {}))
    graph = restore_graph(recipe, shape, files[WEIGHTS], pipeline.ignored_places, backbone)
    return TorchBackend(graph, device=wish.device, n_threads=wish.n_threads)


def _backend(
    recipe: Recipe, pipeline: Pipeline, files: Mapping[str, bytes], card: Mapping[str, Any], wish: Wish
) -> Backend:
    """What runs the graph and fits the wish best: an export, or PyTorch with the weights."""
    chosen = choose(card, wish)
    if chosen is None:
        return torch_backend(recipe, pipeline, files, card, wish)
    return open_export(files, chosen, _checked_shape(card), wish.n_threads)


def _check_area(pipeline: Pipeline, card: Mapping[str, Any]) -> None:
    """Raises ValueError unless the ignored area, if there is one, lies on the prepared images of the fit."""
    ignored, has_region = pipeline.ignored_places, pipeline.region is not None
    if has_region != ("region" in card):
        raise ValueError("its recipe and its card do not agree on whether there is a region")
    if has_region and (ignored is None or ignored.shape != _checked_shape(card)[1:] or ignored.all()):
        raise ValueError("its region does not lie on its images")


def _checked_shape(card: Mapping[str, Any]) -> tuple[int, int, int]:
    """The image shape (C, H, W) that the card states, if what else it says of the fit is in order."""
    found, n_training = card["fit"]["image_shape"], card["fit"]["n_training"]
    if type(n_training) is not int or n_training < 1:
        raise ValueError("the card does not say how many images were learnt from")
    if not (isinstance(found, list) and len(found) == 3 and all(type(n) is int and 0 < n < 2**31 for n in found)):
        raise ValueError("the card's image shape is not three positive numbers")
    if (beside := card["fit"].get("beside_map")) is not None and beside not in get_args(Beside):
        raise ValueError(f"the card's beside_map is {beside!r:.40}, and not one of {', '.join(get_args(Beside))}")
    if not isinstance(rounds := card.get("rounds", []), list) or not all(isinstance(one, dict) for one in rounds):
        raise ValueError("the card's rounds of learning are no list of them")
    channels, height, width = found
    return channels, height, width
