from itertools import pairwise

import numpy as np
import pytest
from matplotlib.offsetbox import AnnotationBbox
from sklearn.decomposition import PCA

from urushi.errors import InputError
from urushi.reporting.plots.latent_histograms import latent_histograms_figure
from urushi.reporting.plots.latent_map import apart, latent_map_figure, plane

LATENTS = np.random.default_rng(0).normal(0, [3, 1, 0.5, 2], (50, 4))
KINDS = ["void"] * 20 + ["good"] * 30


def test_each_dimension_has_its_histogram_beside_the_bell():
    figure = latent_histograms_figure(LATENTS)
    for axes, values in zip(figure.axes, LATENTS.T, strict=False):
        area = [bar.get_height() * bar.get_width() for bar in axes.patches]
        assert sum(area) == pytest.approx(1)
        mean = sum(a * (bar.get_x() + bar.get_width() / 2) for a, bar in zip(area, axes.patches, strict=True))
        assert mean == pytest.approx(values.mean(), abs=0.3)
        (bell,) = axes.get_lines()
        assert np.interp([0, 1], *bell.get_data()) == pytest.approx([0.3989, 0.2420], abs=1e-3)
        assert f"{values.mean():.2f} ± {values.std():.2f}" in axes.get_title()


def test_a_choice_of_dimensions_is_that_of_its_seed():
    wide = np.random.default_rng(0).normal(size=(10, 100))
    titles = [
        [axes.get_title() for axes in latent_histograms_figure(wide, n_shown=2, seed=s).axes[:2]] for s in (0, 0, 1)
    ]
    assert titles[0] == titles[1] != titles[2]
    assert len(set(titles[0])) == 2


def test_more_than_two_dimensions_are_projected_as_scikit_learns_pca():
    points, labels = plane(LATENTS)
    reference = PCA(2).fit(LATENTS)
    assert np.abs(points) == pytest.approx(np.abs(reference.transform(LATENTS)))  # signs are arbitrary
    shares = [f"({100 * share:.0f} % of variance)" for share in reference.explained_variance_ratio_]
    assert [label.split(" ", 3)[3] for label in labels] == shares


def test_two_dimensions_are_shown_as_they_are():
    figure = latent_map_figure(LATENTS[:, :2], KINDS)
    (axes,) = figure.axes
    good, void = axes.get_lines()
    assert np.array_equal(np.column_stack(good.get_data()), LATENTS[20:, :2])
    assert (good.get_label(), void.get_label()) == ("good", "void")
    assert good.get_marker() != void.get_marker()
    assert good.get_color() != void.get_color()


@pytest.mark.parametrize("latents", [LATENTS[:, :1], np.zeros((50, 3)), np.zeros((50, 2))])
def test_one_dimension_and_collapsed_latents_can_be_drawn(latents):
    pictures = [np.zeros((4, 4, 3), np.uint8)] * 50
    latent_map_figure(latents, KINDS, pictures=pictures).draw_without_rendering()
    assert latent_histograms_figure(latents).axes


def test_pictures_lie_apart_and_those_not_kept_are_left_out():
    points = LATENTS[:, :2]
    chosen = apart(points, 100)
    shares = points[chosen] / np.ptp(points, axis=0)
    distance = np.abs(shares[:, None] - shares[None]).max(axis=2)
    assert 5 < len(chosen) < 50
    assert distance[np.triu_indices(len(chosen), 1)].min() > 0.1
    assert len(apart(points, 3)) == 3
    pictures = [np.zeros((4, 4, 3), np.uint8) if row < 1 else None for row in range(50)]
    (axes,) = latent_map_figure(points, KINDS, pictures=pictures).axes
    (box,) = [artist for artist in axes.get_children() if isinstance(artist, AnnotationBbox)]
    assert box.xy == pytest.approx(points[0])


def test_nine_kinds_differ_in_colour_or_marker():
    (axes,) = latent_map_figure(LATENTS[:9], list("abcdefghi")).axes
    assert len({(line.get_color(), line.get_marker()) for line in axes.get_lines()}) == 9


@pytest.mark.parametrize(("latents", "n"), [(np.zeros(3), 3), (np.zeros((1, 2)), 1), (np.full((3, 2), np.nan), 3)])
def test_what_is_no_finite_table_is_an_error(latents, n):
    for draw in (latent_histograms_figure, lambda z: latent_map_figure(z, ["good"] * n)):
        with pytest.raises(InputError, match="give a table"):
            draw(latents)


def test_kinds_and_pictures_belong_to_the_images():
    with pytest.raises(InputError, match="50 latents, 3 kinds"):
        latent_map_figure(LATENTS, ["good"] * 3)
    with pytest.raises(InputError, match="1 pictures"):
        latent_map_figure(LATENTS, KINDS, pictures=[None])


def test_numbers_along_the_first_axis_do_not_overlap():
    points = np.column_stack([np.linspace(-0.068, 0.112, 20), np.linspace(-0.01, 0.01, 20)])
    figure = latent_map_figure(points, ["good"] * 20)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    low, high = axes.get_xlim()
    labels = [
        label.get_window_extent()
        for place, label in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
        if low <= place <= high
    ]
    assert len(labels) >= 3
    assert all(one.x1 + 4 < other.x0 for one, other in pairwise(labels))
