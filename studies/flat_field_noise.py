"""python -m studies.flat_field_noise [--seeds 0,1,2,3,4]

Is the noise of simulated flat fields that of photons of many energies? Open beam and a plate of the product are exposed
by each product's scanner at four voltages. The deviation of the difference of two exposures, over √2, is compared with
the compound Poisson formula √(N Σ S(E)·E²·T(E)) / (N Σ S(E)·E), which is computed here from attenuation and spectrum
alone, and with photons that are drawn energy by energy. Electronic noise is measured without beam and taken off; drift
from line to line is turned off. All is simulated. Results are studies/results/flat_field_noise.json and .md.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from benchmarks import command_line, record

from studies import RESULTS
from urushi.evaluation import mean_and_standard_error
from urushi.xray.attenuation import linear_attenuation
from urushi.xray.materials import material
from urushi.xray.phantoms.radiograph import find_product
from urushi.xray.phantoms.scanner import Scanner

PLATES_CM = {"potato": ("potato", 6.0), "chocolate": ("milk_chocolate", 0.8)}
VOLTAGES_KV = (40.0, 60.0, 80.0, 100.0)
N_ROWS, N_DRAWN = 400, 40_000


@dataclass(frozen=True)
class Field:
    """A scanner at a voltage, and the plate in its beam, which may be of no thickness."""

    scanner: Scanner
    plate: str
    plate_cm: float

    def measured(self, seed: int) -> float:
        """Deviation of a pixel by photons, as a share of the open beam's mean."""
        detector, beam, rng = self.scanner.detector, self.scanner.beam(), np.random.default_rng(seed)
        pattern = detector.pattern(rng)
        signal = beam.signal([(material(self.plate), self.plate_cm)])
        variances = []
        for share in (1.0, 0.0):
            flat = np.broadcast_to(share * signal[:, None, None], (2, N_ROWS, detector.n_columns))
            one, other = (detector.expose(flat, beam.n_photons, pattern, rng) for _ in range(2))
            levels = (one - other) / pattern.gain / (detector.open_level - detector.dark_level)
            variances.append(levels[:, ~pattern.is_dead].var() / 2)
        return float(np.sqrt(variances[0] - variances[1]))

    def formula(self) -> float:
        """The same by the formula."""
        energies, open_beam, behind = self._photons()
        return float(np.sqrt(energies**2 @ behind) / (energies @ open_beam))

    def drawn(self, seed: int) -> float:
        """The same of sums of photons that are drawn energy by energy."""
        energies, open_beam, behind = self._photons()
        sums = np.random.default_rng([seed, 1]).poisson(behind, (N_DRAWN, behind.size)) @ energies
        return float(sums.std() / (energies @ open_beam))

    def _photons(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        beam = self.scanner.beam()
        energies, photons = beam.spectrum.energies_kev, beam.n_photons * beam.spectrum.photons
        return energies, photons, photons * np.exp(-linear_attenuation(material(self.plate), energies) * self.plate_cm)


def fields() -> Iterator[tuple[dict[str, Any], Field]]:
    """Each field with what names it."""
    for product, (plate, plate_cm) in PLATES_CM.items():
        usual = find_product(product).scanner
        steady = replace(usual, detector=replace(usual.detector, drift=0.0, open_level=0.6))  # nothing overexposed
        for voltage_kv in VOLTAGES_KV:
            for cm in (0.0, plate_cm):
                name = {"scanner": product, "voltage_kv": voltage_kv, "plate": f"{10 * cm:g} mm" if cm else "none"}
                yield name, Field(replace(steady, voltage_kv=voltage_kv), plate, cm)


def measure(name: dict[str, Any], field: Field, seeds: Sequence[int]) -> dict[str, Any]:
    """A row of the table."""
    formula = field.formula()
    return {
        **name,
        "current_ma": field.scanner.exposure.current_at(field.scanner.voltage_kv),
        "n_photons": field.scanner.beam().n_photons,
        "formula": formula,
        "measured_over_formula": [field.measured(seed) / formula for seed in seeds],
        "drawn_over_formula": [field.drawn(seed) / formula for seed in seeds],
    }


def markdown(study: dict[str, Any]) -> str:
    """A table with a line per field, from the record alone."""
    environment, rows = study["environment"], study["rows"]
    worst = max(abs(ratio - 1) for row in rows for ratio in row["measured_over_formula"])
    heads = ("scanner", "kV", "mA", "plate", "photons", "formula", "simulated / formula", "by energy / formula")
    dirty = " with uncommitted changes" if environment["is_dirty"] else ""
    return "\n".join(
        [
            "# Noise of simulated flat fields\n",
            *("| " + " | ".join(cells) + " |" for cells in (heads, ["---"] * len(heads), *map(_cells, rows))),
            f"\n- The furthest of all single measurements is {100 * worst:.2f} % off the formula.",
            "- Photons: of the open beam, detected by a pixel. Formula: deviation as a share of the open beam's "
            "mean. Ratios: mean ± standard error over seeds. Everything is SIMULATED.",
            "- By energy: photons of each energy are drawn on their own, and their energies summed.",
            "- Electronic noise is taken off, drift from line to line turned off, the gain lowered so that nothing is "
            "overexposed.\n",
            f"- command: `{environment['command']}`",
            f"- seeds: {', '.join(map(str, study['settings']['seeds']))}",
            f"- commit: {environment['commit']}{dirty}",
            f"- versions: {', '.join(f'{name} {version}' for name, version in environment['versions'].items())}",
            f"- machine: {environment['cpu']}, {environment['n_cores']} cores",
            f"- date: {environment['date'][:10]}",
        ]
    )


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["scanner"],
        f"{row['voltage_kv']:g}",
        f"{row['current_ma']:.3g}",
        row["plate"],
        f"{row['n_photons']:.0f}",
        f"{100 * row['formula']:.3f} %",
        _ratio(row["measured_over_formula"]),
        _ratio(row["drawn_over_formula"]),
    )


def _ratio(ratios: Sequence[float]) -> str:
    found = mean_and_standard_error(ratios)
    return f"{found.mean:.4f}" + ("" if found.standard_error is None else f" ± {found.standard_error:.4f}")


def main() -> None:
    options = _options()
    environment = record.environment()
    rows = [measure(name, field, options.seeds) for name, field in fields()]
    study = {"settings": {"seeds": list(options.seeds)}, "environment": environment, "rows": rows}
    record.publish(options.results, "flat_field_noise", study, markdown)


def _options() -> argparse.Namespace:
    return command_line.parser(__doc__, RESULTS, seeds=(0, 1, 2, 3, 4)).parse_args()


if __name__ == "__main__":
    main()
