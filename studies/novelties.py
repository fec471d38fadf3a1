"""python -m studies.novelties [--orders 5]

Defects of magnetic_tile as a stream, in random orders: after every 25, similar ones are proposed as new types, and a
user who looks at the pictures names each proposal by what most of its images are. How well the proposals agree with the
true types (adjusted Rand index), and what becomes of each image when it arrives: named rightly, wrongly, or novel.
The way of grouping was chosen on screw and magnetic_tile among about ten, so the index is a little too good.
Results: studies/results/novelties.json and .md.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from benchmarks import command_line, record
from sklearn.metrics import adjusted_rand_score

from studies import DATA, RESULTS
from studies.readable import require_readable
from urushi import Detector, Recipe
from urushi.data.dataset import find_dataset
from urushi.defect_types import Encoder, NoveltyBuffer

LISTED_EVERY = 25


def codes_of(category: str, *, are_all: bool) -> tuple[np.ndarray, list[str], str]:
    """Codes of the test defects, all of them or those that are called anomalous, and their true types."""
    dataset = find_dataset(DATA / category)
    good = [sample.path for sample in dataset.normal_training()]
    encoder = Encoder(Detector.fit(good, Recipe.find("default")))
    samples = [sample for sample in dataset.test() if sample.label]
    inspected = map(require_readable, encoder.detector.inspect_many(sample.path for sample in samples))
    found = zip(samples, inspected, strict=True)
    kept = [(sample, one) for sample, one in found if are_all or one.decision == "anomalous"]
    return encoder.latents([encoder.image(one) for _, one in kept]), [sample.defect for sample, _ in kept], encoder.key


def stream(codes: np.ndarray, types: list[str], key: str, seed: int) -> Iterator[dict[str, Any]]:
    """What is known each time the proposals are listed; they are named after that."""
    buffer, outcomes, picture = NoveltyBuffer(key), Counter[str](), np.zeros((2, 2, 1), np.float32)
    for n, row in enumerate(np.random.default_rng(seed).permutation(len(codes)), start=1):
        named = buffer.type_of(codes[row])
        outcomes["novel" if named is None else "right" if named == types[row] else "wrong"] += 1
        buffer = buffer.add(codes[row], picture, types[row])
        if n % LISTED_EVERY == 0 or n == len(codes):
            yield {"seed": seed, "n": n, "outcomes": dict(outcomes)} | agreement(buffer)
            buffer, outcomes = named_by_a_user(buffer.proposed()), Counter()


def agreement(buffer: NoveltyBuffer) -> dict[str, Any]:
    """Of everything gathered so far, grouped anew as if nothing were named."""
    fresh = NoveltyBuffer(
        buffer.key, buffer.codes, buffer.pictures, buffer.sources, ("",) * len(buffer.names)
    ).proposed()
    grouped = [row for row, proposal in enumerate(fresh.proposals) if proposal]
    pairs = [buffer.sources[row] for row in grouped], [fresh.proposals[row] for row in grouped]
    return {
        "n_proposals": max(fresh.proposals),
        "n_grouped": len(grouped),
        "rand_index": float(adjusted_rand_score(buffer.sources, fresh.proposals)),
        "rand_index_of_grouped": float(adjusted_rand_score(*pairs)) if grouped else None,
        "purity": purity(*pairs) if grouped else None,
    }


def purity(types: list[str], proposals: list[int]) -> float:
    most = [
        Counter(t for t, p in zip(types, proposals, strict=True) if p == one).most_common(1)[0][1]
        for one in set(proposals)
    ]
    return sum(most) / len(types)


def named_by_a_user(buffer: NoveltyBuffer) -> NoveltyBuffer:
    names = {}
    for number in set(buffer.proposals) - {0}:
        own = [source for source, proposal in zip(buffer.sources, buffer.proposals, strict=True) if proposal == number]
        names[number] = Counter(own).most_common(1)[0][0]
    return buffer.named(names)


def markdown(found: dict[str, Any]) -> str:
    lines = ["# Novelty buffer on a stream of defects", "", found["about"]]
    for name in sorted({row["stream"] for row in found["rows"]}):
        lines += [
            "",
            f"## {name}",
            "",
            "| images | proposals | grouped | Rand index, all | of grouped | purity | arrived: right | wrong | novel |",
        ]
        lines.append("|---" * 9 + "|")
        rows = [row for row in found["rows"] if row["stream"] == name]
        for n in sorted({row["n"] for row in rows}):
            lines.append(f"| {n} | " + " | ".join(cells([row for row in rows if row["n"] == n])) + " |")
    return "\n".join(lines)


def cells(rows: list[dict[str, Any]]) -> Iterator[str]:
    for name in ("n_proposals", "n_grouped", "rand_index", "rand_index_of_grouped", "purity"):
        values = [row[name] for row in rows if row[name] is not None]
        yield "{:.3g} ± {:.2g}".format(*record.mean_and_error(values)) if values else "–"
    for outcome in ("right", "wrong", "novel"):
        yield f"{np.mean([row['outcomes'].get(outcome, 0) for row in rows]):.1f}"


def main() -> None:
    parser = command_line.parser(__doc__, RESULTS, orders=5)
    parser.add_argument("--categories", default="magnetic_tile,screw")
    options, environment = parser.parse_args(), record.environment()
    rows = []
    for category in options.categories.split(","):
        for name, are_all in (("all defects", True), ("those called anomalous", False)):
            codes, types, key = codes_of(category, are_all=are_all)
            for seed in range(options.orders):
                rows += [row | {"stream": f"{category}, {name}"} for row in stream(codes, types, key, seed)]
    about = (
        f"Default detector; means ± standard errors over {options.orders} random orders of one fit. The Rand index of "
        "all counts images that belong to no proposal as one group. Outcomes are of the "
        "images that arrived since the last listing."
    )
    settings = command_line.settings(options)
    found = environment | {"about": about, "settings": settings, "rows": rows}
    record.publish(options.results, "novelties", found, markdown)


if __name__ == "__main__":
    main()
