"""How unusual the latent code is among those of normal images (S2 §6.3.1; METHODS §3)."""

import math
from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from urushi.errors import CalibrationError, RecipeError
from urushi.models.base import Extra, Reconstruction, Space
from urushi.scoring.base import Pooling, PoolingOption, Quantile, Score, TopFraction

Estimator = Literal["gaussian_mixture", "kernel", "nearest", "one_class_svm"]
_BUFFERS = ("mean", "deviation", "points", "factors", "offsets")


class LatentDensity(Score):
    """The image score is one of the code z; the map is the squared error, which says where and not how much.

    Codes are standardised on normal images first. `gaussian_mixture`: −ln density of a mixture with full covariances.
    `kernel`: −ln density of Gaussian kernels on the normal codes, their width by Silverman's rule. `nearest`: mean
    distance to the nearest normal codes. `one_class_svm`: minus the decision function of a one-class SVM with a
    Gaussian kernel. scikit-learn fits mixture and SVM; the graph computes all of them from what was fitted.
    """

    spaces: ClassVar[tuple[Space, ...]] = ("pixels",)
    learns: ClassVar[bool] = True
    needs = frozenset[Extra]({"latents"})
    default_pooling: Pooling = "mean"

    def __init__(
        self,
        space: Space,
        *,
        estimator: Annotated[Estimator, Field(description="of the density of normal codes")] = "gaussian_mixture",
        n_components: Annotated[int, Field(ge=1, le=64, description="of the gaussian mixture")] = 1,
        n_neighbours: Annotated[int, Field(ge=1, le=256, description="whose distance counts, for nearest")] = 5,
        outlier_share: Annotated[float, Field(gt=0, lt=1, description="ν of the one-class SVM")] = 0.1,
        pooling: PoolingOption = None,
        top_fraction: TopFraction = 0.01,
        quantile: Quantile = 0.99,
    ) -> None:
        super().__init__(space, pooling=pooling, top_fraction=top_fraction, quantile=quantile)
        self.estimator, self.n_components, self.n_neighbours = estimator, n_components, n_neighbours
        self.outlier_share = outlier_share
        for name in _BUFFERS:
            self.register_buffer(name, torch.empty(0))

    mean: Tensor
    deviation: Tensor
    points: Tensor  # (K, J): means of the mixture, normal codes or support vectors
    factors: Tensor  # (K, J, J): of the mixture's precisions; else (1,): inverse of twice the squared kernel width
    offsets: Tensor  # (K,): logarithms of weights, or coefficients

    def compare(self, pair: Reconstruction) -> Tensor:
        return (pair.original - pair.reconstruction).square().mean(dim=1, keepdim=True)

    def image_score(self, pair: Reconstruction, residual: Tensor) -> Tensor:  # noqa: ARG002
        if not len(self.points):
            raise CalibrationError("latent_density measures against normal codes and has seen none: fit it before use")
        z = (_latents(pair) - self.mean) / self.deviation
        return _SCORES[self.estimator](self, z)

    @torch.no_grad()
    def fit(
        self,
        normal: Iterable[Reconstruction],
        size: tuple[int, int],  # noqa: ARG002
        defects: Iterable[Reconstruction] = (),  # noqa: ARG002
    ) -> None:
        """Learns from the codes of normal images; raises CalibrationError if they are too few."""
        codes = torch.cat([_latents(pair) for pair in normal]).double()
        needed = max(2, self.n_components, self.n_neighbours if self.estimator == "nearest" else 0)
        if len(codes) < needed:
            raise CalibrationError(f"this score needs at least {needed} normal images to learn from, not {len(codes)}")
        self._take(mean=codes.mean(dim=0), deviation=codes.std(dim=0).clamp(min=1e-6))
        standard = ((codes - self.mean) / self.deviation).cpu().numpy()
        self._take(**{name: torch.as_tensor(value) for name, value in _FITS[self.estimator](self, standard).items()})

    def _take(self, **found: Tensor) -> None:
        for name, value in found.items():
            self.register_buffer(name, value.to(self.mean.device, torch.float32))

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        """How many codes there are is known from the state alone: buffers take its shapes before they are filled."""
        for name in _BUFFERS:
            if isinstance(found := state.get(prefix + name), Tensor):
                self.register_buffer(name, torch.empty_like(found, device=getattr(self, name).device))
        super()._load_from_state_dict(state, prefix, *rest)


