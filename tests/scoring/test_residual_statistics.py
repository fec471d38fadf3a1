"""The distance of a residual's statistics against NumPy, in both directions."""

import cv2
import numpy as np
import pytest
import torch

from urushi.errors import CalibrationError, RecipeError
from urushi.models.base import Reconstruction
from urushi.recipe import Part
from urushi.scoring import build_score
from urushi.scoring._inspected import Inspected
from urushi.scoring.relative import Relative
from urushi.scoring.residual_statistics import ResidualStatistics

SIZE = (32, 32)


def pairs(n: int, noise: float | np.ndarray, seed: int = 0, side: int = 32) -> Reconstruction:
    """Smooth images, rebuilt with noise of some deviation, which may differ from image to image."""
    rng = np.random.default_rng(seed)
    images = 0.3 + 0.4 * np.stack([cv2.GaussianBlur(one, (0, 0), 2) for one in rng.random((n, side, side))])[:, None]
    amount = np.broadcast_to(noise, n)[:, None, None, None] * rng.uniform(0.9, 1.1, (n, 1, 1, 1))
    return Reconstruction(
        *(torch.from_numpy(one).float() for one in (images, images + amount * rng.normal(size=images.shape)))
    )


def fitted(n: int = 40) -> ResidualStatistics:
    score = ResidualStatistics("pixels")
    half = n // 2
    score.fit([pairs(half, 0.02, 1), pairs(n - half, 0.02, 2)], SIZE)
    return score


def scores(score: torch.nn.Module, pair: Reconstruction) -> np.ndarray:
    with torch.no_grad():
        return score(pair, SIZE)[1].double().numpy()


def maps(pair: Reconstruction) -> list[np.ndarray]:
    """Squared error over contrast, squared error, and 1 − gradient magnitude similarity, as OpenCV computes them."""
    image, rebuilt = (one[:, 0].double().numpy() for one in (pair.original, pair.reconstruction))
    error = (image - rebuilt) ** 2
    border = {"borderType": cv2.BORDER_REPLICATE}
    mean, square = ([cv2.blur(one, (15, 15), **border) for one in some] for some in (image, image**2))
    relative = error / (np.stack(square) - np.stack(mean) ** 2 + 0.03**2)
    kernel = np.array([[1, 1, 1], [0, 0, 0], [-1, -1, -1]]) / 3
    lengths = [
        np.stack([np.hypot(*(cv2.filter2D(one, -1, k, **border) for k in (kernel, kernel.T))) for one in some])
        for some in (image, rebuilt)
    ]
    c = 170 / 255**2
    similarity = (2 * lengths[0] * lengths[1] + c) / (lengths[0] ** 2 + lengths[1] ** 2 + c)
    return [relative, error, 1 - similarity]


def statistics(pair: Reconstruction) -> np.ndarray:
    found = []
    for one in maps(pair):
        flat = one.reshape(len(one), -1)
        found += [np.log((flat**p).mean(axis=1)) / p for p in (0.25, 1, 2, 4)]
        found.append(np.log(one.reshape(len(one), 8, 4, 8, 4).mean(axis=(2, 4)).max(axis=(1, 2))))
    return np.stack(found, axis=1)


def test_it_is_the_relative_score_and_a_distance_of_statistics_in_standard_deviations():
    score, learnt, new = fitted(), [pairs(20, 0.02, 1), pairs(20, 0.02, 2)], pairs(6, np.linspace(0.005, 0.04, 6), 3)
    known = np.concatenate([statistics(one) for one in learnt])
    mean, deviation = known.mean(axis=0), known.std(axis=0, ddof=1)
    standard = (known - mean) / deviation
    precision = np.linalg.inv(standard.T @ standard / len(standard) + 0.03 * np.eye(15))
    distance = [
        np.sqrt(np.einsum("ni,ij,nj->n", u, precision, u)) for u in (standard, (statistics(new) - mean) / deviation)
    ]
    local = [np.concatenate([scores(Relative("pixels"), one) for one in some]) for some in (learnt, [new])]
    expected = sum((test - normal.mean()) / normal.std(ddof=1) for normal, test in (distance, local))
    assert scores(score, new) == pytest.approx(expected, rel=2e-3, abs=0.02)


