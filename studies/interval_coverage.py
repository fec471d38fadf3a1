"""python -m studies.interval_coverage [--runs 1000] [--seed 0] [--results DIR]

How often a 95 % interval has the true value, by simulation. Scores of normal and anomalous images come from laws whose
true figures are known from half a million images; each run draws a test set and asks for its intervals. Beside them:
the percentile bootstrap over images, which fails near 1. Decisions come from a true recall and specificity. Pixel
figures are stood for by means over defective images, of which some fail or all vary. Nothing but NumPy is needed.
Results: studies/results/interval_coverage.json and .md.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from benchmarks import command_line

from studies import RESULTS, jobs
from urushi.evaluation.confusion import RATIOS, Counts, confusion, decision_figures
from urushi.evaluation.image_metrics import PARTIAL_FPR, _statistics
from urushi.evaluation.intervals import roc_auc_interval
from urushi.evaluation.resampling import bootstrap

Array = np.ndarray
Ends = tuple[float | None, float | None]  # of an interval; None where there is none
SIZES = ((15, 15), (100, 100))
TRUE_AUCS = (0.7, 0.9, 0.97, 0.99, 0.999)
DECISIONS = ((0.7, 0.7), (0.9, 0.9), (0.97, 0.97), (0.999, 0.999), (0.7, 0.99), (0.99, 0.9), (0.5, 0.999))
MEANS = (0.7, 0.9, 0.97, 0.99)
N_TRUTH, N_RESAMPLES = 500_000, 150
PARTIAL = f"partial_roc_auc_{PARTIAL_FPR:g}"
DRAWN = ("average_precision", PARTIAL)
AT_THRESHOLD = ("f1", "macro_f1", "g_mean", "mcc", "macro_precision", "macro_recall")
ABOUT = " ".join((__doc__ or "").split("\n\n")[1].rpartition("Results:")[0].split())


def exponential(shift: float, n: int, rng: np.random.Generator) -> Array:
    return np.log(rng.exponential(np.exp(shift), n))


def partly_invisible(shift: float, n: int, rng: np.random.Generator) -> Array:
    is_seen = rng.random(n) >= min(1.0, 2 / (1 + np.exp(shift)))
    return rng.normal(size=n) + 50 * is_seen


Law = Callable[[float, int, np.random.Generator], Array]
LAWS: dict[str, tuple[Law, Law]] = {  # of normal images, and of anomalous ones that lie `shift` higher
    "Gaussian": (lambda _, n, rng: rng.normal(size=n), lambda shift, n, rng: rng.normal(shift, size=n)),
    "anomalous ones wide": (lambda _, n, rng: rng.normal(size=n), lambda shift, n, rng: rng.normal(shift, 3, n)),
    "anomalous ones narrow": (lambda _, n, rng: rng.normal(size=n), lambda shift, n, rng: rng.normal(shift, 1 / 3, n)),
    "exponential": (lambda _, n, rng: exponential(0, n, rng), exponential),
    "ties": (
        lambda _, n, rng: np.round(2 * rng.normal(size=n)),
        lambda shift, n, rng: np.round(2 * rng.normal(shift, size=n)),
    ),
    "some defects look normal": (lambda _, n, rng: rng.normal(size=n), partly_invisible),
}
QUALITIES: dict[str, Callable[[float, int, np.random.Generator], Array]] = {  # of one defective image, with a mean
    "varies widely": lambda mean, n, rng: rng.beta(2 * mean, 2 * (1 - mean), n),
    "varies little": lambda mean, n, rng: rng.beta(10 * mean, 10 * (1 - mean), n),
    "one in ten is three times as bad": lambda mean, n, rng: 1 - (1 - mean) * np.where(rng.random(n) < 0.1, 3.0, 7 / 9),
}


def scores(law: str, shift: float, sizes: tuple[int, int], rng: np.random.Generator) -> tuple[Array, Array]:
    parts = [draw(shift, n, rng) for draw, n in zip(LAWS[law], sizes, strict=True)]
    return np.concatenate(parts), np.repeat([False, True], sizes)


def truth(law: str, shift: float, sizes: tuple[int, int], n: int, seed: int) -> dict[str, float]:
    """Figures of n images in the proportion of the sizes."""
    many = (n * sizes[0] // sum(sizes), n * sizes[1] // sum(sizes))
    values, is_anomalous = scores(law, shift, many, np.random.default_rng(seed + 1))
    found = _statistics(values, is_anomalous)(np.ones((1, len(values))))
    return {name: float(value[0]) for name, value in found.items()}


def shift_for(law: str, auc: float, seed: int) -> float:
    low, high = 0.0, 30.0
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (middle, high) if truth(law, middle, (1, 1), 50_000, seed)["roc_auc"] < auc else (low, middle)
    return middle


def measure_scores(law: str, sizes: tuple[int, int], n_runs: int, seed: int) -> Iterator[dict[str, Any]]:
    for auc in TRUE_AUCS:
        shift = shift_for(law, auc, seed)
        true, rng = truth(law, shift, sizes, N_TRUTH, seed), np.random.default_rng(seed)
        tests = (scores(law, shift, sizes, rng) for _ in range(n_runs))
        runs = [intervals(*test, seed=run) for run, test in enumerate(tests)]
        yield {"true": {name: true[name] for name in ("roc_auc", *DRAWN)}, **summed(runs, true)}


def intervals(values: Array, is_anomalous: Array, *, seed: int) -> dict[str, Ends]:
    """The intervals of one test set by the names of the figures; "of resamples" are percentiles."""
    statistics = _statistics(values, is_anomalous)
    draws: list[Mapping[str, Array]] = []

    def kept(weights: Array) -> Mapping[str, Array]:
        draws.append(statistics(weights))
        return draws[-1]

    undefined = dict.fromkeys(statistics(np.ones((1, len(values)))), "")
    found = bootstrap(kept, is_anomalous, seed=seed, n_resamples=N_RESAMPLES, undefined=undefined)
    ends: dict[str, Ends] = {name: (found[name].low, found[name].high) for name in DRAWN}
    ends["roc_auc"] = roc_auc_interval(values[~is_anomalous], values[is_anomalous])
    for name in ("roc_auc", "average_precision"):
        drawn = np.concatenate([draw[name] for draw in draws[1:]])
        ends[f"{name} of resamples"] = percentiles(drawn)
    return ends


def percentiles(drawn: Array) -> Ends:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def summed(runs: list[dict[str, Ends]], true: dict[str, float]) -> dict[str, Any]:
    """Of each figure the share of runs whose interval has the true value, and the mean width."""
    found: dict[str, Any] = {"coverage": {}, "width": {}}
    for name in runs[0]:
        low, high = np.array([run[name] for run in runs], dtype=float).T
        value = true[name.removesuffix(" of resamples")]
        found["coverage"][name] = float(((low <= value + 1e-12) & (value <= high + 1e-12)).mean())
        found["width"][name] = float((high - low).mean())
    return found


def measure_decisions(sizes: tuple[int, int], n_runs: int, seed: int) -> Iterator[dict[str, Any]]:
    for recall, specificity in DECISIONS:
        true, rng = expected(recall, specificity, sizes), np.random.default_rng(seed)
        runs = [decided(recall, specificity, sizes, rng, run) for run in range(n_runs)]
        yield {"recall": recall, "specificity": specificity, "true": true, **summed(runs, true)}


def expected(recall: float, specificity: float, sizes: tuple[int, int]) -> dict[str, float]:
    tp, tn = np.array([recall * sizes[1]]), np.array([specificity * sizes[0]])
    counts = Counts(tp=tp, fp=sizes[0] - tn, tn=tn, fn=sizes[1] - tp)
    return {name: float(RATIOS[name](counts)[0]) for name in AT_THRESHOLD}


def decided(
    recall: float, specificity: float, sizes: tuple[int, int], rng: np.random.Generator, run: int
) -> dict[str, Ends]:
    """The intervals of one test set; where a figure is undefined, nothing is claimed, so all of its range is."""
    right = rng.random(sum(sizes)) < np.repeat([specificity, recall], sizes)
    labels = np.repeat([0, 1], sizes)
    found = decision_figures(confusion(labels, np.where(right, labels, 1 - labels)), seed=run, n_resamples=N_RESAMPLES)
    figures = {name: found[name] for name in AT_THRESHOLD}
    return {name: (-1.0, 1.0) if one.value is None else (one.low, one.high) for name, one in figures.items()}


def measure_means(quality: str, n_images: int, n_runs: int, seed: int) -> Iterator[dict[str, Any]]:
    for mean in MEANS:
        rng = np.random.default_rng(seed)
        true = {"mean": float(QUALITIES[quality](mean, N_TRUTH, rng).mean())}
        runs = [means(QUALITIES[quality](mean, n_images, rng), seed=run) for run in range(n_runs)]
        yield {"true": true, **summed(runs, true)}


def means(found: Array, *, seed: int) -> dict[str, Ends]:
    draws: list[Array] = []

    def kept(weights: Array) -> dict[str, Array]:
        draws.append(weights @ found / len(found))
        return {"mean": draws[-1]}

    figure = bootstrap(kept, np.zeros(len(found)), seed=seed, n_resamples=N_RESAMPLES, undefined={"mean": ""})["mean"]
    return {"mean": (figure.low, figure.high), "mean of resamples": percentiles(np.concatenate(draws[1:]))}


def measure(kind: str, law: str, n: list[int], *, n_runs: int, seed: int) -> Iterator[dict[str, Any]]:
    if kind == "scores":
        yield from measure_scores(law, (n[0], n[1]), n_runs, seed)
    elif kind == "decisions":
        yield from measure_decisions((n[0], n[1]), n_runs, seed)
    else:
        yield from measure_means(law, n[0], n_runs, seed)


def markdown(found: dict[str, Any]) -> str:
    rows = found["rows"]
    lines = ["# How often intervals have the true value", "", found["about"], ""]
    lines += [f"{found['runs']} runs per cell, seed {found['seed']}; wanted: 95 %, at least 93 %.", "", *summary(rows)]
    for kind, title in (("scores", "Scores"), ("decisions", "At a threshold"), ("means", "Means over images")):
        own = [row for row in rows if row["kind"] == kind]
        names = list(dict.fromkeys(name for row in own for name in row["coverage"]))
        lines += ["", f"## {title}", "", f"| images | | true | {' | '.join(names)} |", "|---" * (3 + len(names)) + "|"]
        lines += [f"| {head(row)} | {' | '.join(cell(row, name) for name in names)} |" for row in own]
    return "\n".join([*lines, "", "In each cell: the share of runs whose interval has the true value; its mean width."])


def summary(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield "| figure | lowest share | highest | mean width |"
    yield "|---" * 4 + "|"
    for name in dict.fromkeys(name for row in rows for name in row["coverage"]):
        shares = [row["coverage"][name] for row in rows if name in row["coverage"]]
        widths = [row["width"][name] for row in rows if name in row["width"]]
        yield f"| {name} | {min(shares):.3f} | {max(shares):.3f} | {np.mean(widths):.3f} |"


def head(row: dict[str, Any]) -> str:
    n, true = " + ".join(map(str, row["n"])), ", ".join(f"{value:.3f}" for value in row["true"].values())
    what = row["law"] or f"recall {row['recall']}, specificity {row['specificity']}"
    return f"{n} | {what} | {true}"


def cell(row: dict[str, Any], name: str) -> str:
    return f"{row['coverage'][name]:.3f}; {row['width'][name]:.3f}"


def main() -> None:
    parser = command_line.parser(__doc__, RESULTS)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    cells = [{"kind": "means", "law": quality, "n": [n]} for n in (5, 15, 50, 100) for quality in QUALITIES]
    cells += [{"kind": "decisions", "law": "", "n": list(n)} for n in SIZES]
    cells += [{"kind": "scores", "law": law, "n": list(n)} for n in SIZES for law in LAWS]

    def run(kind: str, law: str, n: list[int]) -> Iterator[dict[str, Any]]:
        yield from measure(kind, law, n, n_runs=options.runs, seed=options.seed)

    settings = {"runs": options.runs, "seed": options.seed}
    jobs.run((options.results, "interval_coverage"), cells, run, markdown, about=ABOUT, settings=settings)


if __name__ == "__main__":
    main()
