"""python -m studies.wrong_detector [--categories …] [--results DIR]

What a detector says of images of parts that it was not fitted for: the default recipe on the good training images of
each category, then its own test images, those of all other categories, and its own good ones turned negative or tinted.
A warning on its own good images is a false one. No limit was chosen by these figures. Results:
studies/results/wrong_detector.json and .md.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks import command_line

from studies import CATEGORIES, DATA, RESULTS, jobs
from urushi import Detector, Inspection
from urushi.data.dataset import find_dataset
from urushi.data.images import read_image

MOST = 20  # images of another category
REASONS = {"size": "px, they", "light": "is much", "contrast": "contrast", "colour": "grey", "distance": "farther"}
ABOUT = (
    "Recipe `default`, seed 0. Warned: images said to look like none that the detector was fitted on, by each reason; "
    "run: whether the run as a whole is called into question, which takes more than half of its images. Own good and "
    "own defective are all test images; of other categories 20 are taken, evenly spread, good and defective."
)


def measure(category: str) -> Iterator[dict[str, Any]]:
    dataset = find_dataset(DATA / category)
    detector = Detector.fit([sample.path for sample in dataset.normal_training()])
    good = [sample.path for sample in dataset.test() if not sample.label]
    yield told(detector, "own good", good)
    yield told(detector, "own defective", [sample.path for sample in dataset.test() if sample.label])
    yield told(detector, "own good, negative", changed(good, negative))
    yield told(detector, "own good, tinted", changed(good, tinted))
    for other in CATEGORIES:
        if other != category:
            paths = [sample.path for sample in find_dataset(DATA / other).test()]
            chosen = np.linspace(0, len(paths) - 1, MOST).round().astype(int)
            yield told(detector, other, [paths[place] for place in chosen])


def changed(paths: Sequence[Path], change: Callable[[np.ndarray], np.ndarray]) -> list[np.ndarray]:
    return [change(read_image(path)) for path in paths]


def negative(image: np.ndarray) -> np.ndarray:
    return 255 - image


def tinted(image: np.ndarray) -> np.ndarray:
    colours = image if image.ndim == 3 else np.dstack([image] * 3)
    return (colours * np.array([1, 0.8, 0.6])).astype(np.uint8)


def told(detector: Detector, images: str, sources: Sequence[Path] | Sequence[np.ndarray]) -> dict[str, Any]:
    found = [one for one in detector.inspect_many(sources) if isinstance(one, Inspection)]
    texts = [caution.text for one in found for caution in one.cautions if caution.kind == "unlike"]
    return {
        "images": images,
        "n": len(found),
        "n_anomalous": sum(one.decision == "anomalous" for one in found),
        "n_warned": len(texts),
        "by_reason": {reason: sum(words in text for text in texts) for reason, words in REASONS.items()},
        "is_run_warned": 2 * len(texts) > len(found),
    }


def markdown(found: dict[str, Any]) -> str:
    lines = ["# The wrong detector", "", found["about"], ""]
    lines.append(f"| detector | images | n | anomalous | warned | {' | '.join(REASONS)} | run |")
    lines.append("|---" * (6 + len(REASONS)) + "|")
    for row in found["rows"]:
        cells = [row["category"], row["images"], row["n"], row["n_anomalous"], row["n_warned"]]
        cells += [row["by_reason"][reason] or "" for reason in REASONS]
        lines.append(f"| {' | '.join(map(str, [*cells, 'warned' if row['is_run_warned'] else '']))} |")
    return "\n".join(lines)


def main() -> None:
    options = command_line.parser(__doc__, RESULTS, categories=CATEGORIES).parse_args()
    each = ({"category": category} for category in options.categories)
    jobs.run((options.results, "wrong_detector"), each, measure, markdown, about=ABOUT)


if __name__ == "__main__":
    main()
