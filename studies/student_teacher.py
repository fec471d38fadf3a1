"""python -m studies.student_teacher [--categories xray_fishbone] [--students …] [--results DIR]

Why the recipe `student-teacher` and STFPM give other figures. Two students of the same teacher, EfficientNet-Lite0's
blocks 2, 4 and 10: that of the recipe, which restores the features from a narrow map of them, and that of STFPM (Wang
et al. 2021), the same network with random weights, which sees the pixels and learns as theirs does: 20 epochs, SGD of
0.4, momentum 0.9, decay 1e-4. `features-as-fitted`: with the recipe as it is 72 % of the images teach it, by each seed
others, 8 % choose the best of its 60 epochs, and 20 % give the threshold. Otherwise a student learns from all images,
or 72 % of them, and is taken as it is after the last epoch. The distance of a block is half the squared distance of
directions; image ROC-AUC by the highest place of the distances' sum over blocks (`sum`), of their sum weighted by the
number of channels, as the recipe has it (`by channels`), of their product, as STFPM has it (`product`), and of single
blocks.
Results: studies/results/student_teacher.json and .md.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from benchmarks import command_line
from efficientnet_lite_pytorch import EfficientNet
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional as F

from studies import CATEGORIES, DATA, RESULTS, jobs
from studies.default_choice import prepared
from urushi import Detector, Recipe
from urushi.backbones.efficientnet_lite import LiteBackbone
from urushi.data.dataset import find_dataset
from urushi.models import build_model
from urushi.models.feature_autoencoder import FeatureAutoencoder
from urushi.runtime.torch_backend import TorchBackend

BLOCKS, N_EPOCHS, BATCH = (2, 4, 10), 20, 16
RECIPE = Recipe.find("student-teacher")
FITTED = "features-as-fitted-"  # and the seed, which draws split and weights
STUDENTS = (*(f"{FITTED}{seed}" for seed in range(3)), "features-72%", "features", "pixels-72%", "pixels")
JOINED = ("sum", "by channels", "product", *(f"block {block}" for block in BLOCKS))
ABOUT = " ".join((__doc__ or "").split("\n\n")[1].rpartition("Results:")[0].split())
Distances = Callable[[Tensor], list[Tensor]]  # images (B, 3, H, W) -> of each block, (B, 1, h, w)


class Pixels(nn.Module):
    """The teacher's network with random weights, of which the same blocks are taken."""

    def __init__(self) -> None:
        super().__init__()
        network = EfficientNet.from_name("efficientnet-lite0")
        self.stem = nn.Sequential(network._conv_stem, network._bn0, network._swish)
        self.blocks = network._blocks[: BLOCKS[-1] + 1]

    def forward(self, images: Tensor) -> list[Tensor]:
        x, maps = self.stem((images - 127 / 255) / (128 / 255)), []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in BLOCKS:
                maps.append(x)
        return maps


def distance(one: Tensor, other: Tensor) -> Tensor:
    return 0.5 * (F.normalize(one) - F.normalize(other)).square().sum(dim=1, keepdim=True)


def of_recipe(paths: list[Any], seed: int) -> tuple[FeatureAutoencoder, int]:
    """The recipe's student as a fit leaves it, and how many images it has learnt from."""
    detector = Detector.fit(paths, RECIPE, seed=seed)
    assert isinstance(detector.backend, TorchBackend)
    model = detector.backend.graph.model
    assert isinstance(model, FeatureAutoencoder)
    return model, detector.card["fit"]["n_training"]


def of_features(images: Tensor) -> FeatureAutoencoder:
    """The recipe's student, which learns from all images for all epochs."""
    _, channels, height, width = images.shape
    model = build_model(RECIPE.model, (channels, height, width), 0).eval()
    assert isinstance(model, FeatureAutoencoder)
    with torch.no_grad():
        inputs = torch.cat([model.embed(one[None]) for one in images])
        model.pretrain(inputs.split(BATCH))
    optimizer = model.optimizers()["autoencoder"]
    for epoch in range(RECIPE.training.max_epochs):
        for rows in torch.randperm(len(images), generator=torch.manual_seed(epoch)).split(BATCH):
            optimizer.zero_grad()
            ((_, loss),) = model.losses(inputs[rows])
            loss.backward()
            optimizer.step()
    return model


