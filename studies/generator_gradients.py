"""python -m studies.generator_gradients [--steps 5,20,80] [--seeds 0,1,2,3,4] [--results DIR]

How strongly a generator is pulled early in the training, while its discriminator is ahead: the length of the gradient
of ln(1 − D) and of −ln D by the same weights (S3, GAN training). The discriminator alone has learnt for so many steps
to tell images of the study `samples` from what an untrained generator makes. Seconds for each.
Results: studies/results/generator_gradients.json and .md.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

import torch
from benchmarks import command_line, record
from torch import Tensor

from studies import RESULTS, jobs
from studies.samples import IMAGES
from urushi.losses import adversarial
from urushi.models import build_model
from urushi.models.gan import Gan
from urushi.recipe import Part

STEPS = (5, 20, 80)
LOSSES: tuple[adversarial.Contest, ...] = ("minimax", "non_saturating")
BATCH = 32
ABOUT = (
    "Length of the generator's gradient by both losses, at the same weights and the same noise, after so many steps of "
    "the discriminator alone; a batch of 32, the discriminator kept smooth as in the recipe. D: its mean output on "
    "what the generator makes. Mean ± standard error over seeds."
)


def measure(data: str, seed: int, steps: list[int]) -> Iterator[dict[str, Any]]:
    images = torch.from_numpy(IMAGES[data]()[0])
    _, channels, height, width = images.shape
    torch.manual_seed(seed)
    model = build_model(Part(name="gan"), (channels, height, width))
    assert isinstance(model, Gan)
    model.train()
    optimizer, done = model.optimizers()["discriminator"], 0
    for wanted in sorted(steps):
        for _ in range(wanted - done):
            optimizer.zero_grad()
            next(iter(model.losses(images[torch.randint(len(images), (BATCH,))])))[1].backward()
            optimizer.step()
        done, noise = wanted, torch.randn(BATCH, model.latent_dimension)
        lengths: dict[str, float] = {loss: pull(model, loss, noise) for loss in LOSSES}
        yield {"steps": wanted, **lengths, "judged": model.discriminate(model.generator(noise)).sigmoid().mean().item()}


def pull(model: Gan, loss: adversarial.Contest, noise: Tensor) -> float:
    """The length of the gradient of the generator's weights."""
    lost = adversarial.generator_loss(loss, model.discriminate(model.generator(noise)))
    parts = torch.autograd.grad(lost, list(model.generator.parameters()))
    return torch.cat([part.flatten() for part in parts]).norm().item()


def markdown(found: dict[str, Any]) -> str:
    lines = ["# How strongly a generator is pulled", "", found["about"], ""]
    lines += ["| images | steps | D | minimax | non-saturating | ratio |", "|---" * 6 + "|"]
    for data, steps in dict.fromkeys((row["data"], row["steps"]) for row in found["rows"]):
        rows = [row for row in found["rows"] if (row["data"], row["steps"]) == (data, steps)]
        ratios = [row["non_saturating"] / row["minimax"] for row in rows]
        columns = *([row[key] for row in rows] for key in ("judged", *LOSSES)), ratios
        shown = ["{:.3g} ± {:.2g}".format(*record.mean_and_error(values)) for values in columns]
        lines.append(f"| {' | '.join([data, str(steps), *shown])} |")
    return "\n".join(lines)


def main() -> None:
    options = command_line.parser(__doc__, RESULTS, steps=STEPS, seeds=(0, 1, 2, 3, 4)).parse_args()
    pairs = ({"data": data, "seed": seed} for seed, data in product(options.seeds, IMAGES))
    settings = {"ahead": list(options.steps)}
    study = options.results, "generator_gradients"
    jobs.run(study, pairs, lambda **job: measure(**job, steps=options.steps), markdown, about=ABOUT, settings=settings)


if __name__ == "__main__":
    main()
