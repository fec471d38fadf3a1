"""What `urushi xray contrast` prints of a plan: a table and one sentence, or JSON."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from urushi.cli import _console

if TYPE_CHECKING:
    from urushi.xray.contrast import Plan, VoltageRow

_COLUMNS = ("kV", "mean keV", "photons", "through", "contrast", "CNR", "smallest mm")


def show(found: "Plan", *, as_json: bool) -> None:
    """Print it."""
    if as_json:
        print(json.dumps(_as_json(found), indent=1, allow_nan=False))
        return
    has_current = found.exposure is not None
    columns = ("kV", "mA", *_COLUMNS[1:]) if has_current else _COLUMNS
    _console.table(columns, [_cells(row, has_current=has_current) for row in found.rows], title=_title(found))
    print(_advice(found))


def _cells(row: "VoltageRow", *, has_current: bool) -> tuple[str, ...]:
    current = (f"{row.current_ma:.3g}",) if has_current else ()
    return (
        f"{row.voltage_kv:g}",
        *current,
        f"{row.mean_kev:.1f}",
        f"{row.n_photons_per_pixel:.0f}",
        f"{100 * row.transmission_product:.3g} %",
        f"{100 * row.contrast:.3g} %",
        f"{row.cnr:.1f}",
        "-" if row.smallest_mm is None else f"{row.smallest_mm:.2g}",
    )


def _as_json(found: "Plan") -> dict[str, Any]:
    return {"format": 2, **asdict(found), "best_kv": found.best.voltage_kv, "reason": _reason(found)}


def _title(found: "Plan") -> str:
    scene = f"{found.size_mm:g} mm {found.object.name} in {found.thickness_mm:g} mm {found.product.name}"
    exposure = found.exposure
    if exposure is None:
        return f"{scene}, same {found.fixed} at every voltage"
    limits = [f"{v:g} {u}" for v, u in ((exposure.current_ma, "mA"), (exposure.max_power_w, "W")) if v is not None]
    return f"{scene}, {exposure.time_ms:g} ms at {exposure.distance_mm:g} mm, at most {' and '.join(limits)}"


def _advice(found: "Plan") -> str:
    """One sentence: which voltage, why, and what it cannot show."""
    from urushi.xray.contrast import ROSE_CNR

    best = found.best
    if best.cnr < ROSE_CNR:
        least = "no size can" if best.smallest_mm is None else f"{best.smallest_mm:.2g} mm could"
        return (
            f"None of these voltages shows it: the best, {best.voltage_kv:g} kV, reaches a CNR of {best.cnr:.1f}, "
            f"below {ROSE_CNR:g} (Rose criterion); there, {least}. More photons or less product would help."
        )
    ends = {found.rows[0].voltage_kv: "lowest", found.rows[-1].voltage_kv: "highest"}
    beyond = (
        f" {best.voltage_kv:g} kV is the {ends[best.voltage_kv]} you gave: try beyond."
        if best.voltage_kv in ends
        else ""
    )
    return f"Use {best.voltage_kv:g} kV: {_reason(found)}.{beyond}"


def _reason(found: "Plan") -> str:
    """Why the best voltage is the best."""
    best, strongest = found.best, found.strongest
    why = f"the object stands out most from the photon noise there (CNR {best.cnr:.1f})"
    if strongest.voltage_kv != best.voltage_kv:
        why += f"; {strongest.voltage_kv:g} kV has more contrast, but {_fewer(strongest, best)}"
    return why


def _fewer(strongest: "VoltageRow", best: "VoltageRow") -> str:
    n_strongest, n_best = (row.n_photons_per_pixel * row.transmission_product for row in (strongest, best))
    return "fewer photons get through" if n_strongest < n_best else "its photons are noisier"
