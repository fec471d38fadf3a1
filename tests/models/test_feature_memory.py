import numpy as np
import pytest
import torch

from urushi import Detector, Recipe
from urushi.errors import RecipeError
from urushi.models.feature_reconstruction import FeatureReconstruction
from urushi.models.networks.feature_memory import FeatureMemory
from urushi.models.networks.picture_memory import PictureMemory

SHAPE = (1, 32, 32)


def features(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 6, 4, 4, generator=torch.Generator().manual_seed(seed))


# Kind nearest


def test_what_is_in_memory_is_rebuilt_exactly():
    memory, seen = FeatureMemory(6, n_cells=3 * 16), features(3)
    memory.fit([seen])
    original, rebuilt = memory(seen)
    torch.testing.assert_close(rebuilt, original)


def test_each_cell_becomes_the_nearest_in_memory():
    memory = FeatureMemory(6, n_cells=10)
    memory.fit([features(3)])
    original, rebuilt = memory(features(2, seed=1))
    rows = original.movedim(1, -1).flatten(0, 2)
    expected = memory.cells[torch.cdist(rows, memory.cells).argmin(dim=1)]
    torch.testing.assert_close(rebuilt.movedim(1, -1).flatten(0, 2), expected)


def test_a_rare_kind_of_cell_is_remembered():
    """One cell of 640 is like no other: drawn at random, 8 would most likely miss it."""
    seen = features(40) * 0.1
    seen[17, :, 2, 2] = 5
    memory = FeatureMemory(6, n_cells=8)
    memory.fit(seen.split(7))
    original, rebuilt = memory(seen[17:18])
    torch.testing.assert_close(rebuilt[0, :, 2, 2], original[0, :, 2, 2])


def test_the_memory_does_not_depend_on_batches():
    found = []
    for size in (1, 7, 40):
        memory = FeatureMemory(6, n_cells=20)
        memory.fit(features(40).split(size))
        found.append(memory.cells)
    torch.testing.assert_close(found[1], found[0])
    torch.testing.assert_close(found[2], found[0])


def test_of_many_images_each_column_is_remembered():
    """Every fourth of 153,600 cells would be in every fourth column."""
    columns = torch.arange(32.0).expand(150, 1, 32, 32)
    memory = FeatureMemory(1, n_cells=32)
    memory.fit(columns.split(40))
    original, rebuilt = memory(columns[:1])
    torch.testing.assert_close(rebuilt, original)


def test_fewer_cells_than_there_is_room_for_come_again():
    memory = FeatureMemory(6, n_cells=50)
    memory.fit([features(1)])
    assert len(memory.cells.unique(dim=0)) == 16


def test_a_memory_is_refused_where_none_is_kept():
    with pytest.raises(RecipeError, match=r"only model.kind = nearest has one"):
        FeatureReconstruction(SHAPE, memory=100)


# The picture that is shown


def test_each_kept_picture_is_most_similar_to_itself():
    memory, images = PictureMemory(5, SHAPE, 6, (4, 4)), torch.rand(5, *SHAPE)
    memory.remember(images, features(5))
    torch.testing.assert_close(memory(features(5)), images, atol=1 / 500, rtol=0)


def test_a_defect_however_bad_does_not_decide_which_picture_is_shown():
    memory, images = PictureMemory(5, SHAPE, 6, (4, 4)), torch.rand(5, *SHAPE)
    memory.remember(images, features(5))
    spoilt = features(5)
    spoilt[:, :, 1:3, 1:3] = 1000
    torch.testing.assert_close(memory(spoilt), images, atol=1 / 500, rtol=0)


def test_large_pictures_are_fewer():
    assert PictureMemory(64, (3, 1024, 1024), 6, (64, 64)).n == 5
    assert PictureMemory(64, (3, 8192, 8192), 6, (512, 512)).n == 1


QUICK = {
    "preprocessing.resize.height": 64,
    "preprocessing.resize.width": 64,
    "split.n_folds": 2,
    "model.name": "feature_reconstruction",
    "model.blocks": [4, 10],
    "model.windows": [],
}


@pytest.mark.parametrize("kind", ["pca", "nearest"])
def test_a_detector_shows_one_of_its_training_images(kind, pictures):
    images = [image.transpose(1, 2, 0).squeeze() for image in pictures(8, 64)]
    recipe = Recipe.find("default").with_settings(QUICK | {"model.kind": kind})
    found = Detector.fit(images, recipe).inspect(images[3])
    assert found.shows_similar
    np.testing.assert_allclose(found.reconstruction, found.image, atol=1 / 500)


def test_without_pictures_nothing_is_shown(pictures):
    images = [image.transpose(1, 2, 0).squeeze() for image in pictures(8, 64)]
    recipe = Recipe.find("default").with_settings(QUICK | {"model.pictures": 0})
    found = Detector.fit(images, recipe).inspect(images[3])
    assert found.reconstruction is None
    assert not found.shows_similar


def test_each_block_is_averaged_over_a_neighbourhood_before_blocks_are_joined():
    alone, near = (
        FeatureReconstruction((3, 64, 64), blocks=(4,), stride=8, windows=(), neighbourhood=n) for n in (1, 3)
    )
    images = torch.rand(2, 3, 64, 64)
    cell, cells = near.embed(images)[:, :, 3, 4], alone.embed(images)[:, :, 2:5, 3:6]
    torch.testing.assert_close(cell, cells.mean(dim=(2, 3)))
