from dataclasses import replace

import numpy as np
import pytest

from urushi.study.drawing import measured
from urushi.study.headline import headline
from urushi.study.summary import Summary


def test_the_highest_of_each_data_set_comes_with_how_many_it_was_chosen_from(study, record):
    turned = [-one for one in record.scores["squared_error"]]
    scored = replace(record, scores={"turned": turned, **record.scores}, held_out={"turned": [0.0], **record.held_out})
    summary = Summary.of(measured(study, [scored]))
    means = {score: summary.at(("waves", "plain", 2, score, "g_mean", None), "roc_auc").mean for score in scored.scores}
    best = max(means, key=means.get)
    assert len(means) == 2
    assert headline(study, summary) == (
        f"waves: mean ROC-AUC {means[best]:.3f} by plain, J = 2, score {best}, the highest of 2 combinations. "
        "Each highest value was chosen on these test sets themselves, so it is somewhat too high."
    )


@pytest.mark.parametrize(("value", "ending"), [(0.25, "; below 0.5, which guessing gives."), (0.75, ".")])
def test_a_highest_value_below_chance_says_so(study, value, ending):
    place = ("waves", "plain", None, "ssim", "g_mean", None)
    summary = Summary({place: {"roc_auc": np.array([value])}}, 1, {})
    assert headline(study, summary) == f"waves: mean ROC-AUC {value:.3f} by plain, score ssim{ending}"


def test_without_a_roc_auc_nothing_is_said(study):
    assert headline(study, Summary({}, 0, {})) == ""
