"""Encoders and decoders of the autoencoder family, by the name of their architecture."""

from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from urushi.errors import RecipeError
from urushi.models.networks import inspection, mlp, strided
from urushi.models.networks.strided import OutputLayer

Architecture = Annotated[
    Literal["strided", "inspection", "mlp"],
    Field(description="strided: S2 tables 6.3 and 6.4; inspection: S4 table 1; mlp: fully connected"),
]
LatentDimension = Annotated[int, Field(ge=1, le=4096, description="J, the size of the bottleneck")]


def build(
    architecture: Architecture,
    image_shape: tuple[int, int, int],
    latent_dimension: int,
    output_layer: OutputLayer = "convolution",
) -> tuple[nn.Module, nn.Module]:
    """(B, C, H, W) -> (B, J), and (B, J) -> (B, C, H, W) in [0, 1]; raises RecipeError for sizes they cannot take."""
    if architecture == "strided":
        return _strided(image_shape, latent_dimension, output_layer)
    if output_layer != "convolution":
        raise RecipeError(f'model.output_layer = "{output_layer}" is for the architecture strided, not {architecture}')
    network = {"inspection": inspection, "mlp": mlp}[architecture]
    return network.encoder(image_shape, latent_dimension), network.decoder(image_shape, latent_dimension)


def _strided(
    image_shape: tuple[int, int, int], latent_dimension: int, output_layer: OutputLayer
) -> tuple[nn.Module, nn.Module]:
    channels, height, width = image_shape
    n_layers = strided.depth(height, width)
    encoder = nn.Sequential(
        strided.encoder(channels, n_layers, batch_norm=True),
        nn.Linear(strided.FLAT, latent_dimension),
        nn.LeakyReLU(strided.LEAK),
    )
    decoder = nn.Sequential(
        nn.Linear(latent_dimension, strided.FLAT),
        nn.BatchNorm1d(strided.FLAT),
        nn.ReLU(),
        strided.decoder(channels, n_layers, batch_norm=True, output_layer=output_layer),
    )
    return encoder, decoder