def test_too_little_residual_is_as_unusual_as_too_much_where_relative_sees_nothing():
    normal, smooth, rough = pairs(30, 0.02, 5), pairs(30, 0.006, 6), pairs(30, 0.04, 7)
    found = [scores(fitted(), one) for one in (normal, smooth, rough)]
    assert found[1].min() > found[0].max()
    assert found[2].min() > found[0].max()
    relative = [scores(Relative("pixels"), one) for one in (normal, smooth)]
    assert relative[1].max() < relative[0].min()


def test_the_map_and_what_a_pooling_makes_of_it_are_those_of_relative():
    pair = pairs(3, 0.02, 8)
    score = ResidualStatistics("pixels", pooling="max")
    score.fit([pairs(20, 0.02)], SIZE)
    assert torch.equal(score.compare(pair), Relative("pixels").compare(pair))
    assert scores(score, pair) == pytest.approx(scores(Relative("pixels", pooling="max"), pair))


def test_another_score_finds_the_places_and_the_statistics_stay_the_same():
    """Both summands in standard deviations: the two sums differ by what their places give, and by nothing else."""
    normal, new, found = pairs(20, 0.02), pairs(4, np.linspace(0.01, 0.03, 4), 3), []
    for part in (Part(name="relative"), Part.model_validate({"name": "absolute_error", "pooling": "max"})):
        score = ResidualStatistics("pixels", inner=part)
        score.fit([normal], SIZE)
        local = build_score(part, "pixels")
        known, here = scores(local, normal), scores(local, new)
        assert torch.equal(score.compare(new), local.compare(new))
        found.append(scores(score, new) - (here - known.mean()) / known.std(ddof=1))
    assert found[0] == pytest.approx(found[1], abs=1e-4)


@pytest.mark.parametrize("name", ["fusion", "latent_density", "residual_statistics"])
def test_a_score_that_learns_by_itself_is_refused(name):
    with pytest.raises(RecipeError, match=rf"score\.inner: {name} learns from normal images itself"):
        ResidualStatistics("pixels", inner=Part(name=name))


def test_it_needs_what_the_score_within_looks_at():
    assert ResidualStatistics("pixels", inner=Part(name="adversarial")).needs == {"critique"}
    assert not ResidualStatistics("pixels").needs


def test_what_is_ignored_changes_nothing():
    """It has no part in the statistics, in those that are learnt neither."""
    ignored = np.zeros(SIZE, dtype=bool)
    ignored[:, 20:] = True
    score, found = ResidualStatistics("pixels"), []
    score.look_at(Inspected(ignored))
    score.fit([pairs(20, 0.02)], SIZE)
    for extra in (0.0, 0.5):
        pair = pairs(3, 0.02, 9)
        pair.reconstruction[..., 22:] += extra
        found.append(scores(score, pair))
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def test_a_residual_of_nothing_has_a_score():
    pair = pairs(2, 0.0)
    assert np.isfinite(scores(fitted(), Reconstruction(pair.original, pair.original))).all()


def test_it_wants_to_be_fitted_on_at_least_two_images_that_differ():
    with pytest.raises(
        CalibrationError,
        match=r"residual_statistics measures against .* has seen none: fit it",
    ):
        scores(ResidualStatistics("pixels"), pairs(2, 0.02))
    for n in (0, 1):
        with pytest.raises(CalibrationError, match=f"at least 2 normal images, it was given {n}"):
            ResidualStatistics("pixels").fit([pairs(1, 0.02)] * n, SIZE)
    one = pairs(1, 0.02)
    alike = Reconstruction(one.original.expand(5, -1, -1, -1), one.reconstruction.expand(5, -1, -1, -1))
    with pytest.raises(CalibrationError, match=r"on all 5 normal images: .*; take another score"):
        ResidualStatistics("pixels").fit([alike], SIZE)


def test_features_have_no_such_statistics():
    with pytest.raises(RecipeError, match="compares pixels"):
        ResidualStatistics("features")
