"""What is to be said of a ROC-AUC below one half, which guessing gives."""

from collections.abc import Mapping

MARK = "▼"  # beside one in a table
NOTE = f"{MARK}: a ROC-AUC below 0.5, which guessing gives: what is defective scores lower than what is good."


def below_chance(roc_aucs: Mapping[str, float | None]) -> str | None:
    """A sentence that names those below 0.5, by what they are of, or None; undefined ones are passed over."""
    low = [f"{value:.3f} of {name}" for name, value in roc_aucs.items() if value is not None and value < 0.5]
    if not low:
        return None
    return (
        f"ROC-AUC is below 0.5, which guessing gives: {', '.join(low)}. What is defective scores lower there than what "
        "is good: the method does not see these defects, or the labels are the wrong way round"
    )
