"""python -m studies.threshold_rules [--categories magnetic_tile,xray_fishbone] [--draws 1000] [--seed 0]

What does each threshold rule do on real images, and do the stated rates hold? The default recipe is fitted on
train/good of categories of URUSHI_DATA. A random share of the test defects is kept for the rules that need some; all
rules are measured on the other defects and on test/good, which no rule has seen. Stated rates are then checked on
simulated scores and on random splits of the real held-out scores. Results are studies/results/threshold_rules.json
and .md.
"""

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from benchmarks import command_line, record
from scipy import stats

from studies import DATA, RESULTS
from urushi import Detector
from urushi.calibration import ThresholdRule, compare_rules
from urushi.calibration.conformal import Conformal
from urushi.calibration.mean_deviation import MeanDeviation
from urushi.calibration.pareto import Pareto
from urushi.calibration.part_average import PartAverage
from urushi.calibration.quantile import Quantile
from urushi.data.dataset import find_dataset
from urushi.errors import CalibrationError
from urushi.evaluation import mean_and_standard_error

Row = dict[str, Any]
CATEGORIES = ("magnetic_tile", "xray_fishbone")
RATES = (0.01, 0.05, 0.1, 0.2)
N_SIMULATED = 200  # held-out normals per simulated calibration
LAWS = {
    "Gaussian": stats.norm(),
    "skewed (log-normal, σ = 1)": stats.lognorm(1.0),
    "heavy tail (Student, 3 degrees)": stats.t(3),
    "ties (Poisson, mean 3)": stats.poisson(3),
}
RULES: dict[str, ThresholdRule] = {
    **{f"conformal, α = {rate:g}": Conformal(false_alarm_rate=rate) for rate in RATES},
    "quantile, q = 0.99": Quantile(quantile=0.99),
    "mean_deviation, k = 3": MeanDeviation(k=3),
    "part_average, k = 6": PartAverage(k=6),
    "pareto, α = 0.001": Pareto(false_alarm_rate=0.001),
}


def measure(category: str, kept_share: float, n_draws: int, seed: int) -> Row:
    """One detector: what every rule does, and whether conformal rates hold on its scores of good images."""
    dataset, rng = find_dataset(DATA / category), np.random.default_rng(seed)
    test = dataset.test()
    detector = Detector.fit([sample.path for sample in dataset.normal_training()], seed=seed)
    good, _ = detector.scores_of(sample.path for sample in test if sample.label == 0)
    defects, _ = detector.scores_of(sample.path for sample in test if sample.label == 1)
    shuffled = rng.permutation(defects)
    kept, others = np.split(shuffled, [max(1, round(kept_share * len(defects)))])
    held_out = np.array(detector.held_out.scores)
    outcomes = compare_rules(detector.held_out, kept)
    return {
        "category": category,
        "data_fingerprint": dataset.fingerprint(),
        "n": {"held_out": len(held_out), "good": len(good), "kept_defects": len(kept), "other_defects": len(others)},
        "method": detector.held_out.method,
        "rules": [outcome.to_json() | _on_test(outcome.threshold, good, others) for outcome in outcomes],
        "test_good": [_stated_and_found(rate, held_out, good) for rate in RATES],
        "splits": [_split_coverage(rate, held_out, n_draws, rng) for rate in RATES],
    }


def _on_test(threshold: Any, good: np.ndarray, defects: np.ndarray) -> Row:
    if threshold is None:
        return {"recall": None, "false_alarms": None, "expected_false_alarms": None}
    return {
        "recall": float((defects > threshold.value).mean()),
        "false_alarms": int((good > threshold.value).sum()),
        "expected_false_alarms": threshold.false_alarm_rate * len(good),
    }


def _stated_and_found(rate: float, held_out: np.ndarray, good: np.ndarray) -> Row:
    threshold = _fitted(Conformal(false_alarm_rate=rate), held_out)
    if threshold is None:
        return {"rate": rate, "stated": None, "found": None}
    return {"rate": rate, "stated": threshold.false_alarm_rate, "found": int((good > threshold.value).sum())}


