"""Histograms and tables of what was decided."""

from types import SimpleNamespace

import numpy as np
import pytest

from urushi.errors import InputError
from urushi.reporting.plots.confusion import confusion_figure, count_decisions
from urushi.reporting.plots.luminance import luminance_figure
from urushi.reporting.plots.score_histogram import score_histogram_figure

RNG = np.random.default_rng(0)


def heights(axes):
    return [bar.get_height() for bar in axes.patches]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_every_score_is_in_a_bar_of_its_kind_and_no_bar_spans_the_threshold():
    scores = {"good": np.append(RNG.normal(1, 0.2, 40), 1.4), "bent": RNG.normal(2, 0.5, 25)}
    figure = score_histogram_figure(scores, 1.4)
    for axes, (name, values) in zip(figure.axes, scores.items(), strict=True):
        (mark,) = axes.get_lines()
        place = mark.get_xdata()[0]
        above = [bar.get_height() for bar in axes.patches if bar.get_x() >= place - 1e-6]
        assert sum(heights(axes)) == len(values)
        assert sum(above) == (values > 1.4).sum()
        assert all(b.get_x() + b.get_width() <= place + 1e-6 or b.get_x() >= place - 1e-6 for b in axes.patches)
        assert texts(axes) == [f"{name}\n{len(values)} images\n{(values > 1.4).sum()} above"]


def test_both_thresholds_are_drawn_with_other_dashes_and_said():
    figure = score_histogram_figure({"good": [1.0, 2.0], "bent": [3.0]}, 2.5, warn_threshold=2.0)
    threshold, warn = figure.axes[0].get_lines()
    assert warn.get_xdata()[0] < threshold.get_xdata()[0]
    assert warn.get_linestyle() != threshold.get_linestyle()
    assert [t.get_text() for t in figure.axes[0].get_legend().get_texts()] == ["threshold 2.5", "warns above 2"]


@pytest.mark.parametrize("scores", [{"good": [1.0]}, {"good": [1.0, 1.0], "bent": [1.0]}, {"good": [], "bent": [2.0]}])
def test_a_few_or_equal_scores_can_be_drawn(scores):
    figure = score_histogram_figure(scores, np.inf)
    assert sum(sum(heights(axes)) for axes in figure.axes) == sum(map(len, scores.values()))
    figure.draw_without_rendering()


def test_luminances_of_each_kind_are_counted():
    luminances = {"good": RNG.uniform(0.4, 0.5, 30), "void": RNG.uniform(0.1, 0.2, 7)}
    figure = luminance_figure(luminances)
    for axes, (name, values) in zip(figure.axes, luminances.items(), strict=True):
        assert sum(heights(axes)) == len(values)
        assert texts(axes) == [f"{name}\n{len(values)} images\nmean {values.mean():.3f}"]


@pytest.mark.parametrize(("values", "message"), [({}, "no"), ({"good": []}, "no"), ({"good": [1, np.nan]}, "NaN")])
def test_nothing_to_draw_and_what_is_not_finite_are_errors(values, message):
    with pytest.raises(InputError, match=message):
        score_histogram_figure(values, 1.0)
    with pytest.raises(InputError, match=message):
        luminance_figure(values)


def images(*decided):
    return [SimpleNamespace(label=int(kind != "good"), defect=kind, decision=decision) for kind, decision in decided]


IMAGES = images(
    ("void", "anomalous"), ("void", "anomalous"), ("void", "normal"), ("good", "normal"), ("bent", "normal")
)


def test_decisions_are_counted_by_class_or_by_kind_of_defect():
    assert count_decisions(IMAGES) == {"good": {"normal": 1}, "anomalous": {"anomalous": 2, "normal": 2}}
    by_defect = count_decisions(IMAGES, by_defect=True)
    assert list(by_defect) == ["good", "bent", "void"]
    assert by_defect["void"] == {"anomalous": 2, "normal": 1}


def test_cells_hold_counts_and_shares_of_their_row():
    (axes,) = confusion_figure(count_decisions(IMAGES, by_defect=True)).axes
    rows = ["1\n100.0 %", "0\n0.0 %", "1\n100.0 %", "0\n0.0 %", "1\n33.3 %", "2\n66.7 %"]
    assert texts(axes) == rows
    shades = np.asarray(axes.get_images()[0].get_array())
    assert shades == pytest.approx(np.array([[1, 0], [1, 0], [1 / 3, 2 / 3]]))
    assert [label.get_text() for label in axes.get_yticklabels()] == ["good", "bent", "void"]


def test_unsure_has_a_column_where_it_was_decided():
    (axes,) = confusion_figure(count_decisions([*IMAGES, *images(("good", "unsure"))])).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["normal", "unsure", "anomalous"]
    assert texts(axes)[:3] == ["1\n50.0 %", "1\n50.0 %", "0\n0.0 %"]


@pytest.mark.parametrize("counts", [{}, {"good": {}}, {"good": {"normal": 1}, "void": {"normal": 0}}])
def test_a_table_without_decisions_is_an_error(counts):
    with pytest.raises(InputError, match="no decisions"):
        confusion_figure(counts)
