"""python -m studies.tiling [--height 3648] [--width 5472] [--places 6] [--images 8]

What tiling does to large images. The textures are SIMULATED: noise, filtered by one Gaussian, the same everywhere.

Large: a defect of 12 px, a bright disc, is planted in images of 20 megapixels, at seeded places, some of them where
tiles meet. Was a region found there, and how far is its centre off? With the time and highest memory of a fresh
process that inspects one image with the exported detector.
Seams: on textures without a defect, the map is averaged over one axis and folded by the place within the step from
one tile to the next. If tile borders showed, the folded profile would vary more than by chance: its standard deviation
is compared with those of 200 profiles whose steps are each shifted round by a random amount.
Results: studies/results/tiling.json and .md.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from benchmarks import command_line, record

from studies import RESULTS
from studies.readable import require_readable
from urushi import Detector, Recipe
from urushi.data.writing import write_image
from urushi.runtime.tiling import TileGrid

DEFECT_PX, N_SHUFFLES = 12, 200
OVERLAPS = (0.0, 0.125, 0.25, 0.5)
SETTINGS: dict[str, dict[str, Any]] = {"tiled": {}, "autoencoder": {"tiling.tile_px": 128, "training.max_epochs": 12}}


def texture(height: int, width: int, seed: int) -> np.ndarray:
    """(H, W) uint8 whose statistics are the same everywhere."""
    noise = np.random.default_rng(seed).normal(size=(height + 32, width + 32)).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 2)[16:-16, 16:-16]
    return np.clip(128 + 30 * blurred / blurred.std(), 0, 255).astype(np.uint8)


def fit(name: str, seed: int) -> Detector:
    recipe = Recipe.find(name)
    if name == "autoencoder":  # at full resolution, like the other
        recipe = recipe.model_copy(
            update={"preprocessing": tuple(p for p in recipe.preprocessing if p.name != "resize")}
        )
    good = [texture(600, 800, 1000 * seed + number) for number in range(40)]
    return Detector.fit(good, recipe.with_settings(SETTINGS[name]), seed=seed).export(good[:20])


def large(detector: Detector, options: argparse.Namespace) -> dict[str, Any]:
    """Planted defects, found or not, one image each."""
    rng = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory(prefix="urushi-") as folder:
        part = Path(folder) / "part.urushi"
        detector.save(part)
        rows = []
        for number in range(options.places):
            place = _place(detector, options, rng, on_seam=number % 2 == 1)
            image = texture(options.height, options.width, 5000 + options.seed + number)  # none that was learnt
            cv2.circle(image, place, DEFECT_PX // 2, 255, -1)
            path = Path(folder) / "large.png"
            write_image(path, image)
            rows.append({"place": place, "on_seam": number % 2 == 1} | _found(part, path, place))
    return {"megapixels": options.height * options.width / 1e6, "rows": rows}


def _place(detector: Detector, options: argparse.Namespace, rng: np.random.Generator, *, on_seam: bool) -> Any:
    """(x, y) anywhere, or where the corners of tiles lie."""
    margin = DEFECT_PX
    if on_seam:
        assert detector.network.grid is not None
        corners = detector.network.grid.places(options.height, options.width)
        y, x = corners[int(rng.integers(len(corners)))]
        return int(np.clip(x, margin, options.width - margin)), int(np.clip(y, margin, options.height - margin))
    return int(rng.integers(margin, options.width - margin)), int(rng.integers(margin, options.height - margin))


def _found(part: Path, path: Path, place: tuple[int, int]) -> dict[str, Any]:
    """From a fresh process: the region nearest to the place, seconds, highest memory."""
    command = [sys.executable, "-m", "studies.tiling", "--inspect", str(part), str(path)]
    found = json.loads(subprocess.run(command, cwd=record.ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout)
    errors = [
        np.hypot(r["x"] + r["width"] / 2 - place[0], r["y"] + r["height"] / 2 - place[1]) for r in found["regions"]
    ]
    order = int(np.argmin(errors)) if errors else None
    near = {} if order is None else {"error_px": float(errors[order]), "rank": order + 1}
    return near | {name: found[name] for name in ("seconds", "peak_mb", "decision")} | {"n_regions": len(errors)}


def inspect(part: Path, path: Path) -> dict[str, Any]:
    detector = Detector.load(part)
    start = time.perf_counter()
    found = detector.inspect(path)
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
    return found.to_json() | {"seconds": time.perf_counter() - start, "peak_mb": peak}


def seams(detector: Detector, options: argparse.Namespace) -> list[dict[str, Any]]:
    """By overlap and axis: how much the folded profile varies, and how much it does by chance."""
    rng = np.random.default_rng(options.seed)
    images = [texture(options.side, options.side, 7000 + options.seed + number) for number in range(options.images)]
    rows = []
    for overlap in OVERLAPS:
        section = detector.recipe.tiling.model_copy(update={"overlap": overlap})
        tiled = replace(detector, recipe=detector.recipe.model_copy(update={"tiling": section}))
        maps = np.stack([require_readable(found).anomaly_map for found in tiled.inspect_many(images)])
        for axis in ("x", "y"):
            profiles = maps.mean(axis=1 if axis == "x" else 2) - maps.mean(axis=(1, 2))[:, None]
            rows.append({"overlap": overlap, "axis": axis} | _folded(profiles, tiled.network.grid, maps, rng))
    return rows


def _folded(profiles: np.ndarray, grid: TileGrid | None, maps: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    assert grid is not None
    starts = np.array(sorted({x for _, x in grid.places(*maps.shape[1:])}))
    step = int(np.diff(starts).min())
    steps = np.concatenate([profiles[:, start : start + step] for start in starts[1:-1]])  # (n, step), inner tiles
    observed = steps.mean(axis=0).std()
    shuffled = [_shifted(steps, rng).mean(axis=0).std() for _ in range(N_SHUFFLES)]
    return {
        "step_px": step,
        "n_steps": len(steps),
        "share_of_map_deviation": float(observed / maps.std()),
        "ratio_to_chance": float(observed / np.median(shuffled)),
        "p_value": float((1 + sum(s >= observed for s in shuffled)) / (1 + N_SHUFFLES)),
    }


def _shifted(steps: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    places = (np.arange(steps.shape[1]) + rng.integers(steps.shape[1], size=len(steps))[:, None]) % steps.shape[1]
    return np.take_along_axis(steps, places, axis=1)


def markdown(study: dict[str, Any]) -> str:
    """Both tables, from the record alone."""
    environment, found = study["environment"], study["large"]
    rows = [["place (x, y)", "where tiles meet", "centre off by", "rank of its region", "seconds", "peak memory"]]
    rows += [["---"] * 6, *map(_large_line, found["rows"])]
    dirty = " with uncommitted changes" if environment["is_dirty"] else ""
    lines = [
        "# Tiling (simulated textures)\n",
        f"## A defect of {DEFECT_PX} px in {found['megapixels']:.0f} megapixels\n",
    ]
    lines += ["| " + " | ".join(cells) + " |" for cells in rows]
    lines += ["\n## Seams\n", "Standard deviation of the map's mean by the place within a step from tile to tile.\n"]
    columns = ["recipe", "overlap", "axis", "step px", "of the map's deviation", "ratio to chance", "p-value"]
    lines += ["| " + " | ".join(cells) + " |" for cells in [columns, ["---"] * len(columns), *_seam_lines(study)]]
    return "\n".join(
        [
            *lines,
            "",
            f"- command: `{environment['command']}`",
            f"- commit: {environment['commit']}{dirty}",
            f"- versions: {', '.join(f'{name} {version}' for name, version in environment['versions'].items())}",
            f"- machine: {environment['cpu']}, {environment['n_cores']} cores",
            f"- date: {environment['date'][:10]}",
        ]
    )


def _large_line(row: dict[str, Any]) -> list[str]:
    off, rank = (f"{row['error_px']:.1f} px", str(row["rank"])) if "error_px" in row else ("not found", "")
    where = "yes" if row["on_seam"] else "no"
    return [str(tuple(row["place"])), where, off, rank, f"{row['seconds']:.1f}", f"{row['peak_mb']:.0f} MB"]


def _seam_lines(study: dict[str, Any]) -> list[list[str]]:
    return [[name, *_seam_cells(row)] for name, rows in study["seams"].items() for row in rows]


def _seam_cells(row: dict[str, Any]) -> list[str]:
    figures = f"{row['share_of_map_deviation']:.4f}", f"{row['ratio_to_chance']:.2f}", f"{row['p_value']:.3f}"
    return [f"{row['overlap']:g}", row["axis"], str(row["step_px"]), *figures]


def main() -> None:
    options = _options()
    if options.inspect:
        print(json.dumps(inspect(*options.inspect)))
        return
    environment = record.environment()
    detectors = {name: fit(name, options.seed) for name in options.recipes}
    found = {"large": large(detectors[options.recipes[0]], options)}
    found |= {"seams": {name: seams(detector, options) for name, detector in detectors.items()}}
    study = {"environment": environment, "settings": {"side": options.side, "images": options.images}, **found}
    record.publish(options.results, "tiling", study, markdown)


def _options() -> argparse.Namespace:
    parser = command_line.parser(__doc__, RESULTS, recipes=tuple(SETTINGS), height=3648, width=5472, seed=0)
    parser.add_argument("--places", type=int, default=6, help="large images, each with one defect")
    parser.add_argument("--side", type=int, default=1408, help="of the textures for seams, in px")
    parser.add_argument("--images", type=int, default=8, help="textures for seams")
    parser.add_argument("--inspect", type=Path, nargs=2, metavar=("DETECTOR", "IMAGE"), help="what the processes run")
    return parser.parse_args()


if __name__ == "__main__":
    main()
