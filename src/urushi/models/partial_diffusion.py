"""Partial diffusion (S5): an image is taken a few steps towards noise and back, and comes back more normal."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.optim import Adam, Optimizer

from urushi.errors import RecipeError
from urushi.models.base import Extra, Reconstruction, Reconstructor
from urushi.models.networks.averaging import averaged
from urushi.models.networks.denoiser import Denoiser, Levels
from urushi.models.networks.noise_schedule import CosineSchedule

Mode = Annotated[
    Literal["no_diffusion", "diffusion", "full"],
    Field(description="the image is taken for x_t; noise is added up to t first; or up to T"),
]
Steps = Annotated[
    int,
    Field(
        ge=0,
        le=1000,
        description="t: S5 has 5 for textures, 10 for objects; 0: chosen by defects planted into validation images",
    ),
]
Sampler = Annotated[
    Literal["ddim", "ddpm"], Field(description="back without noise (Song et al. 2021), or with it as the source")
]
Opinion = Annotated[
    Literal["none", "one_step", "prior"],
    Field(description="for `adversarial`: |ε − ε_θ(x_t, t)| as posterior; x_T by ddim turned round as likelihood"),
]
_CANDIDATES = (1, 2, 5, 10, 20, 50, 100, 200)
_LONGEST = 51  # times of a chain that is exported
_SHORT = 20  # steps of ddim from T, there or back
_VALIDATION_POINTS = 4
_MEASURED_TIMES = (1, 10, 100, 900)
_MEASURED_IMAGES = 8


class PartialDiffusion(Reconstructor):
    """A U-Net learns the noise ε of x_t; restoring is t steps back from x_t, of the image or of the image with noise.

    Noise is the same for every image, so that no result depends on the others of a batch. Without attention, images of
    any multiple of patch_px·2^(levels − 1) px are taken.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        mode: Mode = "diffusion",
        steps: Steps = 10,
        total_steps: Annotated[int, Field(ge=10, le=1000, description="T")] = 1000,
        time_sampling: Annotated[
            Literal["uniform", "log_noise"],
            Field(
                description="how t is drawn in training; log_noise: half the draws evenly over the noise's logarithm"
            ),
        ] = "uniform",
        detail: Annotated[
            bool, Field(description="show the U-Net what is fine in x_t by itself, at the scale of the noise")
        ] = False,
        trained_steps: Annotated[int, Field(ge=0, le=1000, description="learn t up to this one only; 0: up to T")] = 0,
        sampler: Sampler = "ddim",
        sampler_steps: Annotated[
            int, Field(ge=0, le=1000, description="of ddim from t back, at most t; 0: t, or 20 where that is less")
        ] = 0,
        n_noises: Annotated[int, Field(ge=1, le=64, description="restorations, each of other noise, averaged")] = 1,
        opinion: Opinion = "none",
        width: Annotated[int, Field(ge=8, le=256, multiple_of=8, description="channels of the first level")] = 32,
        levels: Levels = 3,
        patch_px: Annotated[
            Literal[1, 2, 4], Field(description="side of the patches that the U-Net sees as one place; 1: S5")
        ] = 1,
        attention: Annotated[bool, Field(description="self-attention on the lowest levels")] = True,
        attention_levels: Annotated[int, Field(ge=1, le=6, description="how many of them, where there is any")] = 1,
        averaging: Annotated[float, Field(ge=0, lt=1, description="share of the average that a step keeps")] = 0.98,
        learning_rate: Annotated[float, Field(gt=0, lt=1, description="of Adam")] = 1e-3,
    ) -> None:
        super().__init__(image_shape)
        self.mode, self.sampler, self.opinion, self.learning_rate = mode, sampler, opinion, learning_rate
        self.schedule, self.last_trained = CosineSchedule(total_steps), trained_steps or total_steps
        self.steps = steps or min(10, self.last_trained)  # until it is chosen
        self.is_open = steps == 0
        self.start = total_steps if mode == "full" else self.steps
        self.time_sampling = time_sampling
        self._require_trained()
        n_steps = self.start if sampler == "ddpm" else sampler_steps or min(self.start, _SHORT)
        self.times = self.schedule.times(self.start, n_steps)
        self.denoiser = Denoiser(
            image_shape,
            width=width,
            levels=levels,
            patch_px=patch_px,
            attention_levels=min(attention_levels, levels) if attention else 0,
            noise_shares=np.sqrt(1 - self.schedule.alpha_bar) if detail else None,
        )
        self.average = averaged(self.denoiser, averaging)
        self.stride_px = 0 if attention else self.denoiser.stride_px
        n_kinds = 1 if mode == "no_diffusion" and sampler == "ddim" else n_noises
        self.register_buffer("noises", torch.randn(n_kinds, *image_shape))
        if opinion == "prior":
            self.latents = self._inverted

    noises: Tensor

    @property
    def gives(self) -> frozenset[Extra]:
        """What the option `opinion` asks for."""
        found: dict[str, frozenset[Extra]] = {"one_step": frozenset({"critique"}), "prior": frozenset({"latents"})}
        return found.get(self.opinion, frozenset())

    @property
    def exportable(self) -> bool | str:  # type: ignore[override]
        """As long as the chain is short and draws nothing."""
        if self.sampler == "ddpm":
            return "it draws noise in each step; take model.sampler = ddim"
        n = len(self.times)
        return True if n <= _LONGEST else f"a chain of {n - 1} steps is too long for one graph; lower sampler_steps"

    def choices(self) -> Mapping[str, Sequence[Any]]:
        if not self.is_open:
            return {}
        return {"steps": [t for t in _CANDIDATES if t <= self.last_trained]}

    def reconstruct(self, inputs: Tensor) -> Reconstruction:
        x = 2 * inputs - 1
        restored = torch.stack([self._restored(x, number) for number in range(len(self.noises))]).mean(dim=0)
        critique = self._surprise(x) if self.opinion == "one_step" else None
        latents = self._inverted(inputs) if self.opinion == "prior" else None
        return Reconstruction(inputs, ((restored + 1) / 2).clamp(0, 1), latents, critique)

    def losses(self, inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
        t = self._drawn_times(len(inputs)).to(inputs.device)
        yield "denoiser", self._loss(self.denoiser, inputs, t, torch.randn_like(inputs))
        if self.training:
            self.average.update_parameters(self.denoiser)

    def _drawn_times(self, n: int) -> Tensor:
        """(n,) from 1 to the last that is learnt."""
        if self.time_sampling == "uniform":
            return torch.randint(1, self.last_trained + 1, (n,))
        weights = torch.from_numpy(self.schedule.time_weights(self.last_trained))
        return 1 + torch.multinomial(weights, n, replacement=True)

    def validation_loss(self, inputs: Tensor) -> Tensor:
        """Eq. 7 at a few t, from near 0 to the last that is learnt, with the same noise each time."""
        last, noise = self.last_trained, self._noise_like(inputs, 0)
        points = [max(1, last * (2 * n + 1) // (2 * _VALIDATION_POINTS)) for n in range(_VALIDATION_POINTS)]
        times = (torch.full((len(inputs),), t, device=inputs.device) for t in points)
        return torch.stack([self._loss(self.average, inputs, t, noise) for t in times]).mean()

    def measurements(self, inputs: Tensor) -> dict[str, Tensor]:
        """Eq. 7 at a few t, of some images: 0.798, the mean |ε|, where nothing of the noise is found."""
        some = inputs[:_MEASURED_IMAGES]
        noise, device = self._noise_like(some, 0), inputs.device
        times = (t for t in _MEASURED_TIMES if t <= self.last_trained)
        return {
            f"loss_at_t_{t}": self._loss(self.average, some, torch.full((len(some),), t, device=device), noise)
            for t in times
        }

    def optimizers(self) -> dict[str, Optimizer]:
        return {"denoiser": Adam(self.denoiser.parameters(), lr=self.learning_rate)}

    def _loss(self, denoiser: torch.nn.Module, images: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Mean |ε − ε_θ(x_t, t)|, eq. 7."""
        left = torch.as_tensor(self.schedule.alpha_bar, dtype=images.dtype, device=images.device)[t].view(-1, 1, 1, 1)
        x = left.sqrt() * (2 * images - 1) + (1 - left).sqrt() * noise
        loss: Tensor = (denoiser(x, t) - noise).abs().mean()
        return loss

    def _restored(self, x: Tensor, number: int) -> Tensor:
        """x̂_0 by the noise of that number, in [−1, 1] or a little beyond."""
        if self.mode != "no_diffusion":
            x = self.schedule.diffused(x, self.start, self._noise_like(x, number))
        for now, then in pairwise(self.times):
            x = self._moved(x, now, then) if self.sampler == "ddim" else self._drawn_back(x, now, number)
        return x

    def _moved(self, x: Tensor, now: int, then: int) -> Tensor:
        """x at the time `then` of x at the time `now`, back or forth, by the noise that is found in it."""
        noise = self._found(x, max(now, 1))
        return self.schedule.diffused(self.schedule.original(x, now, noise), then, noise)

    def _drawn_back(self, x: Tensor, now: int, number: int) -> Tensor:
        """x_{t−1} of x_t, eqs 4 and 5; the last step is eq. 6."""
        mean = self.schedule.mean_before(x, now, self._found(x, now))
        if now == 1:
            return mean
        drawn = torch.randn(x.shape[1:], generator=torch.Generator().manual_seed(1000 * number + now))
        return mean + float(self.schedule.beta[now] ** 0.5) * drawn.to(x)

    def _surprise(self, x: Tensor) -> Tensor:
        """|ε − ε_θ(x_t, t)| of each pixel, averaged over channels, (B, 1, H, W)."""
        noise = self._noise_like(x, 0)
        found = self._found(self.schedule.diffused(x, self.steps, noise), self.steps)
        return (found - noise).abs().mean(dim=1, keepdim=True)

    def _inverted(self, inputs: Tensor) -> Tensor:
        """x_T that ddim leads back to the image, N(0, I) for images as those learnt, (B, C, H, W)."""
        x, times = 2 * inputs - 1, self.schedule.times(self.schedule.n_steps, _SHORT)[::-1]
        for now, then in pairwise(times):
            x = self._moved(x, now, then)
        return x

    def _found(self, x: Tensor, t: int) -> Tensor:
        """ε_θ(x_t, t)."""
        found: Tensor = self.average(x, torch.full((x.shape[0],), t, device=x.device))
        return found

    def _noise_like(self, x: Tensor, number: int) -> Tensor:
        """The noise of that number for images of any size: beyond that of the training it is repeated."""
        noise = self.noises[number]
        for axis in (1, 2):
            if x.shape[axis + 1] != noise.shape[axis]:
                repeated = torch.arange(x.shape[axis + 1], device=x.device) % noise.shape[axis]
                noise = noise.index_select(axis, repeated)
        return noise.expand_as(x)

    def _require_trained(self) -> None:
        total = self.schedule.n_steps
        if max(self.start, self.steps, self.last_trained) > total or self.start > self.last_trained:
            raise RecipeError(
                f"restoring starts at t = {self.start}, but only t up to {self.last_trained} of T = {total} are "
                "learnt; lower model.steps, raise model.trained_steps or model.total_steps, or take another model.mode"
            )
        if self.opinion == "prior" and self.last_trained < total:
            raise RecipeError(
                f"model.opinion = prior goes up to T = {total}, but only t up to {self.last_trained} are learnt; set "
                "model.trained_steps = 0"
            )
