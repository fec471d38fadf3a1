"""python -m studies.seven_categories [--recipe default] [--seeds 0] [--set section.key=value]… [--pictures DIR]

Fits a recipe on the good training images of each category of URUSHI_DATA (default: ../shared/data beside this
repository), inspects its test images and measures. Results are studies/results/seven_categories-<recipe>.json and .md,
rewritten after each category: a study that was interrupted goes on with what is missing.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import command_line, record

from studies import CATEGORIES, DATA, RESULTS
from studies.contact_sheet import write_sheet
from studies.rebuilding import rebuilding
from studies.table import markdown
from urushi import Detector, Inspection, Recipe, Unreadable
from urushi.data.dataset import Dataset, Sample, find_dataset
from urushi.data.masks import read_mask
from urushi.evaluation import evaluate
from urushi.recipe import parse_setting

YARDSTICK = Recipe.find("pixel-pca")
Result = tuple[Sample, Inspection | Unreadable]


@dataclass(frozen=True)
class Study:
    """One recipe; where its results are, and what they must have been made with to be kept."""

    recipe: Recipe
    name: str  # of its files
    folder: Path
    title: str

    @property
    def path(self) -> Path:
        return self.folder / f"{self.name}.json"

    def settings(self) -> dict[str, Any]:
        return {"title": self.title, "recipe": self.recipe.model_dump(mode="json", exclude_none=True)}

    def earlier(self) -> list[dict[str, Any]]:
        """The rows that an earlier run left; stops if they were made with other settings."""
        if not self.path.is_file():
            return []
        found = json.loads(self.path.read_text(encoding="utf-8"))
        if found["settings"] != json.loads(json.dumps(record.tidy(self.settings()))):
            sys.exit(f"error: {self.path} was made with other settings; --fresh starts it over")
        return list(found["rows"])

    def write(self, rows: list[dict[str, Any]]) -> None:
        study = {"settings": self.settings(), "rows": sorted(rows, key=_place)}
        record.write(self.folder, self.name, study)
        self.path.with_suffix(".md").write_text(record.page_of(study, markdown), encoding="utf-8")


def run(
    study: Study, categories: list[str], seeds: list[int], pictures: Path | None, rows: list[dict[str, Any]]
) -> None:
    """Adds what is missing to the rows, one category after another; a row of other images is made anew."""
    for category in categories:
        dataset = find_dataset(DATA / category)
        fingerprint = dataset.fingerprint()
        rows = [row for row in rows if row["category"] != category or row["data_fingerprint"] == fingerprint]
        for seed in seeds:
            if any(row["category"] == category and row["seed"] == seed for row in rows):
                print(f"{category}, seed {seed}: done earlier", file=sys.stderr)
                continue
            row, results = measure(study.recipe, dataset, seed)
            rows.append({"category": category, "seed": seed, "data_fingerprint": fingerprint} | row)
            study.write(rows)
            if pictures is not None:
                write_sheet(pictures / f"{study.name}-{category}-seed-{seed}.png", results)
    study.write(rows)


def measure(recipe: Recipe, dataset: Dataset, seed: int) -> tuple[dict[str, Any], list[Result]]:
    """One row of the study, and the inspected test images."""
    circumstances = record.environment()
    start = time.perf_counter()
    detector = Detector.fit([sample.path for sample in dataset.normal_training()], recipe, seed=seed)
    fit_seconds = time.perf_counter() - start
    results, inspect_seconds = _inspect(detector, dataset)
    figures = evaluate(results, read_mask=read_mask, seed=seed).to_json()
    row = {
        "n": {
            "train": len(dataset.normal_training()),
            "good": figures["n_normal"],
            "anomalous": figures["n_anomalous"],
        },
        "threshold": detector.threshold.to_json() | {"method": detector.held_out.method},
        "evaluation": _without_images(figures),
        "fit": dict(detector.card["fit"]),
        "rebuilding": rebuilding(detector, dataset, results, figures["reconstruction"]),
        "pixel_pca": None if figures["reconstruction"] is None else _beside(recipe, dataset, seed),
        "fit_seconds": fit_seconds,
        "inspect_seconds_per_image": inspect_seconds / len(results),
        "environment": circumstances | {"n_threads": _n_threads()},
    }
    return row, results


def _beside(recipe: Recipe, dataset: Dataset, seed: int) -> dict[str, Any] | None:
    """What the yardstick of all methods that rebuild pixels does on the same images: its image ROC-AUC."""
    if recipe.model.name == YARDSTICK.model.name:
        return None
    detector = Detector.fit([sample.path for sample in dataset.normal_training()], YARDSTICK, seed=seed)
    results, _ = _inspect(detector, dataset)
    return {"roc_auc": evaluate(results, read_mask=read_mask, seed=seed).to_json()["image"]["roc_auc"]}


def _inspect(detector: Detector, dataset: Dataset) -> tuple[list[Result], float]:
    """Everything is kept, which a few hundred images allow, so that inspection is timed without the evaluation."""
    samples = dataset.test()
    start = time.perf_counter()
    found = list(detector.inspect_many(sample.path for sample in samples))
    return list(zip(samples, found, strict=True)), time.perf_counter() - start


def _without_images(figures: dict[str, Any]) -> dict[str, Any]:
    """The evaluation without what grows with the images."""
    left_out = figures["pixel_left_out"]
    counted = {"n": len(left_out), "first_reason": left_out[0]["reason"] if left_out else None}
    return {k: v for k, v in figures.items() if k != "scores"} | {"pixel_left_out": counted}


def _n_threads() -> int:
    import torch

    return torch.get_num_threads()


def _place(row: dict[str, Any]) -> tuple[Any, ...]:
    known = row["category"] in CATEGORIES
    return (CATEGORIES.index(row["category"]) if known else len(CATEGORIES), row["category"], row["seed"])


def main() -> None:
    options = _options()
    recipe = Recipe.find(options.recipe).with_settings(dict(map(parse_setting, options.settings)))
    name = "-".join(["seven_categories", Path(options.recipe).stem, *_slugs(options.settings)])
    title = " ".join([options.recipe, *options.settings])
    study = Study(recipe, name, options.results, title)
    rows = [] if options.fresh else study.earlier()
    run(study, options.categories, options.seeds, options.pictures, rows)
    print(study.path.with_suffix(".md").read_text(encoding="utf-8"))


def _slugs(settings: list[str]) -> Iterator[str]:
    """The settings as parts of a file name, so that each variant of a recipe has its own files."""
    for text in settings:
        yield "".join(c if c.isalnum() or c in "._" else "-" for c in text)


def _options() -> argparse.Namespace:
    parser = command_line.parser(__doc__, RESULTS, categories=CATEGORIES, seeds=(0,))
    parser.add_argument("--recipe", default="default", help="name of a recipe, or path of a TOML")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="SECTION.KEY=VALUE")
    parser.add_argument(
        "--pictures", type=Path, help="folder for a contact sheet of each category; not to be committed"
    )
    parser.add_argument("--fresh", action="store_true", help="forget what an earlier run has measured")
    return parser.parse_args()


if __name__ == "__main__":
    main()