def _split_coverage(rate: float, scores: np.ndarray, n_draws: int, rng: np.random.Generator) -> Row:
    """Half of the real scores calibrate, the other half is new: exchangeable by the draw, whatever their shape."""
    half = len(scores) // 2
    shuffled = rng.permuted(np.tile(scores, (n_draws, 1)), axis=1)
    thresholds = [_fitted(Conformal(false_alarm_rate=rate), draw[:half]) for draw in shuffled]
    fitted = [one for one in thresholds if one is not None]
    if not fitted:
        return {"rate": rate, "n_calibration": half, "stated": None}
    found = [float((draw[half:] > one.value).mean()) for one, draw in zip(fitted, shuffled, strict=True)]
    return {"rate": rate, "n_calibration": half, "stated": fitted[0].false_alarm_rate, **_spread(found)}


def simulate(n_draws: int, seed: int) -> list[Row]:
    """The true false-alarm rate of each rule over calibrations of simulated scores, whose law is known."""
    rows = []
    for law_name, law in LAWS.items():
        draws = law.rvs((n_draws, N_SIMULATED), random_state=np.random.default_rng(seed)).astype(float)
        for rule_name, rule in RULES.items():
            fitted = [one for draw in draws if (one := _fitted(rule, draw)) is not None]
            found = law.sf([one.value for one in fitted]).tolist()
            stated = [one.false_alarm_rate for one in fitted]
            facts = {"law": law_name, "rule": rule_name, "n_refused": n_draws - len(fitted)}
            rows.append(facts | {"kind": fitted[0].rate_kind, "stated": float(np.mean(stated)), **_spread(found)})
    return rows


def _fitted(rule: ThresholdRule, scores: np.ndarray) -> Any:
    try:
        return rule.fit(scores)
    except CalibrationError:
        return None


def _spread(rates: Sequence[float]) -> Row:
    found = mean_and_standard_error(rates)
    return {"mean": found.mean, "standard_error": found.standard_error, "quantile_0.9": float(np.quantile(rates, 0.9))}


def markdown(study: Row) -> str:
    """Tables of the rules and of the coverage, from the record alone."""
    parts = ["# Threshold rules"]
    for row in study["categories"]:
        n = row["n"]
        parts += [
            f"## {row['category']}: every rule with its default options",
            f"{n['held_out']} held-out normals ({row['method']}), {n['kept_defects']} defects for the rules that need "
            f"some; measured on {n['other_defects']} other defects and {n['good']} good test images.",
            _table(_rule_columns(n["held_out"], n["good"]), row["rules"]),
        ]
    parts += ["## Conformal rates on real scores", *(_real(row) for row in study["categories"])]
    parts += ["## Stated and true rates on simulated scores", _table(_SIMULATED, study["simulated"]), _notes(study)]
    return "\n\n".join(parts) + "\n"


def _rule_columns(n_held_out: int, n_good: int) -> dict[str, Callable[[Row], str]]:
    def of(key: str, text: Callable[[Row], str]) -> Callable[[Row], str]:
        return lambda row: "—" if row[key] is None else text(row)

    return {
        "rule": lambda row: row["rule"],
        "threshold": of("threshold", lambda row: f"{row['threshold']['value']:.4g}"),
        "stated rate": of("threshold", lambda row: _stated(row["threshold"])),
        "held-out above": of("threshold", lambda row: f"{row['n_normals_above']}/{n_held_out}"),
        "TPR": of("recall", lambda row: f"{row['recall']:.3f}"),
        "FPR": of("false_alarms", lambda row: f"{row['false_alarms'] / n_good:.3f}"),
        "false alarms expected": of("expected_false_alarms", lambda row: f"{row['expected_false_alarms']:.1f}"),
        "observed": of("false_alarms", lambda row: str(row["false_alarms"])),
        "cannot be used": lambda row: row["reason"] or "",
    }


