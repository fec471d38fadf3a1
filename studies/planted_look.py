"""python -m studies.planted_look [--categories …] [--results DIR]

Planted defects on good images that a detector has learnt, on new ones, and on those that its twin has not learnt.

The first look of the station shows how many planted defects a new detector finds. Here the default recipe learns 64
good images of a category; 32 of these and 32 others get a defect each, at four strengths; and the twin that the station
fits for the look is tried on the images that it has left out. Results: studies/results/planted_look.json and .md.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks import command_line

from studies import DATA, RESULTS, jobs
from urushi import Detector
from urushi.data.dataset import find_dataset
from urushi.data.images import read_image
from urushi.evaluation.intervals import wilson
from urushi.serving.teaching.planting import STRENGTHS, planted
from urushi.serving.teaching.twin import twin_of

CATEGORIES = ("screw", "magnetic_tile")
N_LEARNT, N_TRIED, SEED = 64, 32, 3
ABOUT = (
    "The default recipe, seed 0, learns the first 64 good training images of a category. 32 of these and 32 of the "
    "others, evenly spread, get a drawn defect each, at four strengths, by seed 3. The twin is the detector that the "
    "station fits for its first look: it learns all but a quarter, and decides by the threshold of the first."
)


def measure(category: str) -> Iterator[dict[str, Any]]:
    good = [sample.path for sample in find_dataset(DATA / category).normal_training()]
    learnt, new = good[:N_LEARNT], good[N_LEARNT:]
    detector = Detector.fit(learnt)
    yield found("learnt", detector, _some(learnt))
    yield found("new", detector, _some(new))
    twin = twin_of(detector, learnt, [])
    yield found("left out by the twin", twin.detector, twin.unseen)


def found(images: str, detector: Detector, sources: Sequence[Path]) -> dict[str, Any]:
    rng, n_found, n_alarms = np.random.default_rng(SEED), np.zeros(len(STRENGTHS), int), 0
    for source in sources:
        image = read_image(source)
        n_found += [one.found.decision == "anomalous" for one in planted(detector, image, rng)]
        n_alarms += detector.inspect(image).decision == "anomalous"
    return {"images": images, "n": len(sources), "n_found": n_found.tolist(), "n_false_alarms": n_alarms}


def markdown(study: dict[str, Any]) -> str:
    lines = ["# Planted defects on learnt and on new images", "", study["about"], ""]
    lines += ["Defects found at the detector's threshold, with 95 % intervals (Wilson).", ""]
    strengths = " | ".join(f"strength {strength:g}" for strength in STRENGTHS)
    lines += [f"| category | images | n | {strengths} | anomalous without a defect |", "|---" * 8 + "|"]
    for row in study["rows"]:
        cells = [_share(n, row["n"]) for n in (*row["n_found"], row["n_false_alarms"])]
        lines.append(f"| {row['category']} | {row['images']} | {row['n']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _share(n: int, of: int) -> str:
    low, high = wilson(n, of)
    return f"{n} ({100 * low:.0f} to {100 * high:.0f} %)"


def _some(sources: Sequence[Path]) -> list[Path]:
    return [sources[place] for place in np.linspace(0, len(sources) - 1, N_TRIED).round().astype(int)]


def main() -> None:
    options = command_line.parser(__doc__, RESULTS, categories=CATEGORIES).parse_args()
    each = ({"category": category} for category in options.categories)
    jobs.run((options.results, "planted_look"), each, measure, markdown, about=ABOUT)


if __name__ == "__main__":
    main()
