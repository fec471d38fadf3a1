"""Whether the latents of a variational autoencoder are near N(0, 1), dimension by dimension (S2 fig. 6.3)."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from urushi.errors import InputError
from urushi.reporting.plots.style import OKABE_ITO, SMALL_PT, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 5
_N_BINS = 24


def latent_histograms_figure(
    latents: ArrayLike, *, n_shown: int = 15, seed: int = 0, title: str = "Latents against N(0, 1)"
) -> "Figure":
    """Normalised histograms of `n_shown` random dimensions of latents (n, J), each with the density of N(0, 1).

    Raises InputError if the latents are no finite table of at least two images.
    """
    z = checked_latents(latents)
    rng = np.random.default_rng(seed)
    shown = np.sort(rng.choice(z.shape[1], size=min(n_shown, z.shape[1]), replace=False))
    n_rows, n_columns = -(-len(shown) // _COLUMNS), min(_COLUMNS, len(shown))
    figure = new_figure(1.2 + 1.3 * max(n_columns, 3), 1.3 + 1.15 * n_rows)
    grid = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    edges = _edges(z[:, shown])
    x = np.linspace(edges[0], edges[-1], 200)
    for axes, dimension in zip(grid.flat, shown, strict=False):
        axes.hist(z[:, dimension], edges, density=True, color=OKABE_ITO[5])
        axes.plot(x, np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), color="black", linewidth=1)
        values = z[:, dimension]
        axes.set_title(f"z{dimension + 1}: {values.mean():.2f} ± {values.std():.2f}", fontsize=SMALL_PT)
    for axes in grid.flat[len(shown) :]:
        axes.set_axis_off()
    figure.suptitle(f"{title}\n{len(shown)} of {z.shape[1]} dimensions, mean ± standard deviation of {len(z)} images")
    figure.supxlabel("latent value", fontsize="medium")
    figure.supylabel("density", fontsize="medium")
    return figure


def checked_latents(latents: ArrayLike) -> np.ndarray:
    """Latents as (n, J) float64; raises InputError if they are no finite table of at least two images."""
    z = np.asarray(latents, dtype=np.float64)
    if z.ndim != 2 or z.shape[0] < 2 or z.shape[1] < 1 or not np.isfinite(z).all():
        raise InputError(
            f"latents came as {z.shape}; give a table (images, dimensions) of at least two images, all values finite"
        )
    return z


def _edges(shown: np.ndarray) -> np.ndarray:
    """Bins that hold all values and the bell, symmetrical about 0."""
    reach = max(3.5, float(np.abs(shown).max()))
    return np.linspace(-reach, reach, _N_BINS + 1)
