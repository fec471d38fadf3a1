"""python -m studies.inpainting_losses [--textures brick,knit] [--epochs 30] [--seeds 0,1,2] [--pictures DIR]

What discriminators, losses and convolutions do for `siren_inpainting` on regular textures, as S1 has them: patches of
128 px of scikit-image's `brick` and of a synthetic knit, elastically distorted (`urushi texture`), synthetic cracks and
scratches to test with. Each variant is fitted once a seed and scored twice: by the squared error (the mean of the
highest 1 % of the map, as the recipe), and by the discriminator's distance of window and restored window. Restored are
good test patches, and as many that were learnt from: what is much better on these was learnt by heart. What was
interrupted goes on. Results: studies/results/inpainting_losses.json and .md.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks import command_line
from torch import Tensor

from studies import RESULTS, jobs
from studies.contact_sheet import write_sheet
from studies.regular_textures import textured
from studies.table import interval
from urushi import Detector, Recipe, Unreadable
from urushi.data.dataset import Dataset
from urushi.data.masks import read_mask
from urushi.evaluation import evaluate
from urushi.losses.parts import build_loss_network
from urushi.recipe import Part
from urushi.runtime.torch_backend import TorchBackend

LITE0 = {"name": "efficientnet_lite0"}
VARIANTS: dict[str, dict[str, Any]] = {
    "MSE alone": {},
    "+ perceptual": {"loss_network": {**LITE0, "style": 0.0}},
    "+ perceptual and style": {"loss_network": LITE0},
    "plain convolutions": {"convolution": "plain"},
    "edge of the hole weighted": {"edge_weight": 4.0},
    "DCGAN": {"discriminator": {"name": "contest"}},
    "WGAN": {"discriminator": {"name": "contest", "loss": "wasserstein_clipping"}},
    "WGAN-GP": {"discriminator": {"name": "contest", "loss": "wasserstein_penalty"}},
    "triplet, image anchor": {"discriminator": {"name": "triplet"}},
    "triplet, turned anchor": {"discriminator": {"name": "triplet", "variant": "turned_anchor"}},
    "triplet, Euclidean": {"discriminator": {"name": "triplet", "variant": "euclidean"}},
    "triplet + perceptual and style": {"discriminator": {"name": "triplet"}, "loss_network": LITE0},
    "triplet, jointly": {"discriminator": {"name": "triplet"}, "objective": "joint"},
}
DEFAULTS = {"epochs": 30}
ERROR = Part.model_validate({"name": "squared_error", "pooling": "top"})
DISTANCE = Part.model_validate({"name": "adversarial", "opinion": "posterior", "alpha": 1.0, "pooling": "max"})
ABOUT = (
    "Patches of 128 px, {epochs} epochs. MSE and perceptual loss (of EfficientNet-Lite0, unweighted) "
    "of restored good test images; in brackets MSE on images that were learnt from. Image ROC-AUC by the squared "
    "error and by the discriminator's distance; pixel figures by the squared error. Defects are synthetic cracks and "
    "scratches."
)
HEADER = (
    "| texture | seed | variant | MSE ×10⁻⁴ (learnt) | perceptual | ROC-AUC by error | by distance | pixel ROC-AUC "
    "| AUPRO@0.3 | fit s |"
)


def measure(
    texture: str, variant: str, seed: int, datasets: Mapping[str, Dataset], options: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    dataset = datasets[texture]
    epochs = {"training.max_epochs": options.epochs, "training.patience_epochs": options.epochs}
    recipe = Recipe.find("siren-inpainting").with_settings(epochs)
    recipe = recipe.with_settings({f"model.{key}": value for key, value in VARIANTS[variant].items()})
    scores = [ERROR, DISTANCE] if "discriminator" in VARIANTS[variant] else [ERROR]
    start, good = time.monotonic(), [sample.path for sample in dataset.normal_training()]
    detectors = Detector.fit_scores(good, recipe, scores, seed=seed)
    row: dict[str, Any] = {"fit_seconds": round(time.monotonic() - start, 1)}
    for part, detector in zip(scores, detectors, strict=True):
        results = list(zip(dataset.test(), detector.inspect_many(s.path for s in dataset.test()), strict=True))
        found = evaluate(results, read_mask=read_mask).to_json()
        row[part.name] = {"image": found["image"]["roc_auc"], "pixel": found["pixel"]["metrics"]}
        if options.pictures and part is ERROR:
            write_sheet(options.pictures / f"{texture}-{seed}-{variant}.png", results)
    good_test = [sample.path for sample in dataset.test() if not sample.label]
    learnt = [path for place, path in enumerate(good) if place not in detectors[0].card["fit"]["held_out"]]
    found, by_heart = restoring(detectors[0], good_test), mse(*restored(detectors[0], learnt[: len(good_test)]))
    yield row | found | {"mse_of_learnt": by_heart, "gap_over_variance": (found["mse"] - by_heart) / found["variance"]}


def restored(detector: Detector, paths: Sequence[Path]) -> tuple[Tensor, Tensor]:
    """Images as they were and as they are restored, (n, 1, H, W) in [0, 1]."""
    assert isinstance(detector.backend, TorchBackend)
    prepared = (detector.prepare(path) for path in paths)
    true = torch.tensor(np.stack([item.pixels for item in prepared if not isinstance(item, Unreadable)]))
    model = detector.backend.graph.model
    with torch.no_grad():
        return true, torch.cat([model.reconstruct(batch).reconstruction for batch in torch.split(true, 8)])


def mse(true: Tensor, made: Tensor) -> float:
    return (made - true).square().mean().item()


def restoring(detector: Detector, paths: Sequence[Path]) -> dict[str, float]:
    """How near images are restored, in pixels and in features."""
    true, made = restored(detector, paths)
    with torch.no_grad():
        network = build_loss_network(Part.model_validate({**LITE0, "perceptual": 1.0, "style": 0.0}))
        assert network is not None
        perceptual = network(made, true).item()
    found = {"mse": mse(true, made), "variance": true.var().item(), "perceptual": perceptual}
    return found | {"error_over_variance": found["mse"] / found["variance"]}


def markdown(found: dict[str, Any]) -> str:
    lines = ["# Discriminators and losses of SIREN inpainting", "", found["about"], "", HEADER, "|---" * 10 + "|"]
    for row in found["rows"]:
        error, distance = row["squared_error"], row.get("adversarial")
        cells = [
            row["texture"],
            str(row["seed"]),
            row["variant"],
            f"{1e4 * row['mse']:.1f} ({1e4 * row['mse_of_learnt']:.1f})",
            f"{row['perceptual']:.3f}",
            interval(error["image"]),
        ]
        cells += [interval(distance["image"]) if distance else "—"]
        cells += [f"{error['pixel'][key]['value']:.3f}" for key in ("roc_auc", "aupro_0.3")]
        cells.append(f"{row['fit_seconds']:.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = command_line.parser(__doc__, RESULTS, textures=("brick", "knit"), seeds=(0, 1, 2), **DEFAULTS)
    parser.add_argument("--variants", type=lambda text: text.split(";"), default=tuple(VARIANTS))
    parser.add_argument("--pictures", type=Path)
    options = parser.parse_args()
    columns = product(options.seeds, options.textures, options.variants)  # an interrupted study has some of everything
    wanted = ({"texture": texture, "variant": name, "seed": seed} for seed, texture, name in columns)
    settings = {"epochs": options.epochs}
    study = options.results, jobs.named("inpainting_losses", settings, DEFAULTS)
    with tempfile.TemporaryDirectory() as folder:
        datasets = {texture: textured(texture, Path(folder) / texture) for texture in options.textures}
        fitting = partial(measure, datasets=datasets, options=options)
        jobs.run(study, wanted, fitting, markdown, about=ABOUT.format(epochs=options.epochs), settings=settings)


if __name__ == "__main__":
    main()
