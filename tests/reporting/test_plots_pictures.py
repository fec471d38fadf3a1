"""Which pictures are kept, and that each is shown in its place."""

import numpy as np
import pytest

from urushi.errors import InputError
from urushi.inspection import MapScale
from urushi.reporting.heat_map import heat_map
from urushi.reporting.plots.certain import MostCertain, certain_figure, outcome
from urushi.reporting.plots.reconstruction_grid import FirstOfEachKind, reconstruction_grid_figure
from urushi.reporting.plots.thumbnail import Thumbnail


def shown(axes):
    return [image.get_array() for image in axes.get_images()]


def test_a_thumbnail_is_small_and_coloured_on_the_fixed_scale(inspect):
    inspection = inspect(score=0.9, image=np.full((32, 32, 1), 0.5, np.float32), original_size=(64, 32))
    small = Thumbnail.of(inspection, "void", long_side_px=64)
    assert small.image.shape == small.heat.shape == small.reconstruction.shape == (64, 32, 3)
    assert set(np.unique(small.image)) == {128}
    assert small.heat.max() == heat_map(np.full((1, 1), 0.9), inspection.map_scale).max()
    assert small.caption == "void\nscore 0.9\nanomalous"


def test_outcomes_are_hits_and_mistakes_and_unsure_is_neither():
    table = {(decision, label): outcome(decision, label) for decision in ("normal", "anomalous") for label in (0, 1)}
    assert list(table.values()) == ["passed", "missed", "false alarm", "found"]
    assert outcome("unsure", 0) is None


def test_only_the_most_certain_of_each_outcome_are_kept(inspect):
    keeper, scores = MostCertain(2), [0.6, 0.9, 0.7, 0.95, 0.1, 0.4, 0.3, 0.2]
    for score in scores:
        keeper.offer(inspect(score=score), "void", 1)
    keeper.offer(inspect(score=0.51), "good", 0)
    keeper.offer(inspect(score=0.45, decision="unsure"), "good", 0)
    kept = {name: [one.score for one in thumbnails] for name, thumbnails in keeper.kept().items()}
    assert kept == {"found": [0.95, 0.9], "missed": [0.1, 0.2], "false alarm": [0.51], "passed": []}


def test_of_equally_certain_images_the_earlier_stays(inspect):
    keeper = MostCertain(1)
    for kind in ("first", "second"):
        keeper.offer(inspect(score=0.9), kind, 1)
    assert [one.kind for one in keeper.kept()["found"]] == ["first"]


def test_each_outcome_that_occurred_has_a_row_of_images_and_one_of_maps(inspect):
    keeper = MostCertain(2)
    for score, label in ((0.9, 1), (0.8, 1), (0.2, 0)):
        keeper.offer(inspect(score=score), "void" if label else "good", label)
    figure = certain_figure(keeper.kept())
    *grid, _bar = figure.axes
    assert [len(shown(axes)) for axes in grid] == [1, 1, 1, 1, 1, 0, 1, 0]  # four rows of two
    assert [grid[i].get_title() for i in (0, 1, 4)] == ["void\nscore 0.9", "void\nscore 0.8", "good\nscore 0.2"]
    assert [grid[i].get_ylabel() for i in (0, 4)] == ["found", "passed"]
    assert np.array_equal(shown(grid[2])[0], keeper.kept()["found"][0].heat)
    assert "no image missed; no false alarm" in figure.get_suptitle()


def test_the_first_of_each_kind_are_kept_and_no_kind_is_crowded_out(inspect):
    keeper = FirstOfEachKind(2, n_at_most=4)
    for kind, score in (("bent", 0.9), ("bent", 0.8), ("bent", 0.7), ("void", 0.6), ("good", 0.1), ("good", 0.2)):
        keeper.offer(inspect(score=score), kind)
    assert [(one.kind, one.score) for one in keeper.kept()] == [
        ("good", 0.1),
        ("good", 0.2),
        ("bent", 0.9),
        ("void", 0.6),
    ]


def test_a_grid_shows_image_reconstruction_and_map_in_columns(inspect):
    pair = [Thumbnail.of(inspect(score=score), "void") for score in (0.7, 0.9)]
    *grid, bar = reconstruction_grid_figure(pair).axes
    for number, one in enumerate(pair):
        pictures = [shown(grid[number + 2 * row])[0] for row in range(3)]
        assert all(map(np.array_equal, pictures, (one.image, one.reconstruction, one.heat)))
        assert grid[number].get_title() == one.caption
    assert [grid[row].get_ylabel() for row in (0, 2, 4)] == ["image", "reconstruction", "anomaly map"]
    assert [label.get_text() for label in bar.get_yticklabels()] == ["0.1", "0.5\nregions\nabove", "0.9"]


def test_a_method_that_rebuilds_features_has_no_row_of_reconstructions(inspect):
    *grid, _bar = reconstruction_grid_figure([Thumbnail.of(inspect(reconstruction=None), "void")]).axes
    assert [axes.get_ylabel() for axes in grid] == ["image", "anomaly map"]


def test_too_few_too_many_and_mixed_pictures_are_errors(inspect):
    one = Thumbnail.of(inspect(), "void")
    other = Thumbnail.of(inspect(map_scale=MapScale(0.0, 2.0, 1.0)), "void")
    for thumbnails, message in (([], "0 images"), ([one] * 9, "9 images"), ([one, other], "2 map scales")):
        with pytest.raises(InputError, match=message):
            reconstruction_grid_figure(thumbnails)
    with pytest.raises(InputError, match="no hits or mistakes"):
        certain_figure(MostCertain().kept())
    with pytest.raises(InputError, match="at least 1"):
        MostCertain(0)
