"""What a fitted method makes of a defect: its latent code, by which defects of one type lie near each other."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from urushi.errors import InputError
from urushi.inspection import Inspection
from urushi.runtime.ways import WEIGHTS

if TYPE_CHECKING:
    from urushi.detector import Detector

_BATCH = 16


class Encoder:
    """The encoder of a detector's method, as it was fitted or tuned on labelled images.

    Raises InputError if the method has no latent code or the detector does not run in PyTorch.
    """

    def __init__(self, detector: "Detector", weights: Mapping[str, np.ndarray] | None = None) -> None:
        backend: Any = detector.backend
        if getattr(backend, "latents", None) is None:
            raise InputError(
                f"{detector.recipe.model.name} in {backend.description} gives no latent code, which tells types of "
                "defects apart; run it with --runtime torch, or fit a method that has one (`urushi models`)"
            )
        self.detector, self.weights = detector, weights
        self._backend = backend
        if weights is not None:
            from urushi.defect_types.tuning import with_weights

            self._backend = with_weights(backend, weights)

    @property
    def key(self) -> str:
        """Names the fitted weights: latent codes of other weights cannot be compared."""
        return hashlib.sha256(self.detector.ways.graphs[WEIGHTS]).hexdigest()[:16]

    def image(self, inspection: Inspection) -> np.ndarray:
        """What the network saw of an inspected image, (C, H, W); of a tiled one, the tile round the map's peak."""
        pixels = inspection.image.transpose(2, 0, 1)
        if self.detector.network.grid is None:
            return pixels
        grid = self.detector.network.grid
        peak = np.unravel_index(int(inspection.anomaly_map.argmax()), inspection.anomaly_map.shape)
        places = zip(peak, pixels.shape[1:], strict=True)
        y, x = (min(max(0, int(p) - grid.tile_px // 2), side - grid.tile_px) for p, side in places)
        return np.ascontiguousarray(grid.cut(pixels, (y, x)))

    def latents(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Latent codes (n, J) float64 of images (C, H, W), one after the other."""
        starts = range(0, len(images), _BATCH)
        codes = [self._backend.latents(np.stack(images[start : start + _BATCH])) for start in starts]
        return np.concatenate(codes).astype(float)

    def tuned(
        self,
        images: Sequence[np.ndarray],
        owners: np.ndarray,
        *,
        n_epochs: int,
        seed: int,
        rebuilding: float = 0.0,
    ) -> "Encoder":
        """The encoder trained on to tell types `owners` (n,) of images apart; as it is, for no epochs (S3).

        `rebuilding` is the weight of the method's own loss beside that.
        """
        if not n_epochs:
            return self
        from urushi.defect_types.tuning import tune

        weights = tune(self._backend.graph.model, images, owners, n_epochs=n_epochs, seed=seed, rebuilding=rebuilding)
        return Encoder(self.detector, weights)
