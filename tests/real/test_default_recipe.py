"""The default recipe on real radiographs, through the command line's own pieces."""

import numpy as np
import pytest

from urushi import Detector, Inspection, Recipe
from urushi.data.dataset import find_dataset
from urushi.data.images import read_mask
from urushi.evaluation import evaluate


@pytest.fixture(scope="module")
def fishbone(real_data):
    return find_dataset(real_data / "xray_fishbone")


@pytest.fixture(scope="module")
def detector(fishbone):
    recipe = Recipe.find("default").with_settings({"split.n_folds": 5})  # the other fifteen would cost half a minute
    return Detector.fit([sample.path for sample in fishbone.normal_training()], recipe)


def test_bones_in_fish_fillets_are_told_from_good_fillets(fishbone, detector):
    samples = fishbone.test()
    results = zip(samples, detector.inspect_many(sample.path for sample in samples), strict=True)
    found = evaluate(results, read_mask=read_mask, n_resamples=100)
    assert found.image["roc_auc"].value >= 0.99
    assert found.counts["fp"] / (found.counts["fp"] + found.counts["tn"]) <= 0.1


def test_a_real_image_gets_the_same_score_alone_and_in_company(fishbone, detector):
    paths = [sample.path for sample in fishbone.test()[:20]]
    together = [i.score for i in detector.inspect_many(paths, batch_size=16) if isinstance(i, Inspection)]
    alone = [detector.inspect(path).score for path in paths]
    np.testing.assert_allclose(together, alone, rtol=1e-4)