def _stated(threshold: Row) -> str:
    return f"{threshold['false_alarm_rate']:.4f} {threshold['rate_kind']}"


def _real(row: Row) -> str:
    n = row["n"]["good"]
    columns: dict[str, Callable[[Row], str]] = {
        f"{row['category']}: α": lambda one: f"{one['rate']:g}",
        "stated, all held-out normals": lambda one: _number(one["stated"]),
        "false alarms on test/good": lambda one: "—" if one["found"] is None else f"{one['found']}/{n}",
        "stated, half of them": lambda one: _number(one["split"]["stated"]),
        "found on the other half, mean": lambda one: _mean(one["split"]),
        "90 % of the splits below": lambda one: _number(one["split"].get("quantile_0.9")),
    }
    return _table(columns, [one | {"split": s} for one, s in zip(row["test_good"], row["splits"], strict=True)])


_SIMULATED: dict[str, Callable[[Row], str]] = {
    "scores": lambda row: row["law"],
    "rule": lambda row: row["rule"],
    "kind": lambda row: row["kind"],
    "stated, mean": lambda row: _number(row["stated"]),
    "true, mean": lambda row: _mean(row),
    "90 % of the draws below": lambda row: _number(row["quantile_0.9"]),
    "refused": lambda row: str(row["n_refused"]),
}


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:.4f}"


def _mean(row: Row) -> str:
    return "—" if row.get("mean") is None else f"{row['mean']:.4f} ± {row['standard_error'] or 0:.4f}"


def _table(columns: dict[str, Callable[[Row], str]], rows: Sequence[Row]) -> str:
    lines = [[*columns], ["---"] * len(columns), *([cell(row) for cell in columns.values()] for row in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _notes(study: Row) -> str:
    settings, environment = study["settings"], study["environment"]
    dirty = " with uncommitted changes" if environment["is_dirty"] else ""
    return "\n".join(
        [
            "- *expected*: stated rate × good test images; for a rule that only observes, what its held-out normals "
            "would make one expect.",
            f"- Simulated: {settings['n_draws']} calibrations of {N_SIMULATED} normals each; the true rate is that of "
            "the law beyond the threshold. Splits: as many random halves of the real held-out scores. ±: standard "
            "error.",
            "- A rate holds on average over calibrations; a single one may lie above it, as the column of 90 % shows.",
            f"- command: `{environment['command']}`",
            f"- data: {', '.join(row['category'] + ' ' + row['data_fingerprint'] for row in study['categories'])}",
            f"- seed: {settings['seed']}; share of the defects kept for rules: {settings['kept_share']:g}",
            f"- commit: {environment['commit']}{dirty}",
            f"- versions: {', '.join(f'{name} {version}' for name, version in environment['versions'].items())}",
            f"- machine: {environment['cpu']}, {environment['n_cores']} cores",
            f"- date: {environment['date'][:10]}",
        ]
    )


def main() -> None:
    options = _options()
    environment = record.environment()
    chosen = (options.kept_share, options.draws, options.seed)
    study = {
        "settings": {"kept_share": options.kept_share, "n_draws": options.draws, "seed": options.seed},
        "environment": environment,
        "categories": [measure(category, *chosen) for category in options.categories],
        "simulated": simulate(options.draws, options.seed),
    }
    record.publish(options.results, "threshold_rules", study, markdown)


def _options() -> argparse.Namespace:
    parser = command_line.parser(__doc__, RESULTS, categories=CATEGORIES, seed=0)
    parser.add_argument("--kept-share", type=float, default=0.3, help="of the test defects, for rules that need some")
    parser.add_argument("--draws", type=int, default=1000, help="simulated calibrations, and random splits")
    return parser.parse_args()


if __name__ == "__main__":
    main()
