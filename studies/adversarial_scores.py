"""python -m studies.adversarial_scores [--epochs 150] [--tile-epochs 12] [--pictures DIR]

What the scores of S3 are worth, one fit for all of them: the three of `bigan` (reconstruction error, discriminator's
features, prior's density) on `nanofiber_sem` and `xray_fishbone`, and those of `convolutional_bigan`, learnt from 64 px
tiles of `nanofiber_sem`, over α. Image ROC-AUC with its 95 % interval. DIR gets maps of whole images, and a sample four
times as high and wide as a training tile. Results: studies/results/adversarial_scores.json and .md.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from benchmarks import command_line, record

from studies import DATA, RESULTS
from studies.contact_sheet import write_sheet
from studies.table import interval
from urushi import Detector, Recipe
from urushi.applications.generation import Generator
from urushi.cli._grid import write_grid
from urushi.data.dataset import find_dataset
from urushi.data.masks import read_mask
from urushi.evaluation import evaluate
from urushi.recipe import Part
from urushi.scoring.adversarial import Opinion

ALPHAS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
ABOUT = (
    "Image ROC-AUC [95 % interval]. α is the share of the opinion, 0 the reconstruction error alone. Terms are joined "
    "as they are, without scaling. bigan: 64 px, {epochs} epochs; convolutional_bigan: 64 px tiles, {tile_epochs} "
    "epochs, whole images inspected in one pass. One seed."
)


def score(opinion: Opinion, alpha: float) -> Part:
    return Part.model_validate({"name": "adversarial", "opinion": opinion, "alpha": alpha})


def measure(recipe: str, category: str, opinions: Sequence[Opinion], epochs: int, options: Any) -> list[dict[str, Any]]:
    """A row for each score."""
    dataset = find_dataset(DATA / category)
    good = [sample.path for sample in dataset.normal_training()]
    scores = [score(opinion, alpha) for opinion in opinions for alpha in ALPHAS if alpha or opinion == opinions[0]]
    training = {"training.max_epochs": epochs, "training.patience_epochs": epochs}
    detectors = Detector.fit_scores(good, Recipe.find(recipe).with_settings(training), scores, seed=0)
    rows = []
    for part, detector in zip(scores, detectors, strict=True):
        results = list(zip(dataset.test(), detector.inspect_many(s.path for s in dataset.test()), strict=True))
        found = evaluate(results, read_mask=read_mask).to_json()
        chosen = part.options
        rows.append({"recipe": recipe, "category": category, **chosen, "roc_auc": found["image"]["roc_auc"]})
        print(rows[-1], detector.card["fit"]["seconds"], "s", flush=True)
        if options.pictures and chosen["alpha"] in (0.1, 1.0) and chosen["opinion"] == "posterior":
            write_sheet(options.pictures / f"{recipe}-{category}-{chosen['alpha']}.png", results)
    if options.pictures and recipe == "convolutional-bigan":
        write_grid(options.pictures / "larger.png", Generator.of(detectors[0], 256, 256).sample(4))
    return rows


def markdown(found: dict[str, Any]) -> str:
    lines = ["# Scores of BiGANs", "", found["about"], ""]
    for recipe, category in dict.fromkeys((row["recipe"], row["category"]) for row in found["rows"]):
        rows = [row for row in found["rows"] if (row["recipe"], row["category"]) == (recipe, category)]
        lines += [f"## {recipe}, {category}", "", "| opinion | α | ROC-AUC |", "|---|---|---|"]
        for row in rows:
            name = row["opinion"] if row["alpha"] else "reconstruction error alone"
            lines.append(f"| {name} | {row['alpha']} | {interval(row['roc_auc'])} |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    parser = command_line.parser(__doc__, RESULTS, epochs=150, tile_epochs=12)
    parser.add_argument("--pictures", type=Path)
    options, environment, rows = parser.parse_args(), record.environment(), []
    for recipe, category, opinions, epochs in (
        ("convolutional-bigan", "nanofiber_sem", ("posterior", "likelihood"), options.tile_epochs),
        ("bigan", "nanofiber_sem", get_args(Opinion), options.epochs),
        ("bigan", "xray_fishbone", get_args(Opinion), options.epochs),
    ):
        rows += measure(recipe, category, opinions, epochs, options)
        record.write(options.results, "adversarial_scores", environment | {"rows": rows})  # what is done is not lost
    settings = {name: str(value) for name, value in command_line.settings(options).items()}
    found = environment | {"about": ABOUT.format(**settings), "settings": settings, "rows": rows}
    record.publish(options.results, "adversarial_scores", found, markdown)


if __name__ == "__main__":
    main()