def by_blocks(model: FeatureAutoencoder) -> Distances:
    def distances(images: Tensor) -> list[Tensor]:
        pair = model.reconstruct(model.embed(images))
        parts = (torch.split(side, model.backbone.channels, dim=1) for side in (pair.original, pair.reconstruction))
        return [distance(*both) for both in zip(*parts, strict=True)]

    return distances


def of_pixels(images: Tensor) -> Distances:
    torch.manual_seed(0)
    teacher, student = LiteBackbone(BLOCKS), Pixels()

    def distances(images: Tensor) -> list[Tensor]:
        return [distance(*both) for both in zip(teacher(images), student(images), strict=True)]

    optimizer = torch.optim.SGD(student.parameters(), lr=0.4, momentum=0.9, weight_decay=1e-4)
    for epoch in range(N_EPOCHS):
        for rows in torch.randperm(len(images), generator=torch.manual_seed(epoch)).split(BATCH):
            optimizer.zero_grad()
            sum(found.mean(dim=(1, 2, 3)).sum() for found in distances(images[rows])).backward()  # type: ignore[union-attr]
            optimizer.step()
    student.eval()
    return distances


def measure(category: str, student: str) -> Iterator[dict[str, Any]]:
    dataset = find_dataset(DATA / category)
    good, test = ([sample.path for sample in some] for some in (dataset.normal_training(), dataset.test()))
    if student.startswith(FITTED):
        model, n = of_recipe(good, int(student.removeprefix(FITTED)))
        distances = by_blocks(model)
    else:
        n = round(0.72 * len(good)) if "72%" in student else len(good)
        seen = torch.randperm(len(good), generator=torch.manual_seed(1))[:n].tolist()
        images = torch.from_numpy(prepared(RECIPE, [good[place] for place in seen]))
        distances = by_blocks(of_features(images)) if student.startswith("features") else of_pixels(images)
    scores = np.concatenate([scored(distances, torch.from_numpy(prepared(RECIPE, [path]))) for path in test])
    labels = [bool(sample.label) for sample in dataset.test()]
    found = {name: roc_auc_score(labels, column) for name, column in zip(JOINED, scores.T, strict=True)}
    yield {"n_images": n, "roc_auc": found}


@torch.no_grad()
def scored(distances: Distances, images: Tensor) -> np.ndarray:
    """Highest place by each way of joining, (B, 6)."""
    size = tuple(images.shape[-2:])
    maps = torch.cat([F.interpolate(one, size, mode="bilinear") for one in distances(images)], dim=1)
    channels = torch.tensor(LiteBackbone(BLOCKS).channels)[None, :, None, None]
    joined = [maps.sum(1), (channels * maps).sum(1), maps.prod(1), *maps.unbind(1)]
    return torch.stack([one.amax(dim=(1, 2)) for one in joined], dim=1).numpy()


def markdown(found: dict[str, Any]) -> str:
    lines = ["# The recipe student-teacher and STFPM", "", found["about"], ""]
    lines += [f"| category | student sees | images | {' | '.join(JOINED)} |", "|---" * (3 + len(JOINED)) + "|"]
    for row in found["rows"]:
        figures = (f"{row['roc_auc'][name]:.3f}" for name in JOINED)
        lines.append(f"| {' | '.join([row['category'], row['student'], str(row['n_images']), *figures])} |")
    said = (
        "All figures are image ROC-AUC. As fitted by three seeds, the others by one; what has no row was not measured."
    )
    return "\n".join([*lines, "", said])


def main() -> None:
    options = command_line.parser(__doc__, RESULTS, categories=CATEGORIES[2:3], students=STUDENTS).parse_args()
    todo = [{"category": one, "student": student} for one in options.categories for student in options.students]
    jobs.run((options.results, "student_teacher"), todo, measure, markdown, about=ABOUT)


if __name__ == "__main__":
    main()
