"""Tiles cover an image, their weights add up to one, and what lies in it keeps its place."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from urushi import Detector, Inspection, Recipe, Unreadable
from urushi.errors import RecipeError
from urushi.recipe import Part, Tiling
from urushi.runtime.backend import FakeBackend, Output
from urushi.runtime.network import Network
from urushi.runtime.tiling import TileGrid, pattern_of

sides = st.integers(32, 300)
overlaps = st.floats(0, 0.9)


class Peaks(FakeBackend):
    """The score of a tile is its brightest pixel; the batches are counted."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def run(self, images: np.ndarray) -> Output:
        self.batches.append(len(images))
        return Output(images, images.mean(axis=1), images.max(axis=(1, 2, 3)))


@given(sides, sides, overlaps)
def test_tiles_cover_the_image_and_weights_add_up_to_one(height, width, overlap):
    """A backend that gives the image back gives the whole image back."""
    image = np.random.default_rng(0).random((3, height, width), np.float32)
    output = TileGrid(32, overlap).run(FakeBackend(), image)
    assert np.allclose(output.reconstructions[0], image, atol=1e-5)
    assert np.allclose(output.anomaly_maps[0], image.mean(axis=0), atol=1e-5)


@given(sides, overlaps)
def test_neighbours_share_as_much_as_was_asked_for_and_no_tile_reaches_out(side, overlap):
    starts = sorted({y for y, _ in TileGrid(32, overlap).places(side, 32)})
    assert starts[0] == 0
    assert starts[-1] == side - 32
    assert (np.diff(starts) <= 32 - round(32 * overlap)).all()


def test_an_image_as_large_as_a_tile_is_one_tile():
    backend = Peaks()
    TileGrid(32, 0.5).run(backend, np.zeros((1, 32, 32), np.float32))
    assert backend.batches == [1]


def test_the_edge_of_a_tile_inside_the_image_counts_for_almost_nothing():
    """There a network sees half of its surroundings only; at the edge of the image there is nothing else."""

    class Edges(FakeBackend):
        def run(self, images):
            maps = np.ones((len(images), 32, 32), np.float32)
            maps[:, 1:-1, 1:-1] = 0
            return Output(None, maps, maps.mean(axis=(1, 2)))

    output = TileGrid(32, 0.5).run(Edges(), np.zeros((1, 128, 128), np.float32))
    assert output.anomaly_maps[0, 1:-1, 1:-1].max() < 0.02
    assert output.anomaly_maps[0, 0].min() == pytest.approx(1)
    assert output.reconstructions is None


@pytest.mark.parametrize("place", [(0, 0), (99, 149), (31, 32), (50, 75), (0, 149)])
def test_the_highest_tile_gives_the_score_and_a_spot_stays_where_it_is(place):
    image = np.zeros((1, 100, 150), np.float32)
    image[0, *place] = 1
    output = TileGrid(32, 0.25).run(Peaks(), image)
    assert output.scores == 1
    assert np.unravel_index(output.anomaly_maps[0].argmax(), (100, 150)) == place


def test_what_a_place_within_a_tile_adds_to_the_map_is_taken_off_again():
    """A network that answers to the place alone leaves a flat map, and the same image without it does not."""
    place = np.random.default_rng(0).random((32, 32), np.float32)

    class Placed(FakeBackend):
        def run(self, images):
            return Output(None, images.mean(axis=1) + place, images.mean(axis=(1, 2, 3)))

    image, grid = np.full((1, 100, 90), 0.5, np.float32), TileGrid(32, 0.25)
    pattern = pattern_of([Placed().run(np.zeros((3, 1, 32, 32), np.float32)) for _ in range(2)])
    assert pattern.mean() == pytest.approx(0, abs=1e-6)
    assert grid.run(Placed(), image).anomaly_maps.std() > 0.05
    assert grid.run(Placed(), image, pattern).anomaly_maps.std() < 1e-5


def test_no_number_among_the_tiles_scores_is_none_for_the_image():
    class Broken(FakeBackend):
        def run(self, images):
            return super().run(images)._replace(scores=np.array([np.nan] * (len(images) - 1) + [1.0], np.float32))

    assert np.isnan(TileGrid(32, 0.25).run(Broken(), np.zeros((1, 64, 64), np.float32)).scores).all()


def test_tiles_go_to_the_backend_a_few_at_a_time():
    backend = Peaks()
    backend.batch_size = 4
    TileGrid(32, 0.25).run(backend, np.zeros((1, 200, 200), np.float32))
    assert max(backend.batches) == 4
    assert sum(backend.batches) == len(TileGrid(32, 0.25).places(200, 200))


def test_training_tiles_are_the_grid_or_as_many_at_random_places():
    image = np.arange(64 * 96, dtype=np.float32).reshape(1, 64, 96)
    grid = TileGrid(32, 0)
    assert len(grid.drawn(image, 6, np.random.default_rng(0))) == 6
    assert (grid.drawn(image, 9, np.random.default_rng(0))[1] == image[:, :32, 32:64]).all()
    one, other, same = (grid.drawn(image, 4, np.random.default_rng(seed)) for seed in (0, 1, 0))
    assert one.shape == (4, 1, 32, 32)
    assert (one == same).all()
    assert (one != other).any()


