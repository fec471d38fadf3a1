"""SIREN inpainting (S1): the surroundings of a hole are encoded, and a sine network paints what belongs there."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.optim import Adam, Optimizer

from urushi.errors import RecipeError, TrainingError
from urushi.losses.inpainting import CompletionLoss
from urushi.losses.parts import LossNetworkOption, NamedPart, build_loss_network, build_optional
from urushi.models.base import Extra, Reconstruction, Reconstructor
from urushi.models.discriminators.base import Discriminator
from urushi.models.networks.autoencoders import LatentDimension
from urushi.models.networks.contest import Width
from urushi.models.networks.crop_convolution import ContextEncoder, Convolution, Tolerance
from urushi.models.networks.hole_decoders import Decoder, build_decoder
from urushi.models.networks.siren import Omega
from urushi.models.networks.windows import HolePosition, Windows, filled, moments, taken
from urushi.printable import in_px

_GENERATOR_WEIGHT = 10.0  # S1 §4.2: L_total = L_dis + 10 L_gen
DiscriminatorOption = Annotated[
    NamedPart | None, Field(description="contest or triplet; a name, or a table of name and options")
]
Objective = Literal["alternating", "joint"]


class SirenInpainting(Reconstructor):
    """Holes that cover the image are restored one by one from the windows around them, so that no defect is copied.

    Trained on windows with a hole at random places. With a discriminator, the score `adversarial` has its distance of
    window and restored window at each hole as `opinion = "posterior"`.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        window_px: Annotated[Literal[32, 64, 128], Field(description="side of the window that is looked at")] = 64,
        hole_px: Annotated[int, Field(ge=4, le=96, description="side of its hole, even")] = 16,
        hole_position: HolePosition = "anywhere",
        overlap: Annotated[float, Field(ge=0, le=0.75, description="share of a hole that neighbours share")] = 0.0,
        windows_per_image: Annotated[int, Field(ge=1, le=256, description="drawn in a training step")] = 4,
        convolution: Convolution = "crop",
        tolerance: Tolerance = 3,
        width: Width = 16,
        latent_dimension: LatentDimension = 128,
        normalised: Annotated[
            bool, Field(description="encode and paint relative to mean and deviation of the window around the hole")
        ] = True,
        decoder: Decoder = "siren",
        decoder_width: Annotated[int, Field(ge=8, le=1024, description="neurons of each of its 5 layers")] = 128,
        omega: Omega = 30.0,
        edge_weight: Annotated[float, Field(ge=0, description="more weight of pixels at the hole's edge")] = 0.0,
        loss_network: LossNetworkOption = None,
        discriminator: DiscriminatorOption = None,
        objective: Annotated[Objective, Field(description="in turns, or both in one step as S1's sum")] = "alternating",
        learning_rate: Annotated[float, Field(gt=0, lt=1, description="of the generator's Adam")] = 5e-4,
    ) -> None:
        super().__init__(image_shape)
        _require_room(image_shape, window_px, hole_px)
        self.windows = Windows(window_px, hole_px, overlap, hole_position)
        self.windows_per_image, self.windows_at_once = windows_per_image, 64  # the latter changes no result
        self.normalised = normalised
        self.learning_rate, self.objective = learning_rate, objective
        channels = image_shape[0]
        window_shape = (channels, window_px, window_px)
        self.encoder = ContextEncoder(
            channels, window_px, width=width, n_latents=latent_dimension, convolution=convolution, tolerance=tolerance
        )
        self.decoder = build_decoder(
            decoder, channels, window_px, hole_px, width=decoder_width, omega=omega, n_latents=latent_dimension
        )
        self.loss = CompletionLoss(edge_weight, build_loss_network(loss_network))
        self.loss_network = loss_network.name if loss_network else None
        self.discriminator = build_optional(
            discriminator, "urushi.models.discriminators", Discriminator, "model.discriminator", window_shape
        )
        if objective == "joint" and self.discriminator is None:
            raise RecipeError(
                "model.objective = joint is S1's sum with a discriminator's loss: set model.discriminator"
            )

    @property
    def gives(self) -> frozenset[Extra]:
        """The distance of windows, where there is a discriminator."""
        return frozenset({"critique"}) if self.discriminator is not None else frozenset()

    def facts(self) -> dict[str, Any]:
        """Which network saw perceptual and style loss."""
        return {"loss_network": self.loss_network} if self.loss_network else {}

    def restore(self, windows: Tensor, pixels: Tensor) -> Tensor:
        """What belongs in the holes of windows (n, C, w, w), whose pixels are (n, P): (n, C, h, h) around [0, 1]."""
        side = self.windows.window_px
        seen = windows.new_ones(windows.shape[0], 1, side**2).scatter(2, pixels[:, None], 0.0).view(-1, 1, side, side)
        if not self.normalised:
            return (1 + self._painted(windows, seen, pixels)) / 2
        mean, deviation = moments(windows, seen)
        return mean + deviation * self._painted((windows - mean) / deviation, seen, pixels)

    def reconstruct(self, inputs: Tensor) -> Reconstruction:
        height, width = self.image_shape[1:]
        pixels = self.windows.all_pixels(height, width).to(inputs.device)
        found = [self._restored(part, at) for part, at in self._parts(self.windows.cut_all(inputs), pixels)]
        holes = torch.cat([part for part, _ in found], dim=1)
        rebuilt = self.windows.put_back(inputs, holes)
        if self.discriminator is None:
            return Reconstruction(inputs, rebuilt)
        n_rows = len(self.windows.spans(height))
        judged = torch.cat([part for _, part in found], dim=1).reshape(-1, 1, n_rows, len(pixels) // n_rows)
        return Reconstruction(inputs, rebuilt, critique=judged)

    def losses(self, inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
        windows, pixels = self.windows.draw(inputs, self.windows_per_image)
        if self.training and len(windows) < 2:
            raise TrainingError("batch normalisation takes at least 2 windows: raise model.windows_per_image")
        holes = self.restore(windows, pixels)
        restored = filled(windows, holes, pixels)
        loss = self.loss((holes, taken(windows, pixels, self.windows.hole_px)), (restored, windows))
        if self.discriminator is None:
            yield "generator", loss
        elif self.objective == "joint":
            judging = self.discriminator.loss(windows, restored.detach())
            yield "joint", judging + self._fooling(windows, restored) + _GENERATOR_WEIGHT * loss
            self.discriminator.after_step()
        else:
            yield "discriminator", self.discriminator.loss(windows, restored.detach())
            self.discriminator.after_step()
            yield "generator", self.discriminator.fooling_loss(windows, restored) + _GENERATOR_WEIGHT * loss

    def _fooling(self, windows: Tensor, restored: Tensor) -> Tensor:
        """What the generator plays for while the discriminator learns in the same step: no weight of it learns this."""
        assert self.discriminator is not None
        self.discriminator.requires_grad_(False)
        found = self.discriminator.fooling_loss(windows, restored)
        self.discriminator.requires_grad_(True)
        return found

    def optimizers(self) -> dict[str, Optimizer]:
        generator = [*self.encoder.parameters(), *self.decoder.parameters()]
        if self.discriminator is None:
            return {"generator": Adam(generator, lr=self.learning_rate)}
        critic = list(self.discriminator.parameters())
        if self.objective == "joint":
            groups: list[dict[str, Any]] = [
                {"params": generator},
                {"params": critic, "lr": self.discriminator.learning_rate},
            ]
            return {"joint": Adam(groups, lr=self.learning_rate)}
        return {
            "discriminator": Adam(critic, lr=self.discriminator.learning_rate),
            "generator": Adam(generator, lr=self.learning_rate),
        }

    def validation_loss(self, inputs: Tensor) -> Tensor:
        """The squared error of the whole restored image."""
        return (self.reconstruct(inputs).reconstruction - inputs).square().mean()

    def _painted(self, windows: Tensor, seen: Tensor, pixels: Tensor) -> Tensor:
        holes: Tensor = self.decoder(self.encoder(windows * seen, seen), pixels)
        return holes

    def _parts(self, windows: Tensor, pixels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """So many windows of each image at once, (B, n, C, w, w), and their holes' pixels (n, P)."""
        n = self.windows_at_once
        yield from zip(torch.split(windows, n, dim=1), torch.split(pixels, n), strict=True)

    def _restored(self, windows: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Holes (B, n, C, h, h), and how far the discriminator sees them from what was there, (B, n)."""
        flat, at = windows.flatten(0, 1), pixels.repeat(windows.shape[0], 1)
        holes = self.restore(flat, at).clamp(0, 1)
        found = holes.view(*windows.shape[:3], *holes.shape[2:])
        if self.discriminator is None:
            return found, flat.new_zeros(windows.shape[:2])
        judged = self.discriminator.distance(flat, filled(flat, holes, at))
        return found, judged.view(windows.shape[:2])


def _require_room(image_shape: tuple[int, int, int], window_px: int, hole_px: int) -> None:
    _, height, width = image_shape
    if min(height, width) < window_px:
        raise RecipeError(
            f"images are {in_px((height, width))}, smaller than a window of {window_px} px; set model.window_px, or "
            "preprocessing.resize.height and .width"
        )
    if hole_px % 2 or hole_px > window_px * 3 // 4:
        raise RecipeError(
            f"model.hole_px = {hole_px}: it is even and at most three quarters of model.window_px = {window_px}"
        )
