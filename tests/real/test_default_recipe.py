"""The default recipe on real radiographs, through the command line's own pieces."""

import numpy as np
import pytest

from urushi import Detector, Inspection, Recipe
from urushi.data.dataset import find_dataset
from urushi.data.masks import read_mask
from urushi.evaluation import evaluate


@pytest.fixture(scope="module")
def fishbone(real_data):
    return find_dataset(real_data / "xray_fishbone")


def fit(fishbone, n_images, settings):
    good = [sample.path for sample in fishbone.normal_training()]
    return Detector.fit(good[:n_images], Recipe.find("default").with_settings(settings))


def evaluated(detector, samples):
    results = zip(samples, detector.inspect_many(sample.path for sample in samples), strict=True)
    return evaluate(results, read_mask=read_mask, n_resamples=100)


@pytest.fixture(scope="module")
def small(fishbone):
    """Of a few images in half the size, judged cell by cell alone: fitted in two seconds."""
    size = {"preprocessing.resize.height": 128, "preprocessing.resize.width": 128}
    return fit(fishbone, 24, {**size, "split.n_folds": 2})


@pytest.mark.slow
def test_bones_in_fish_fillets_are_told_from_good_fillets(fishbone):
    found = evaluated(fit(fishbone, 65, {"split.n_folds": 5}), fishbone.test())  # 20 folds would cost half a minute
    assert found.image["roc_auc"].value >= 0.99
    assert found.counts["fp"] / (found.counts["fp"] + found.counts["tn"]) <= 0.1


@pytest.mark.thorough
def test_even_a_small_detector_tells_bones_in_fish_fillets_from_good_fillets(fishbone, small):
    test = fishbone.test()
    good, bones = ([sample for sample in test if sample.label == label] for label in (0, 1))
    found = evaluated(small, good[:12] + bones[::8])
    assert found.image["roc_auc"].value >= 0.95
    assert found.counts["fp"] <= 1


@pytest.mark.thorough
def test_a_real_image_gets_the_same_score_alone_and_in_company(fishbone, small):
    paths = [sample.path for sample in fishbone.test()[:10]]
    together = [i.score for i in small.inspect_many(paths, batch_size=8) if isinstance(i, Inspection)]
    alone = [small.inspect(path).score for path in paths]
    np.testing.assert_allclose(together, alone, rtol=1e-4)
