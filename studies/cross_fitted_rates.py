"""python -m studies.cross_fitted_rates [--runs 400] [--repeats 20] [--seed 0] [--results DIR]

How often new good images are called anomalous at a stated rate of 5 %, when each held-out score comes from the fit of a
fold. Fits of trained methods differ in scale and place: simulated as factors and offsets (by the standard deviation of
their logarithm, or of themselves), and real, with small autoencoders (scikit-learn's) on scikit-learn's digits. Scores
as they are, and moved to the scale of the last fit by its training images, as a detector is fitted.
Results: studies/results/cross_fitted_rates.json and .md.
"""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from benchmarks import command_line
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from studies import RESULTS, jobs
from urushi.calibration.conformal import Conformal
from urushi.data.splits import folds
from urushi.fitting._common_scale import on_scale
from urushi.fitting._held_out import Scored

Array = np.ndarray
RATE, N_NEW = 0.05, 1000
SIZES, SPREADS = ((40, 5), (100, 5), (200, 5), (100, 20)), ((0, 0), (0.3, 0), (0.3, 0.3))
SIMULATED = [(*size, *spread) for size in SIZES for spread in SPREADS]
REAL = [(100, 5, epochs) for epochs in (5, 30, 100)]
ABOUT = " ".join((__doc__ or "").split("\n\n")[1].rpartition("Results:")[0].split())
Fit = Callable[[Array], Callable[[Array], Array]]  # of some images, by their places -> scores of any images


def rates(n: int, n_folds: int, fit: Fit, seed: int) -> dict[str, float]:
    """The share of new images above the threshold, by what is done with the scores; images are 0 … n − 1, then new."""
    everything, last = np.arange(n), fit(np.arange(n))
    own, plain, moved, first = rows(last(everything)), [], [], None
    for part in folds(n, n_folds, seed=seed):
        others = np.setdiff1d(everything, part)
        scores = fit(others)
        found, trained = rows(scores(part)), rows(scores(others))
        first = first or trained
        plain += found
        moved += on_scale(found, trained, first)
    kinds = {"as they are": plain, "on one scale": on_scale(moved, first or own, own)}
    new, rule = last(np.arange(n, n + N_NEW)), Conformal(false_alarm_rate=RATE)
    return {kind: float((new > rule.fit([row.score for row in own]).value).mean()) for kind, own in kinds.items()}


def rows(scores: Array) -> list[Scored]:
    return [Scored(float(score), 0.0, 0.0, ()) for score in scores]


def simulated(n: int, factor: float, offset: float, rng: np.random.Generator) -> Fit:
    """Images have a score of their own; each fit adds noise, and rebuilds what it has seen a little better."""
    base = rng.gamma(8, 1 / 8, n + N_NEW)

    def fit(seen: Array) -> Callable[[Array], Array]:
        by, plus = np.exp(factor * rng.normal()), offset * rng.normal()

        def scores(images: Array) -> Array:
            better = np.where(np.isin(images, seen), 0.8, 1.0)
            return by * base[images] * better * np.exp(0.1 * rng.normal(size=len(images))) + plus

        return scores

    return fit


def autoencoder(n: int, epochs: int, rng: np.random.Generator) -> Fit:
    digits = load_digits().data / 16
    chosen = digits[rng.permutation(len(digits))[: n + N_NEW]]

    def fit(seen: Array) -> Callable[[Array], Array]:
        seed = int(rng.integers(2**31))
        network = MLPRegressor(hidden_layer_sizes=(16,), max_iter=epochs, learning_rate_init=0.01, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # few epochs are what is asked for
            network.fit(chosen[seen], chosen[seen])
        return lambda images: np.square(network.predict(chosen[images]) - chosen[images]).mean(axis=1)

    return fit


def markdown(found: dict[str, Any]) -> str:
    lines = ["# Stated and true rates of cross-fitted detectors", "", found["about"], ""]
    lines += ["| fits | images | folds | scores | mean rate | more than 10 % in | runs |", "|---" * 7 + "|"]
    for row in found["rows"]:
        for kind, one in row["rates"].items():
            what = f"{row['what']} | {row['n']} | {row['n_folds']} | {kind}"
            lines.append(f"| {what} | {one['mean']:.3f} | {one['above_double']:.0%} | {row['n_runs']} |")
    return "\n".join(lines)


def main() -> None:
    parser = command_line.parser(__doc__, RESULTS, runs=400, repeats=20, seed=0)
    options = parser.parse_args()
    cells = [
        {"what": f"simulated, factor {factor}, offset {offset}", "n": n, "n_folds": k, "how": [factor, offset]}
        for n, k, factor, offset in SIMULATED
    ]
    cells += [
        {"what": f"autoencoders of {epochs} epochs on digits", "n": n, "n_folds": k, "how": [epochs]}
        for n, k, epochs in REAL
    ]

    def measure(what: str, n: int, n_folds: int, how: list[float]) -> Iterator[dict[str, Any]]:  # noqa: ARG001
        rng, is_real = np.random.default_rng(options.seed), len(how) == 1
        found = []
        for run in range(options.repeats if is_real else options.runs):
            fit = autoencoder(n, int(how[0]), rng) if is_real else simulated(n, how[0], how[1], rng)
            found.append(rates(n, n_folds, fit, run))
        by_kind = {kind: np.array([one[kind] for one in found]) for kind in found[0]}
        means = {kind: {"mean": float(own.mean())} for kind, own in by_kind.items()}
        above = {kind: {"above_double": float((own > 2 * RATE).mean())} for kind, own in by_kind.items()}
        yield {"n_runs": len(found), "rates": {kind: means[kind] | above[kind] for kind in means}}

    jobs.run(
        (options.results, "cross_fitted_rates"), cells, measure, markdown, about=ABOUT, settings={"seed": options.seed}
    )


if __name__ == "__main__":
    main()
