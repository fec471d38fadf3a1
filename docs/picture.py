"""Makes the picture of README.md: urushi demo --out /tmp/demo && python docs/picture.py /tmp/demo docs/picture.png."""

import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from urushi import Detector, Inspection
from urushi.reporting.heat_map import overlay

SHOWN = ("good/000", "crack/003", "hole/000", "blob/002")
GOOD, DEFECTIVE, HELD_OUT = "#4477aa", "#cc3311", "#999999"


def inspected(detector: Detector, test: Path) -> dict[str, Inspection]:
    """Every test image by its name, such as `crack/003`."""
    paths = sorted(test.rglob("*.png"))
    results = detector.inspect_many(paths)
    named = {path.relative_to(test).with_suffix("").as_posix(): r for path, r in zip(paths, results, strict=True)}
    return {name: result for name, result in named.items() if isinstance(result, Inspection)}


def show_column(axes_of: Any, name: str, found: Inspection) -> None:
    """The image, the most similar good one, and the heat map with its regions."""
    above, middle, below = axes_of
    kind = name.partition("/")[0]
    above.imshow(found.image)
    above.set_title(kind, fontsize=10)
    middle.imshow(found.reconstruction)
    small = overlay(found.image, found.anomaly_map, found.map_scale, found.regions, found.view, long_side_px=256)
    below.imshow(small)
    below.set_xlabel(f"score {found.score:.2f}\np {found.p_value:.2f}: {found.decision}", fontsize=9)
    for axes in axes_of:
        axes.set(xticks=[], yticks=[])


def show_scores(axes: Any, detector: Detector, results: dict[str, Inspection]) -> None:
    """One histogram for each group of scores, all on one axis, and the threshold."""
    good = [r.score for name, r in results.items() if name.startswith("good/")]
    defective = [r.score for name, r in results.items() if not name.startswith("good/")]
    groups = {"held-out normal": detector.held_out.scores, "test, good": good, "test, defective": defective}
    every = np.concatenate([np.asarray(scores) for scores in groups.values()])
    edges = np.linspace(0, every.max(), 40)
    for (name, scores), colour in zip(groups.items(), (HELD_OUT, GOOD, DEFECTIVE), strict=True):
        axes.hist(scores, edges, color=colour, alpha=0.7, label=f"{name} ({len(scores)})")
    axes.axvline(
        detector.threshold.value, color="black", linestyle="--", label=f"threshold {detector.threshold.value:.2f}"
    )
    axes.set(xlabel="score (higher = more anomalous)", ylabel="images")
    axes.legend(fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def main(demo: Path, picture: Path) -> None:
    """From the folder that `urushi demo` wrote to the picture."""
    detector = Detector.load(demo / "part.urushi")
    results = inspected(detector, demo / "images" / "test")
    figure = plt.figure(figsize=(10, 4.6), dpi=100, layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1.2, 1))
    panels = left.subplots(3, len(SHOWN))
    for column, name in enumerate(SHOWN):
        show_column(panels[:, column], name, results[name])
    panels[0, 0].set_ylabel("image", fontsize=10)
    panels[1, 0].set_ylabel("similar good one", fontsize=10)
    panels[2, 0].set_ylabel("heat map", fontsize=10)
    show_scores(right.subplots(), detector, results)
    figure.savefig(picture)
    with Image.open(picture) as saved:
        saved.convert("RGB").quantize(128).save(picture, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
