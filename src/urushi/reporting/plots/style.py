"""How plots look, so that they can be told apart without colour too, and the files that they become."""

import io
from collections.abc import Sized
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from urushi import atomic_file
from urushi.catalogue.extras import require
from urushi.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Series = TypeVar("Series", bound=Sized)

# Okabe and Ito's colours, which people with any kind of colour vision tell apart; yellow is left out, as it is lost on
# white paper.
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "++++", "oo")
REFERENCE_COLOUR = "0.35"  # of lines that are no data: chance, thresholds
SMALL_PT = 8
DOTS_PER_INCH = 200


def new_figure(width_in: float = 6.4, height_in: float = 4.2, *, extra: str = "train") -> "Figure":
    """An empty figure, laid out so that nothing is cut off; raises MissingPackageError, which names the extra."""
    require("matplotlib", extra)
    from matplotlib.figure import Figure

    return Figure(figsize=(width_in, height_in), layout="constrained")


def drawing(
    title: str, x_label: str, y_label: str, *, rows: int = 1, height_in: float = 4.2, extra: str = "train"
) -> "tuple[Figure, Axes]":
    """A figure of one or more axes above each other, ready for lines; title and labels are those of the first one."""
    figure = new_figure(6.4, height_in, extra=extra)
    from cycler import cycler

    for axes in figure.subplots(rows, sharex=True, squeeze=False).flat:
        axes.set_prop_cycle(cycler(color=OKABE_ITO, linestyle=DASHES))
        axes.grid(which="major", color="0.85", linewidth=0.6)
    first: Axes = figure.axes[0]
    first.set(title=title[:1].upper() + title[1:], xlabel=x_label, ylabel=y_label)
    return figure, first


def legend_beside(axes: "Axes") -> None:
    """The legend at the right of the axes, where it hides no data."""
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))


def line_style(number: int) -> dict[str, Any]:
    """Colour, dash and marker of the series of that number; no two of the first seven share one of them."""
    which = number % len(OKABE_ITO)
    return {"color": OKABE_ITO[which], "linestyle": DASHES[which], "marker": MARKERS[which], "markersize": 5}


def few_enough(series: Series) -> Series:
    """The same series; raises InputError if there are none, or more than can be told apart."""
    if not 1 <= len(series) <= len(OKABE_ITO):
        raise InputError(
            f"{len(series)} series came for one plot; give at least 1, and at most {len(OKABE_ITO)}, as more cannot "
            "be told apart"
        )
    return series


def write(figure: "Figure", stem: Path) -> tuple[Path, Path]:
    """Writes `stem`.png, 200 dots per inch, and `stem`.svg, and makes their folder; the same figure, the same bytes.

    Raises InputError if the folder cannot be written.
    """
    paths = stem.with_name(f"{stem.name}.png"), stem.with_name(f"{stem.name}.svg")
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(png := io.BytesIO(), format="png", dpi=DOTS_PER_INCH)
        atomic_file.replace(paths[0], png.getvalue(), is_durable=False)
        atomic_file.replace(paths[1], svg(figure).encode(), is_durable=False)
    except OSError as error:
        raise InputError(f"{stem.parent} cannot be written: {error.strerror}; choose another folder") from None
    return paths


def svg(figure: "Figure") -> str:
    """The figure as an SVG document without date, the same on every call."""
    import matplotlib as mpl

    text = io.StringIO()
    # A salt and letters as paths: the same plot is the same file, and looks the same on any machine.
    with mpl.rc_context({"svg.hashsalt": "urushi", "svg.fonttype": "path"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()