def _latents(pair: Reconstruction) -> Tensor:
    if pair.latents is None:
        raise RecipeError("latent_density looks at the latent code, and this method has none; take another score")
    return pair.latents.flatten(1)


def _fit_mixture(score: LatentDensity, codes: Any) -> dict[str, Any]:
    from sklearn.mixture import GaussianMixture

    found = GaussianMixture(min(score.n_components, len(codes)), reg_covar=1e-2, random_state=0).fit(codes)
    factors = torch.from_numpy(found.precisions_cholesky_)
    log_determinants = factors.diagonal(dim1=1, dim2=2).log().sum(dim=1)
    constant = -0.5 * codes.shape[1] * math.log(2 * math.pi)
    offsets = torch.from_numpy(found.weights_).log() + log_determinants + constant
    return {"points": found.means_, "factors": factors, "offsets": offsets}


def _score_mixture(score: LatentDensity, z: Tensor) -> Tensor:
    whitened = torch.einsum("bkj,kji->bki", z[:, None] - score.points, score.factors)
    return -(score.offsets - 0.5 * whitened.square().sum(dim=2)).logsumexp(dim=1)


def _fit_kernel(score: LatentDensity, codes: Any) -> dict[str, Any]:  # noqa: ARG001
    n, j = codes.shape
    width = (n * (j + 2) / 4) ** (-1 / (j + 4))  # Silverman, for standardised codes
    offset = -math.log(n) - 0.5 * j * math.log(2 * math.pi * width**2)
    return {"points": codes, "factors": [0.5 / width**2], "offsets": [offset]}


def _score_kernel(score: LatentDensity, z: Tensor) -> Tensor:
    return -(score.offsets - score.factors * _squared_distances(z, score.points)).logsumexp(dim=1)


def _fit_nearest(score: LatentDensity, codes: Any) -> dict[str, Any]:  # noqa: ARG001
    return {"points": codes}


def _score_nearest(score: LatentDensity, z: Tensor) -> Tensor:
    nearest = _squared_distances(z, score.points).topk(score.n_neighbours, dim=1, largest=False).values
    return (nearest + 1e-12).sqrt().mean(dim=1)


def _fit_svm(score: LatentDensity, codes: Any) -> dict[str, Any]:
    from sklearn.svm import OneClassSVM

    width = 1 / codes.shape[1]
    found = OneClassSVM(nu=score.outlier_share, gamma=width).fit(codes)
    offsets = [*found.dual_coef_[0], float(found.intercept_[0])]
    return {"points": found.support_vectors_, "factors": [width], "offsets": offsets}


def _score_svm(score: LatentDensity, z: Tensor) -> Tensor:
    kernels = (-score.factors * _squared_distances(z, score.points)).exp()
    return -(kernels @ score.offsets[:-1] + score.offsets[-1])


def _squared_distances(z: Tensor, points: Tensor) -> Tensor:
    """(B, J), (K, J) -> (B, K)."""
    return (z[:, None] - points).square().sum(dim=2)


_FITS = {"gaussian_mixture": _fit_mixture, "kernel": _fit_kernel, "nearest": _fit_nearest, "one_class_svm": _fit_svm}
_SCORES = {
    "gaussian_mixture": _score_mixture,
    "kernel": _score_kernel,
    "nearest": _score_nearest,
    "one_class_svm": _score_svm,
}
