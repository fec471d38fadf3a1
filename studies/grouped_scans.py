"""python -m studies.grouped_scans [--categories …] [--seeds 0,1,2] [--results DIR]

What scans of one product do where they are taken for independent images. 40 good photographs stand for products; each
is scanned ten times: moved by up to two pixels, 2 % brighter or darker, with noise of two levels. Of these 400 scans
a fifth tests a detector that has learnt the others. *Scans divided*: a fifth of all scans, drawn at random, so that
nearly every product is on both sides, and in several folds of the fit. *Products divided*: a fifth of the products
with all their scans, and the fit is told which scan shows which product. *Unweighted*: as products divided, but the
threshold counts every scan as an image of its own. Beside the figures of that test: the same detector on 80 products
that nobody had before, one scan each, which is what a line sees. The recipe is `default` or `dfm`, the stated
false-alarm rate the smallest that the products allow, 1/33, for all three. The scans are simulated; defects are one
scan of each of 60 defective photographs of the test split.
Results: studies/results/grouped_scans.json and .md.
"""

import statistics
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from benchmarks import command_line

from studies import DATA, RESULTS, jobs
from urushi import Detector, Recipe
from urushi.calibration.conformal import Conformal
from urushi.data.dataset import find_dataset
from urushi.data.images import Stated, read_image
from urushi.data.splits import split
from urushi.evaluation.image_metrics import roc_auc_figure

N_PRODUCTS, N_SCANS, N_NEW, N_DEFECTS = 40, 10, 80, 60
RATE = 1 / (N_PRODUCTS * 4 // 5 + 1)
SIDE = 256
RECIPES, CATEGORIES, SEEDS = ("default", "dfm"), ("screw", "solar_cell"), (0, 1, 2)
ABOUT = " ".join((__doc__ or "").split("\n\n")[1].rpartition("Results:")[0].split())


def scan(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture (H, W) or (H, W, 3) uint8 of the same product, taken once more."""
    shift = np.array([[1, 0, rng.uniform(-2, 2)], [0, 1, rng.uniform(-2, 2)]], np.float32)
    moved = cv2.warpAffine(image, shift, image.shape[1::-1], borderMode=cv2.BORDER_REFLECT_101)
    noisy = moved * rng.uniform(0.98, 1.02) + rng.normal(0, 2, moved.shape)
    return noisy.clip(0, 255).round().astype(np.uint8)


def scanned(paths: Iterable[Path], n_scans: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    images = [cv2.resize(read_image(path), (SIDE, SIDE), interpolation=cv2.INTER_AREA) for path in paths]
    return [scan(image, rng) for image in images for _ in range(n_scans)]


def measure(recipe: str, category: str, seed: int) -> Iterator[dict[str, Any]]:
    dataset = find_dataset(DATA / category)
    good = np.random.default_rng(seed).permutation(np.array([sample.path for sample in dataset.normal_training()]))
    faulty = np.random.default_rng(seed).permutation(np.array([s.path for s in dataset.test() if s.label]))
    scans = scanned(good[:N_PRODUCTS], N_SCANS, seed)
    new, defects = scanned(good[N_PRODUCTS:][:N_NEW], 1, seed + 100), scanned(faulty[:N_DEFECTS], 1, seed + 200)
    products = [f"item-{place // N_SCANS}" for place in range(len(scans))]
    plain = Recipe.find(recipe).with_settings({"split.n_folds": 5, "threshold.false_alarm_rate": RATE})
    for division, groups in (("scans", ()), ("products", products)):
        parts = split(len(scans), {"training": 0.8, "test": 0.2}, seed=seed, groups=groups)
        named = (Stated(scans[i], group=products[i]) if groups else scans[i] for i in parts["training"])
        detector = Detector.fit(list(named), plain, seed=seed)
        tested = [detector.scores_of(some)[0] for some in ([scans[i] for i in parts["test"]], new, defects)]
        yield {"division": division} | figures(detector.threshold.value, *tested)
        if groups:
            unweighted = Conformal(false_alarm_rate=RATE).fit(detector.held_out.scores)
            yield {"division": "products, unweighted"} | figures(unweighted.value, *tested)


def figures(threshold: float, test: np.ndarray, new: np.ndarray, defects: np.ndarray) -> dict[str, Any]:
    def auc(normal: np.ndarray) -> float | None:
        labels = np.repeat([False, True], [len(normal), len(defects)])
        return roc_auc_figure(np.concatenate([normal, defects]), labels).value

    return {
        "roc_auc_test": auc(test),
        "roc_auc_new": auc(new),
        "false_alarms_test": float((test > threshold).mean()),
        "false_alarms_new": float((new > threshold).mean()),
        "recall": float((defects > threshold).mean()),
    }


KEYS = ("roc_auc_test", "roc_auc_new", "false_alarms_test", "false_alarms_new", "recall")


def markdown(found: dict[str, Any]) -> str:
    head = ("recipe", "category", "divided", "ROC-AUC, test", "new products", "false alarms, test", "new", "recall")
    lines = ["# Scans of one product", "", found["about"], "", f"Means over seeds; the stated rate is {RATE:.1%}.", ""]
    lines += [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    kinds = dict.fromkeys((row["recipe"], row["category"], row["division"]) for row in found["rows"])
    for kind in kinds:
        own = [row for row in found["rows"] if (row["recipe"], row["category"], row["division"]) == kind]
        means = [statistics.fmean(row[key] for row in own) for key in KEYS]
        cells = [f"{mean:.3f}" if "roc" in key else f"{mean:.1%}" for key, mean in zip(KEYS, means, strict=True)]
        lines.append(f"| {' | '.join((*kind, *cells))} |")
    seeds = ", ".join(map(str, sorted({row["seed"] for row in found["rows"]})))
    return "\n".join([*lines, "", f"Seeds: {seeds}. The machine was not quiet; nothing here is a time."])


def main() -> None:
    defaults: Any = {"recipes": RECIPES, "categories": CATEGORIES, "seeds": SEEDS}
    options = command_line.parser(__doc__, RESULTS, **defaults).parse_args()
    todo = (
        {"recipe": recipe, "category": category, "seed": seed}
        for seed in options.seeds
        for recipe in options.recipes
        for category in options.categories
    )
    jobs.run((options.results, "grouped_scans"), todo, measure, markdown, about=ABOUT)


if __name__ == "__main__":
    main()
