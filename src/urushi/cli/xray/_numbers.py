"""Numbers of the commands of `urushi xray` as they are typed."""

from collections.abc import Sequence


def voltages_kv(text: str) -> list[float]:
    """`40,50,60` as kV; raises InputError."""
    from urushi.errors import InputError

    try:
        return [float(voltage) for voltage in text.split(",")]
    except ValueError:
        raise InputError(f"--voltages {text!r} came; give kV with commas between, such as 40,50,60") from None


def layers_mm(option: str, texts: Sequence[str]) -> dict[str, float]:
    """What an option gives as `Al=1.0`, materials and millimetres; raises InputError."""
    from urushi.errors import InputError

    try:
        return {name: float(thickness_mm) for name, thickness_mm in (text.split("=") for text in texts)}
    except ValueError:
        raise InputError(f"{option} {' '.join(texts)!r} came; give material=millimetres, such as Al=1.0") from None