@pytest.mark.parametrize("px", [-1, 1, 31, 5000])
def test_absurd_tiles_are_refused(px):
    with pytest.raises(RecipeError, match="tile_px"):
        tiled(tile_px=px)


def test_without_a_word_images_are_inspected_whole():
    assert TileGrid.of(Tiling()) is None


def tiled(**tiling: object) -> Recipe:
    table = {
        "preprocessing": [{"name": "grey"}, {"name": "scale"}],
        "model": {"name": "autoencoder", "latent_dimension": 4},
        "score": {"name": "squared_error"},
        "training": {"max_epochs": 4, "batch_size": 8, "accelerator": "cpu"},
        "split": {"calibration_fraction": 0.4},
        "tiling": {"tile_px": 32, "n_training_tiles": 6, **tiling},
    }
    return Recipe.from_table(table, "test")


def texture(seed: int, height: int = 70, width: int = 90) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(seed).normal(0, 4, (height, width))
    return np.clip(120 + 30 * np.sin(x / 3) * np.sin(y / 4) + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.fit([texture(seed) for seed in range(20)], tiled())


@pytest.mark.thorough
def test_held_out_images_are_scored_whole(detector):
    assert len(detector.held_out.scores) == 8
    assert detector.card["fit"]["image_shape"] == [1, 32, 32]
    assert detector.card["fit"]["n_training"] + detector.card["fit"]["n_validation"] == 12
    assert len(detector.card["fit"]["held_out"]) == 8
    held_out = [texture(seed) for seed in detector.card["fit"]["held_out"]]
    assert {found.score for found in detector.inspect_many(held_out)} == set(detector.held_out.scores)


def test_a_defect_in_a_large_image_is_found_where_it_is(detector):
    image = texture(99, 200, 300)
    image[150:160, 210:220] = 255
    found = detector.inspect(image)
    assert found.decision == "anomalous"
    assert found.anomaly_map.shape == (200, 300)
    assert found.reconstruction.shape == found.image.shape == (200, 300, 1)
    region = found.regions[0]
    assert region.x <= 214 < region.x + region.width
    assert region.y <= 154 < region.y + region.height


def test_images_of_several_sizes_come_in_order_and_a_small_one_is_told_apart(detector):
    images = [texture(1), texture(2, 40, 40), texture(3, 31, 90), np.zeros((40, 40, 3), np.uint8)]
    found = list(detector.inspect_many(images))
    assert [isinstance(one, Inspection) for one in found] == [True, True, False, True]
    assert isinstance(found[2], Unreadable)
    assert "90 × 31 px (width × height), less than a tile of 32 px" in found[2].reason
    assert found[0].score == detector.inspect(images[0]).score


def test_saved_and_loaded_it_gives_the_same(detector, tmp_path):
    detector.save(tmp_path / "part.urushi")
    loaded = Detector.load(tmp_path / "part.urushi")
    assert loaded.network.grid == detector.network.grid
    assert (loaded.pattern == detector.pattern).all()
    assert detector.pattern.std() > 0
    assert loaded.inspect(texture(5)).score == detector.inspect(texture(5)).score


@pytest.mark.thorough
def test_the_same_seed_gives_the_same_and_small_training_images_are_listed(detector):
    fitted = Detector.fit([*(texture(seed) for seed in range(20)), texture(0, 20, 90)], tiled())
    assert [found.reason for found in fitted.unreadable] == [
        "after preprocessing it is 90 × 20 px (width × height), less than a tile of 32 px"
    ]
    assert fitted.held_out == detector.held_out


def test_whatever_batch_is_asked_for_large_images_come_one_by_one(detector, monkeypatch):
    sizes, outputs = [], Network.outputs

    def counted(self: Network, images: list[np.ndarray], **how: bool) -> Iterator[Output]:
        sizes.append(len(images))
        return outputs(self, images, **how)

    monkeypatch.setattr(Network, "outputs", counted)
    assert len(list(detector.inspect_many([texture(s) for s in range(5)], batch_size=4))) == 5
    assert sizes == [1] * 5


def test_an_image_of_more_tiles_than_were_held_out_comes_with_a_caution(detector):
    """The score is the highest of the tiles', and of more tiles the highest is higher."""
    assert set(detector.held_out.n_tiles) == {12}
    assert detector.inspect(texture(99)).caution is None
    caution = detector.inspect(texture(99, 200, 300)).caution
    assert caution.startswith("It has 104 tiles, the images behind the threshold 12 at most")
    assert detector.inspect(texture(99, 200, 300)).to_json()["caution"] == caution


def test_a_score_that_learns_from_defects_is_refused_before_training():
    """Nobody knows in which tile a defect lies."""
    recipe = tiled().model_copy(update={"score": Part(name="fusion", combination="learned")})
    with pytest.raises(RecipeError, match="in which tile"):
        Detector.fit([texture(seed) for seed in range(20)], recipe, defects=[texture(seed) for seed in range(3)])


def test_prepared_images_of_several_sizes_have_one_output_each(detector):
    """What studies and benchmarks ask for."""
    images = [texture(1), texture(2, 40, 40)]
    prepared = [detector.prepare(image).pixels for image in images]
    found = [row.score for output in detector.network.outputs(prepared) for row in output.rows()]
    assert found == [detector.inspect(image).score for image in images]
