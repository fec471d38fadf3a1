"""Means and standard errors over repeats: lines over a parameter, and bars in groups."""

import numpy as np
import pytest
from scipy.stats import sem

from urushi.errors import InputError
from urushi.reporting.plots.grouped_bars import grouped_bars_figure
from urushi.reporting.plots.parameter import parameter_figure

REPEATS = np.random.default_rng(0).uniform(0, 1, (2, 3, 5))  # series, values, repeats


def ends(container):
    """Lower and upper ends of the error bars, (n, 2)."""
    (bars,) = container.lines[2]
    return np.array([path.vertices[:, 1] for path in bars.get_paths() if np.isfinite(path.vertices[:, 1]).all()])


def test_lines_are_means_and_their_bars_standard_errors():
    series = {name: dict(zip((64, 2, 8), REPEATS[i], strict=True)) for i, name in enumerate(("vae", "cae"))}
    figure = parameter_figure(series, x_label="J", y_label="AUC", x_scale="log2")
    (axes,) = figure.axes
    for container, repeats in zip(axes.containers, REPEATS[:, [1, 2, 0]], strict=True):  # by ascending value
        means, errors = repeats.mean(axis=1), sem(repeats, axis=1)
        assert container.lines[0].get_xdata() == pytest.approx([2, 8, 64])
        assert container.lines[0].get_ydata() == pytest.approx(means)
        assert ends(container) == pytest.approx(np.column_stack([means - errors, means + errors]))
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "8", "64"]
    places = axes.transData.transform([(2, 0), (8, 0), (64, 0)])[:, 0]
    assert (places[2] - places[1]) / (places[1] - places[0]) == pytest.approx(3 / 2)


def test_one_repeat_has_no_error_bar():
    figure = parameter_figure({"one": {0.1: [0.5], 0.2: [0.4, 0.6]}}, x_label="ratio", y_label="F1")
    assert ends(figure.axes[0].containers[0]) == pytest.approx(np.array([[0.4, 0.6]]))
    figure = grouped_bars_figure({"ssim": {"good": [0.5]}}, x_label="score", y_label="error rate")
    assert not len(ends(figure.axes[0].containers[1]))


@pytest.mark.parametrize(
    ("series", "scale", "message"),
    [
        ({}, "linear", "0 series"),
        ({"a": {}}, "linear", "cannot be drawn"),
        ({"a": {1: [1.0]}, "b": {}}, "linear", "cannot be drawn"),
        ({"a": {0: [1.0]}}, "log2", "above 0"),
        ({"a": {1: [np.nan]}}, "linear", "finite"),
        ({"a": {1: []}}, "linear", "finite"),
    ],
)
def test_what_cannot_be_drawn_over_a_parameter_is_an_error(series, scale, message):
    with pytest.raises(InputError, match=message):
        parameter_figure(series, x_label="x", y_label="y", x_scale=scale)


def test_bars_are_means_beside_one_another_with_their_standard_errors():
    groups = {score: {"good": REPEATS[0, i], "void": REPEATS[1, i]} for i, score in enumerate(("ssim", "imed"))}
    groups["gmsd"] = {"void": REPEATS[1, 2]}  # without one of the series
    (axes,) = grouped_bars_figure(groups, x_label="score", y_label="error rate").axes
    good, _, void, void_errors = axes.containers
    assert [bar.get_height() for bar in good] == pytest.approx(REPEATS[0, :2].mean(axis=1))
    assert [bar.get_height() for bar in void] == pytest.approx(REPEATS[1].mean(axis=1))
    half = sem(REPEATS[1], axis=1)
    assert ends(void_errors) == pytest.approx(np.column_stack([REPEATS[1].mean(axis=1) + s * half for s in (-1, 1)]))
    edges = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in (good[0], void[0], good[1])]
    assert edges[0][1] == pytest.approx(edges[1][0])
    assert edges[1][1] < edges[2][0]
    assert good[0].get_hatch() != void[0].get_hatch()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["ssim", "imed", "gmsd"]


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({}, "no bars"),
        ({"ssim": {}}, "no bars"),
        ({"ssim": {"good": [np.inf]}}, "finite"),
        ({"ssim": {str(n): [1.0] for n in range(8)}}, "8 series"),
    ],
)
def test_bars_that_cannot_be_drawn_are_errors(groups, message):
    with pytest.raises(InputError, match=message):
        grouped_bars_figure(groups, x_label="x", y_label="y")
