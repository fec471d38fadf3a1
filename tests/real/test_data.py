"""The real images of `URUSHI_DATA` (default: ../shared/data beside the repository), as its README counts them."""

import pytest

from urushi.data.dataset import find_dataset
from urushi.data.diagnosis import diagnose

COUNTS = {  # train good, test good, test anomalous, has masks
    "screw": (200, 45, 60, True),
    "magnetic_tile": (150, 50, 100, True),
    "xray_fishbone": (65, 35, 100, False),
    "xray_weld": (48, 19, 58, True),
    "nanofiber_sem": (70, 56, 68, False),
    "solar_cell": (150, 50, 70, False),
    "screw_head": (150, 45, 45, False),
}


@pytest.mark.thorough
@pytest.mark.parametrize("category", COUNTS)
def test_every_image_of_a_category_can_be_read_and_the_counts_are_those_of_the_readme(category, real_data):
    n_train, n_good, n_anomalous, has_masks = COUNTS[category]
    dataset = find_dataset(real_data / category)
    diagnosis = diagnose(dataset)
    test = dict(diagnosis.counts["test"])
    assert dataset.layout == "mvtec"
    assert diagnosis.counts["train"] == {"good": n_train}
    assert test.pop("good") == n_good
    assert sum(test.values()) == n_anomalous
    assert diagnosis.n_masks == (n_anomalous if has_masks else 0)
    assert diagnosis.unreadable == ()
    assert diagnosis.problems == ()
    assert diagnosis.leaks == ()
