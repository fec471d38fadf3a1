"""urushi represent: one image as a function of its coordinates, by sines and by what they are compared with."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from urushi.cli._places import require_file_place

if TYPE_CHECKING:
    import numpy as np

    from urushi.applications.implicit_representation import Activation
    from urushi.reporting.plots.implicit_representation import Derivatives

_WORDS = {"sine": "sine", "relu": "ReLU", "positional_encoding": "ReLU, positional encoding"}
ACTIVATIONS = tuple(_WORDS)


def represent(
    picture: Annotated[Path, typer.Argument(metavar="PICTURE", help="An image.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The PNG to write; an SVG goes beside it.")],
    activations: Annotated[
        str, typer.Option(metavar="NAME,…", help=f"Which networks: {', '.join(ACTIVATIONS)}.", show_default="all")
    ] = ",".join(ACTIVATIONS),
    size: Annotated[int, typer.Option(min=16, max=1024, help="The longer side that is fitted, in px.")] = 256,
    steps: Annotated[int, typer.Option(min=1, help="Of Adam, at 4096 pixels each.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same network.")] = 0,
) -> None:
    """Fit networks from coordinates to grey values of one image. Image, gradient and Laplacian of each are drawn."""
    from urushi.reporting.plots.implicit_representation import Derivatives, implicit_representation_figure
    from urushi.reporting.plots.style import write

    chosen = _chosen(activations)
    _require_png(output)
    image = _read(picture, size)
    found = {}
    for activation in chosen:
        caption, derivatives = _fitted(image, activation, steps, seed)
        found[caption] = derivatives
    figure = implicit_representation_figure(Derivatives.of_pixels(image), found)
    png, _ = write(figure, output.with_suffix(""))
    print(png)


def _require_png(output: Path) -> None:
    from urushi.errors import InputError

    require_file_place(output, "-o")
    if output.suffix.lower() != ".png":
        raise InputError(f"{output}: give -o a name that ends in .png")


def _chosen(text: str) -> "list[Activation]":
    from urushi.errors import InputError

    named = text.split(",")
    if wrong := [name for name in named if name not in ACTIVATIONS]:
        raise InputError(f"--activations {text}: {wrong[0]!r} is none; there is {', '.join(ACTIVATIONS)}")
    return list(dict.fromkeys(named))  # type: ignore[arg-type]


def _read(picture: Path, size: int) -> "np.ndarray":
    """Grey, float32 in [0, 1], its longer side at most `size` px and no side below 2; raises UnreadableImageError."""
    import cv2
    import numpy as np

    from urushi.data.images import read_image
    from urushi.preprocessing.grey import grey
    from urushi.preprocessing.scale import scale

    pixels = scale(grey(read_image(picture)))
    ratio = min(1.0, size / max(pixels.shape))
    height, width = (max(2, round(ratio * side)) for side in pixels.shape)  # one pixel has no neighbour to differ from
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)).clip(0, 1)


def _fitted(image: "np.ndarray", activation: "Activation", steps: int, seed: int) -> "tuple[str, Derivatives]":
    """A caption with how near it comes, and what it represents, at the size of the image."""
    from urushi.applications.implicit_representation import ImplicitRepresentation
    from urushi.reporting.plots.implicit_representation import Derivatives

    start = time.monotonic()
    found = ImplicitRepresentation.fit(image, activation, steps=steps, seed=seed)
    words, near = _WORDS[activation], f"{found.psnr(image):.1f} dB"
    print(f"{words}: {near} after {steps} steps, {time.monotonic() - start:.1f} s")
    pictures = (make(*image.shape) for make in (found.image, found.gradient, found.laplacian))
    return f"{words}\n{near}".replace(", ", ",\n"), Derivatives(*pictures)
