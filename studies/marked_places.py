"""python -m studies.marked_places [--categories screw,…] [--results DIR]

Does every image that is called anomalous show a place, and no normal one a box? The default recipe on the test images
of each category of URUSHI_DATA; counted is what a report, the overlays and the JSON show. Results:
studies/results/marked_places.json and .md.
"""

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks import record

from studies import CATEGORIES, DATA, RESULTS
from urushi import Detector, Inspection
from urushi.data.dataset import find_dataset

COLUMNS = ("category", "anomalous", "of them without a place", "normal", "of them with a box", "decided as a whole")


def measure(category: str) -> dict[str, Any]:
    """Counts over the images of a test split that could be read."""
    dataset = find_dataset(DATA / category)
    detector = Detector.fit([sample.path for sample in dataset.normal_training()])
    n: Counter[str] = Counter()
    for found in detector.inspect_many(sample.path for sample in dataset.test()):
        if isinstance(found, Inspection):
            shown = found.to_json()["regions"]
            n[found.decision] += 1
            n["without a place"] += found.decision == "anomalous" and not shown
            n["with a box"] += found.decision == "normal" and bool(shown)
            n["as a whole"] += found.decided_by == "whole"
    return {"category": category, "fingerprint": dataset.fingerprint(), **n}


def markdown(study: dict[str, Any]) -> str:
    """One line for each category, and their sum."""
    keys = ("anomalous", "without a place", "normal", "with a box", "as a whole")
    rows = [[row["category"], *(str(row.get(key, 0)) for key in keys)] for row in study["rows"]]
    rows.append(["**all**", *(str(sum(row.get(key, 0) for row in study["rows"])) for key in keys)])
    lines = [list(COLUMNS), ["---"] * len(COLUMNS), *rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    about = (
        "The default recipe, seed 0, on the test images of each category. *Decided as a whole*: anomalous ones of "
        "which a report says that the image, or windows of it, decided, and not the place that is boxed."
    )
    made = study["environment"]
    return f"# Marked places\n\n{about}\n\n{table}\n\n- commit: {made['commit']}\n- date: {made['date'][:10]}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1] if __doc__ else None)
    parser.add_argument("--categories", default=",".join(CATEGORIES))
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    rows = [measure(category) for category in options.categories.split(",")]
    found = {"environment": record.environment(), "rows": rows}
    record.publish(options.results, "marked_places", found, markdown)


if __name__ == "__main__":
    main()
