"""Orientation normalisation (S4): images are turned to one orientation, rebuilt there, and turned back."""

from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Adam, Optimizer

from urushi import catalogue
from urushi.catalogue import options
from urushi.errors import RecipeError
from urushi.losses.parts import NamedPart
from urushi.losses.reconstruction.base import ReconstructionLoss
from urushi.models.base import Reconstruction, Reconstructor
from urushi.models.networks.localisation import Localisation, gradient_loss, random_angles, reduced
from urushi.models.networks.rotation import Sampling, central_square, rotate
from urushi.models.networks.turned_loss import TurnedLoss
from urushi.printable import in_px
from urushi.recipe import Part

Strategy = Literal["none", "random", "pretrained_frozen", "pretrained_finetuned"]
_REBUILDING = "autoencoder"  # the optimiser of all methods that learn by a reconstruction loss
INSPECTION = Part.model_validate({"name": "autoencoder", "architecture": "inspection", "latent_dimension": 100})


class OrientationNormalisation(Reconstructor):
    """A wrapper round any method that is trained on pixels.

    A localisation network finds the angle. `pretrained_frozen`: it learns from image gradients alone, before anything
    else, and is left so; `pretrained_finetuned`: it goes on learning with the method; `random`: it learns with the
    method from the start, which the source found to fail; `none`: nothing is turned, to compare with.

    Nothing but the central square counts, whose content stays inside however it is turned: pad images with the step
    `rotation_padding`. Whatever the strategy, a method that learns by a reconstruction loss learns it on that square,
    turned back. Others, such as `gan`, learn by their own losses of turned images, or where they learn together with
    the angle by the squared error.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        inner: Annotated[NamedPart, Field(description="the method that is wrapped: a table of name and options")] = (
            INSPECTION
        ),
        strategy: Annotated[Strategy, Field(description="how the localisation network learns")] = "pretrained_frozen",
        sampling: Annotated[Sampling, Field(description="between pixels")] = "bicubic",
        pretraining_epochs: Annotated[int, Field(ge=1, le=10000, description="of the localisation network")] = 50,
        pretraining_rate: Annotated[float, Field(gt=0, lt=1, description="learning rate of these epochs")] = 2e-4,
    ) -> None:
        super().__init__(image_shape)
        _, height, width = image_shape
        if height != width or height < 32:
            raise RecipeError(
                f"images are {in_px((height, width))}, but what is turned must be square, of 32 px at least; "
                "set preprocessing.resize.height and .width"
            )
        self.inner = _build(inner, image_shape)
        self.strategy, self.sampling = strategy, sampling
        self.loss = _taken_over(self.inner, sampling)
        self.pretraining_epochs, self.pretraining_rate = pretraining_epochs, pretraining_rate
        self.localisation = None if strategy == "none" else Localisation()
        if self.localisation and strategy == "pretrained_frozen":
            self.localisation.requires_grad_(False)
        self.register_buffer("centre", central_square(height))

    centre: Tensor

    @property
    def exportable(self) -> bool | str:  # type: ignore[override]
        """As the wrapped method."""
        return self.inner.exportable

    @property
    def learning_rate(self) -> float:
        """That of the wrapped method."""
        return self.inner.learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self.inner.learning_rate = rate

    @property
    def latents(self) -> Any:
        """The wrapped method's latent code of turned images, where it has one."""
        inner: Any = self.inner
        code = inner.latents  # raises AttributeError where there is none
        return lambda inputs: code(self._turned(inputs)[0])

    def reconstruct(self, inputs: Tensor) -> Reconstruction:
        turned, angles = self._turned(inputs)
        pair = self.inner.reconstruct(turned)
        rebuilt = pair.reconstruction if angles is None else rotate(pair.reconstruction, -angles, self.sampling)
        return Reconstruction(inputs, torch.lerp(inputs, rebuilt.clamp(0, 1), self.centre), pair.latents)

    def losses(self, inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
        if self._is_joint and self.loss is None:
            pair = self.reconstruct(inputs)
            yield "joint", F.mse_loss(pair.reconstruction, pair.original) / self.centre.mean()
            return
        with torch.set_grad_enabled(self._is_joint and torch.is_grad_enabled()):
            turned, angles = self._turned(inputs)
        if self.loss is not None:
            self.loss.compare_with(inputs, angles, self.centre)
        yield from self.inner.losses(turned)

    def optimizers(self) -> dict[str, Optimizer]:
        if self._is_joint and self.loss is None:
            return {"joint": Adam(self.parameters(), lr=self.learning_rate)}
        found = self.inner.optimizers()
        if self._is_joint and self.localisation is not None:
            found[_REBUILDING].add_param_group({"params": list(self.localisation.parameters())})
        return found

    def pretrain(self, batches: Iterable[Tensor]) -> None:
        """Teaches the localisation network eq. 7 on images in all orientations, then the method on turned ones."""
        if self.localisation is not None and self.strategy != "random":
            self._pretrain_localisation(self.localisation, batches)
        self.inner.pretrain(_Each(batches, lambda images: self._turned(images)[0].detach()))

    def _pretrain_localisation(self, localisation: Localisation, batches: Iterable[Tensor]) -> None:
        localisation.requires_grad_(True)
        optimizer = Adam(localisation.parameters(), lr=self.pretraining_rate, weight_decay=1e-5)
        for _ in range(self.pretraining_epochs):
            for images in batches:
                optimizer.zero_grad()
                torch.autograd.backward(self.orientation_loss(images))
                optimizer.step()
        localisation.requires_grad_(self.strategy != "pretrained_frozen")

    def orientation_loss(self, images: Tensor) -> Tensor:
        """S4 eq. 7 of images (B, C, H, H), reduced to 64 px and turned at random; the network has to find the turn."""
        assert self.localisation is not None
        small = reduced(images * self.centre)
        drawn = random_angles(len(small), small.device)
        shown = rotate(small, drawn, "bilinear")
        angles = self.localisation(shown)
        return gradient_loss(rotate(shown, angles, "bilinear"), drawn + angles)

    @property
    def _is_joint(self) -> bool:
        return self.strategy in ("random", "pretrained_finetuned")

    def _turned(self, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """Images in the orientation in which they are rebuilt, and the angles (B,) that brought them there."""
        if self.localisation is None:
            return inputs, None
        angles = self.localisation(inputs)
        return rotate(inputs, angles, self.sampling).clamp(0, 1), angles


class _Each:
    """Batches, each changed when it is asked for."""

    def __init__(self, batches: Iterable[Tensor], change: Callable[[Tensor], Tensor]) -> None:
        self.batches, self.change = batches, change

    def __iter__(self) -> Iterator[Tensor]:
        return map(self.change, self.batches)


def _taken_over(inner: Reconstructor, sampling: Sampling) -> TurnedLoss | None:
    """The reconstruction loss of a method, from now on of images that are turned back; None where it has none."""
    if not isinstance(loss := getattr(inner, "loss", None), ReconstructionLoss):
        return None
    turned = TurnedLoss(loss, sampling)
    inner.loss = turned  # type: ignore[assignment]
    return turned


def _build(part: Part, image_shape: tuple[int, int, int]) -> Reconstructor:
    found = catalogue.load("urushi.models", part.name, Reconstructor)
    if issubclass(found, OrientationNormalisation) or found.is_closed_form or found.space != "pixels":
        raise RecipeError(f"model.inner = {part.name}: only methods that are trained on pixels can be wrapped")
    return options.build(found, part.options, "model.inner", image_shape)
