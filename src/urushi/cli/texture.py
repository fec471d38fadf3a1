"""urushi texture: a data set from one large picture of a texture."""

from pathlib import Path
from typing import Annotated

import typer


def texture(
    picture: Annotated[Path, typer.Argument(metavar="PICTURE", help="A large picture of a good texture.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write, in MVTec layout.")],
    patch: Annotated[int, typer.Option(metavar="PX", help="Side of a patch.")] = 64,
    patches: Annotated[int, typer.Option(metavar="N", help="Good patches; a fifth of them is to test with.")] = 500,
    defects: Annotated[
        str, typer.Option(metavar="KIND,…", help="Synthetic defects in as many test patches; empty: none.")
    ] = "crack",
    sigma: Annotated[float, typer.Option(min=0.5, max=1000, help="How smooth the distortion is, in px.")] = 20.0,
    alpha: Annotated[float, typer.Option(min=0, max=1000, help="How far it moves pixels, in px; 0: not at all.")] = 4.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed writes the same files.")] = 0,
) -> None:
    """Cut distorted patches from one picture. Some get synthetic defects, to test with."""
    from urushi.augmentation import TextureWish, make_texture_set
    from urushi.data.progress import tracked

    kinds = tuple(kind for kind in defects.split(",") if kind)
    wish = TextureWish(patch_px=patch, n_patches=patches, sigma_px=sigma, alpha_px=alpha, defects=kinds, seed=seed)
    written = make_texture_set(picture, out, wish, tracked)
    print(f"{out}: {', '.join(f'{n} {name}' for name, n in written.items())}")
