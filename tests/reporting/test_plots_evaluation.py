import numpy as np
import pytest

from urushi.evaluation.evaluation import ScoredImage
from urushi.reporting.plots import evaluation_plots
from urushi.reporting.plots.evaluation_plots import EvaluationPlots

ALWAYS = {"scores", "confusion", "decisions_by_defect", "reconstructions", "most_certain", "luminance"}
OF_BOTH = {"roc", "precision_recall"}
OF_LATENTS = {"latent_histograms", "latent_map"}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Drawing takes most of the time; the files themselves are the matter of tests/test_plot_style.py."""
    monkeypatch.setattr(evaluation_plots, "write", lambda figure, stem: (stem.with_suffix(".png"), figure))


def fed(plots, inspect, kinds):
    images = []
    for number, kind in enumerate(kinds):
        score, label = 0.1 + 0.1 * number, int(kind != "good")
        inspection = inspect(source=f"{number}.png", score=score)
        plots.add(inspection, label, kind if label else None)
        decided = (inspection.decision, inspection.p_value)
        images.append(ScoredImage(inspection.source, label, kind if label else None, score, *decided))
    return images


def names(paths):
    return {path.stem for path in paths}


@pytest.mark.thorough
def test_every_plot_is_written(inspect, tmp_path):
    seen = []

    def latents(images):
        seen.append(images.shape)
        return np.full((len(images), 3), float(len(seen)), np.float32)

    plots = EvaluationPlots(latents=latents)
    images = fed(plots, inspect, ["good", "good", "good", "void", "void", "void", "bent"])
    written, absent = plots.write(tmp_path, images)
    assert names(written) == ALWAYS | OF_BOTH | OF_LATENTS
    assert absent == {}
    assert seen == [(1, 3, 32, 32)] * 7


def test_what_cannot_be_drawn_has_its_reason_and_stops_nothing(inspect, tmp_path):
    plots = EvaluationPlots()
    written, absent = plots.write(tmp_path, fed(plots, inspect, ["good", "good"]))
    assert names(written) == ALWAYS
    assert set(absent) == OF_BOTH
    assert all("both" in reason for reason in absent.values())


def test_no_more_pictures_are_kept_than_are_shown(inspect):
    plots = EvaluationPlots()
    fed(plots, inspect, ["good", "void"] * 40)
    assert [len(kept) for kept in plots._examples._kept.values()] == [2, 2]
    assert all(len(kept) <= 5 for kept in plots._certain.kept().values())
