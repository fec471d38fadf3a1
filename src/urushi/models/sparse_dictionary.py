"""Patches of normal images are sums of few atoms of a dictionary; others are not (S3, last part; METHODS §8)."""

import warnings
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from urushi.catalogue.extras import require
from urushi.errors import RecipeError
from urushi.models.base import Extra, Reconstruction, Reconstructor
from urushi.models.networks.code_density import CodeDensity
from urushi.printable import in_px

_MOST_PATCHES = 20_000  # that a dictionary is learnt from
_PASSES = 10
_N_STEPS = 100  # of FISTA: what is minimised is then within 1 % of its minimum
_FAINTEST = 1e-6  # mean squared error below which patches are all alike: a quarter of a grey level


class SparseDictionary(Reconstructor):
    """A patch z less its mean is D·x with x = argmin ½‖Dx − z‖² + λ‖x‖₁; the image is put together from all patches.

    The dictionary D is learnt by scikit-learn, without gradient steps, codes x by FISTA (Beck, Teboulle 2009), or by
    orthogonal matching pursuit with so many atoms at most. The critique of a place is how far its error and ‖x‖₁ lie
    from what they are on training images, as normal variables; or, with `density = "given_size"`, how far the error and
    the code do, from what they are in training patches of about that ‖x‖₁.
    """

    is_closed_form = True
    opinions = frozenset[Extra]({"critique"})

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        patch_px: Annotated[int, Field(ge=3, le=32, description="side of a patch")] = 8,
        stride: Annotated[int, Field(ge=1, le=16, description="px from one patch to the next, at most a patch")] = 4,
        n_atoms: Annotated[int, Field(ge=2, le=1024, description="columns of the dictionary")] = 96,
        sparsity: Annotated[float, Field(gt=0, description="λ, for patches of deviation 1")] = 1.0,
        n_nonzero: Annotated[
            int, Field(ge=0, le=256, description="atoms of a code, by orthogonal matching pursuit; 0: by FISTA and λ")
        ] = 0,
        density: Annotated[
            Literal["gaussian", "given_size"],
            Field(description="of normal codes: of error and size, or given the size"),
        ] = "gaussian",
    ) -> None:
        super().__init__(image_shape)
        channels, *sides = image_shape
        if stride > patch_px or any((side - patch_px) % stride or side < patch_px for side in sides):
            raise RecipeError(
                f"images are {in_px(sides)}, which patches of {patch_px} px, {stride} px apart, do not cover "
                "evenly; set model.patch_px and .stride, or preprocessing.resize.height and .width"
            )
        self.patch_px, self.stride, self.n_atoms, self.sparsity = patch_px, stride, n_atoms, sparsity
        if n_nonzero > n_atoms:
            raise RecipeError(f"model.n_nonzero = {n_nonzero}, but there are {n_atoms} atoms; lower it")
        self.n_nonzero = n_nonzero
        self.density = CodeDensity(1 + n_atoms) if density == "given_size" else None
        n_values = channels * patch_px**2
        self.register_buffer("atoms", torch.zeros(n_atoms, n_values))
        self.register_buffer("steepness", torch.ones(()))  # largest eigenvalue of DᵀD: FISTA's step is 1 over it
        self.register_buffer("deviation", torch.ones(()))  # of the pixels of normal patches about their means
        self.register_buffer("normal_mean", torch.zeros(2))  # of log error and ‖x‖₁
        self.register_buffer("normal_precision", torch.zeros(2, 2))

    atoms: Tensor
    steepness: Tensor
    deviation: Tensor
    normal_mean: Tensor
    normal_precision: Tensor

    @property
    def exportable(self) -> bool | str:  # type: ignore[override]
        """As long as codes are found by FISTA."""
        return not self.n_nonzero or "orthogonal matching pursuit is scikit-learn's; take model.n_nonzero = 0"

    def reconstruct(self, inputs: Tensor) -> Reconstruction:
        patches, means = self._patches(inputs)
        codes = self._codes(patches)
        rebuilt = codes @ self.atoms
        critique = self._unusual(self._features(patches, codes, rebuilt), codes)
        rows, columns = ((side - self.patch_px) // self.stride + 1 for side in self.image_shape[1:])
        restored = (rebuilt * self.deviation + means).movedim(1, 2)
        whole = self._put_together(restored.reshape(*restored.shape[:2], rows, columns))
        return Reconstruction(inputs, whole.clamp(0, 1), critique=critique.reshape(-1, 1, rows, columns))

    def fit(self, batches: Iterable[Tensor]) -> None:
        """Two passes: over the pixels for the dictionary, over the codes for what is normal of them."""
        self.deviation.fill_(1)
        patches = torch.cat([self._patches(batch)[0].flatten(0, 1) for batch in batches])
        self.deviation.copy_(patches.double().square().mean().sqrt().clamp_min(1e-3))
        self.atoms.copy_(torch.from_numpy(_dictionary(_drawn(patches) / self.deviation, self.n_atoms, self.sparsity)))
        self.steepness.copy_(torch.linalg.eigvalsh(self.atoms @ self.atoms.T)[-1])
        found = [self._features_of(batch) for batch in batches]
        features = torch.cat([both for both, _ in found]).double()
        self.normal_mean.copy_(features.mean(dim=0))
        self.normal_precision.copy_(torch.linalg.inv(torch.cov(features.T) + 1e-6 * torch.eye(2)))
        if self.density is not None:
            sizes = features[:, 1].float()
            self.density.fit(self._described(features.float(), torch.cat([codes for _, codes in found])), sizes)

    def _patches(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Patches less their means, in deviations, and the means: (B, N, P) and (B, N, 1)."""
        found = F.conv2d(images, self._window(images), stride=self.stride).flatten(2).movedim(1, 2)
        means = found.mean(dim=2, keepdim=True)
        return (found - means) / self.deviation, means

    def _put_together(self, patches: Tensor) -> Tensor:
        """(B, P, rows, columns) -> (B, C, H, W), the mean where patches overlap."""
        window = self._window(patches)
        total = F.conv_transpose2d(patches, window, stride=self.stride)
        return total / F.conv_transpose2d(torch.ones_like(patches), window, stride=self.stride)

    def _window(self, like: Tensor) -> Tensor:
        """Takes a patch apart into its pixels, (P, C, p, p)."""
        n_values = self.image_shape[0] * self.patch_px**2
        return torch.eye(n_values).to(like).view(n_values, self.image_shape[0], self.patch_px, self.patch_px)

    def _codes(self, patches: Tensor) -> Tensor:
        """argmin ½‖xD − z‖² + λ‖x‖₁ for each patch, or by few atoms, (B, N, P) -> (B, N, atoms)."""
        if self.n_nonzero:
            return _pursued(patches, self.atoms, self.n_nonzero)
        gram, wanted, threshold = self.atoms @ self.atoms.T, patches @ self.atoms.T, self.sparsity / self.steepness
        x = ahead = torch.zeros_like(wanted)
        momentum = 1.0
        for _ in range(_N_STEPS):
            before, moved = x, ahead - (ahead @ gram - wanted) / self.steepness
            x = moved.sign() * (moved.abs() - threshold).clamp_min(0)
            following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
            ahead, momentum = x + (momentum - 1) / following * (x - before), following
        return x

    def _features(self, patches: Tensor, codes: Tensor, rebuilt: Tensor) -> Tensor:
        """Logarithm of the mean squared error in pixels, and ‖x‖₁: (B, N, 2)."""
        error = (patches - rebuilt).square().mean(dim=-1) * self.deviation**2
        return torch.stack([(error + _FAINTEST).log(), codes.abs().sum(dim=-1)], dim=-1)

    def _unusual(self, features: Tensor, codes: Tensor) -> Tensor:
        """How far codes are from normal ones, (B, N, 2) and (B, N, atoms) -> (B, N)."""
        if self.density is not None:
            found: Tensor = self.density(self._described(features, codes), features[..., 1])
            return found
        away = features - self.normal_mean
        return 0.5 * ((away @ self.normal_precision) * away).sum(dim=-1)

    @staticmethod
    def _described(features: Tensor, codes: Tensor) -> Tensor:
        """Logarithm of the error, and the code: (…, 1 + atoms)."""
        return torch.cat([features[..., :1], codes], dim=-1)

    def _features_of(self, images: Tensor) -> tuple[Tensor, Tensor]:
        patches, _ = self._patches(images)
        codes = self._codes(patches)
        return self._features(patches, codes, codes @ self.atoms).flatten(0, 1), codes.flatten(0, 1)


def _pursued(patches: Tensor, atoms: Tensor, n_nonzero: int) -> Tensor:
    """Codes by orthogonal matching pursuit (Pati et al. 1993), (B, N, P) -> (B, N, atoms)."""
    require("sklearn", "train")
    from sklearn.linear_model import orthogonal_mp_gram

    flat = patches.flatten(0, 1).double()
    gram, wanted = ((atoms.double() @ other.T).cpu().numpy() for other in (atoms.double(), flat))
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "\\s*Orthogonal matching pursuit ended prematurely"
        )  # an even patch needs none
        codes = orthogonal_mp_gram(gram, wanted, n_nonzero_coefs=n_nonzero)
    return torch.from_numpy(codes.reshape(len(atoms), -1).T.copy()).to(patches).view(*patches.shape[:2], -1)


def _drawn(patches: Tensor) -> Tensor:
    """At most 20,000 of them in an order that depends on the patches alone, not on that of the images."""
    levels = (patches.double() * 4096).round().long()
    weights = torch.randint(1, 2**31, (patches.shape[1],), generator=torch.Generator().manual_seed(0))
    return patches[(levels * weights).sum(dim=1).argsort(stable=True)[:: max(1, len(patches) // _MOST_PATCHES)]]


def _dictionary(patches: Tensor, n_atoms: int, sparsity: float) -> Any:
    """Atoms of length 1, (n_atoms, P) float32."""
    require("sklearn", "train")
    from sklearn.decomposition import MiniBatchDictionaryLearning

    learner = MiniBatchDictionaryLearning(
        n_atoms, alpha=sparsity, max_iter=_PASSES, batch_size=256, random_state=0, tol=0
    )
    return learner.fit(patches.double().numpy()).components_.astype("float32")
