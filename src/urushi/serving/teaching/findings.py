"""What is in a folder of good images, and odd about them, before anything is learnt: as `urushi doctor` says it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from urushi.data.dataset import find_dataset
from urushi.data.diagnosis import diagnose
from urushi.evaluation.luminance import dataset_luminances
from urushi.evaluation.statable_rates import statable_rates

_OF_DIAGNOSIS = ("sizes", "dtypes", "colours", "warnings")


def found_in(folder: Path, names: Mapping[str, str]) -> dict[str, Any]:
    """Plain values; images are called by their names as they came, which are given by those in the folder."""
    if not names:
        return {"n_images": 0, "warnings": ["there is no image to learn from"], "problems": [], "near_duplicates": []}
    dataset = find_dataset(folder, layout="flat")
    found = diagnose(dataset)
    plain, luminances = found.to_json(), dataset_luminances(found.luminances)
    groups = [*plain["duplicates"], *plain["near_duplicates"]]
    return {
        "n_images": len(dataset.samples),
        **{key: plain[key] for key in _OF_DIAGNOSIS},
        "problems": [one | {"path": names.get(one["path"], one["path"])} for one in plain["problems"]],
        "near_duplicates": [[names.get(name, name) for name in group] for group in groups],
        "luminance": luminances.groups[0].to_json() if luminances.groups else None,
        "false_alarm_rates": statable_rates(dataset, found),
    }
