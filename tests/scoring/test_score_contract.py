"""What every score promises, checked on every score that is found, in its spaces and with every pooling."""

from functools import cache
from typing import get_args

import numpy as np
import pytest
import torch

from urushi import catalogue
from urushi.catalogue import options
from urushi.errors import RecipeError
from urushi.models.base import Reconstruction, Space
from urushi.recipe import Part
from urushi.scoring.base import Pooling, Score

CLASSES = {name: catalogue.load("urushi.scoring", name, Score) for name in catalogue.names("urushi.scoring")}
NAMES = [
    name for name, cls in CLASSES.items() if not (cls.needs or name == "adversarial")
]  # what depends on the residual
POOLINGS = get_args(Pooling)
PAIRS = [(name, space) for name in NAMES for space in CLASSES[name].spaces]
ZERO = 2e-6  # rounding of single precision

NUMPY = {
    "mean": np.mean,
    "max": np.max,
    "sum": np.sum,
    "deviation": np.std,
    "top": lambda one: np.sort(one, axis=None)[-round(0.1 * one.size) :].mean(),
    "quantile": lambda one: np.quantile(one, 0.7),
}

every_score = pytest.mark.parametrize(("name", "space"), PAIRS)


@cache
def score_of(name: str, space: Space, **chosen: object) -> Score:
    score = options.build(catalogue.load("urushi.scoring", name, Score), chosen, "score", space)
    if score.learns:
        score.fit([normal()], (64, 64))
    return score


def normal() -> Reconstruction:
    """Ten images, rebuilt more or less well."""
    generator = torch.Generator().manual_seed(3)
    images = 0.3 + 0.1 * torch.rand(10, 1, 64, 64, generator=generator)
    noise = torch.linspace(0.005, 0.01, 10)[:, None, None, None] * torch.randn(images.shape, generator=generator)
    return Reconstruction(images, images + noise)


def run(score: Score, pair: Reconstruction, side_px: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        return score(pair, (side_px, side_px))


def test_there_are_scores():
    assert {"squared_error", "absolute_error", "imed", "ssim", "zncc", "gmsd", "feature", "fusion"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_score_compares_pixels_and_says_so_if_it_cannot_compare_features(name):
    assert (name, "pixels") in PAIRS
    if (name, "features") not in PAIRS:
        with pytest.raises(RecipeError, match=f"{name} compares pixels, but the model rebuilds features"):
            score_of(name, "features")


@every_score
def test_a_perfect_reconstruction_scores_least_and_a_difference_more(name, space, planted):
    for pooling in [None, *POOLINGS]:
        score = score_of(name, space, pooling=pooling)
        _, scores = run(score, planted(0, 0.1, 0.3))
        if not score.learns:  # one that is measured against normal images lies below these
            assert abs(scores[0]) <= ZERO * (64 * 64 if "sum" in (pooling or score.default_pooling) else 1), pooling
        if pooling == "quantile":  # the square covers less than its hundredth of the map or not
            assert scores[0] <= scores[1] <= scores[2], pooling
        else:
            assert scores[0] + 1e-5 < scores[1] < scores[2], pooling


@every_score
def test_there_is_one_map_and_one_score_per_image(name, space, planted):
    anomaly_map, scores = score_of(name, space)(planted(0, 0.1, 0.2), (40, 56))
    assert anomaly_map.shape == (3, 1, 40, 56)
    assert scores.shape == (3,)
    assert anomaly_map.dtype == scores.dtype == torch.float32


@every_score
def test_the_map_peaks_where_the_difference_is(name, space, planted):
    anomaly_map, _ = run(score_of(name, space), planted(0.3))
    y, x = divmod(int(anomaly_map.argmax()), 64)
    assert 26 <= y < 38  # the square is 28…35; windows and features see a little beyond it
    assert 26 <= x < 38


@every_score
def test_the_map_is_lowest_and_flat_without_a_difference(name, space, planted):
    score = score_of(name, space)
    anomaly_map, _ = run(score, planted(0, 0.3))
    assert anomaly_map[0].max() - anomaly_map[0].min() <= ZERO
    assert anomaly_map.min() >= anomaly_map[0].max() - ZERO
    if not score.learns:
        assert abs(anomaly_map[0].max()) <= ZERO


@every_score
def test_a_small_residual_is_enlarged_to_the_size_asked_for(name, space, planted):
    pair, score = planted(0.3, side_px=32), score_of(name, space)
    (anomaly_map, scores), (again, same) = run(score, pair), run(score, pair, 32)
    assert anomaly_map.shape[-2:] == (64, 64)
    assert torch.equal(scores, same)  # the score is that of the residual itself
    assert (anomaly_map - again.min()).mean() == pytest.approx(float((again - again.min()).mean()), rel=0.05)


@every_score
def test_a_score_depends_neither_on_the_batch_nor_on_its_order(name, space, planted):
    for pooling in POOLINGS:
        score, pair = score_of(name, space, pooling=pooling), planted(0.3, 0.0, 0.1, 0.2, channels=3, side_px=32)
        maps, scores = run(score, pair)
        order = torch.tensor([2, 0, 3, 1])
        shuffled_maps, shuffled = run(score, Reconstruction(pair.original[order], pair.reconstruction[order]))
        assert torch.allclose(shuffled, scores[order], rtol=1e-5, atol=1e-6), pooling
        assert torch.allclose(shuffled_maps, maps[order], rtol=1e-5, atol=1e-6), pooling
        for row in range(4):
            one_map, one = run(score, Reconstruction(pair.original[row, None], pair.reconstruction[row, None]))
            assert torch.allclose(one[0], scores[row], rtol=1e-5, atol=1e-6), pooling
            assert torch.allclose(one_map[0], maps[row], rtol=1e-5, atol=1e-6), pooling


@every_score
def test_a_named_pooling_pools_the_map(name, space, planted):
    pair = planted(0.1, 0.3)
    for pooling, expected in NUMPY.items():
        score = score_of(name, space, pooling=pooling, top_fraction=0.1, quantile=0.7)
        with torch.no_grad():
            residual = score.compare(pair)[:, 0].double().numpy()
        assert np.allclose(run(score, pair)[1], [expected(one) for one in residual], rtol=1e-4, atol=1e-5), pooling


@every_score
def test_the_slope_is_finite_everywhere_and_points_to_a_better_reconstruction(name, space, planted):
    pair = planted(0, 0.05)
    rebuilt = pair.reconstruction.clone().requires_grad_()
    score_of(name, space)(Reconstruction(pair.original, rebuilt), (64, 64))[1].sum().backward()
    assert rebuilt.grad.isfinite().all()
    towards = (rebuilt.grad[1] * (pair.original - pair.reconstruction)[1]).sum()
    assert towards < 0


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_exported_graph_gives_the_same_for_any_number_of_images(name, planted):
    """By torch.export, the first half of the way to ONNX; it refuses branches on data and shapes that depend on it."""

    class Graph(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.score = score_of(name, "pixels")

        def forward(self, original: torch.Tensor, reconstruction: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return self.score(Reconstruction(original, reconstruction), (64, 64))

    def tensors(*strengths: float) -> tuple[torch.Tensor, torch.Tensor]:
        pair = planted(*strengths)
        return pair.original, pair.reconstruction

    any_number = {0: torch.export.Dim("images")}
    exported = torch.export.export(Graph(), tensors(0, 0.1), dynamic_shapes=(any_number, any_number)).module()
    with torch.no_grad():
        for found, expected in zip(exported(*tensors(0, 0.2, 0.3)), Graph()(*tensors(0, 0.2, 0.3)), strict=True):
            assert torch.allclose(found, expected, rtol=1e-5, atol=1e-6)


POOLING_DEFAULTS = {"pooling": None, "top_fraction": 0.01, "quantile": 0.99}
DEFAULTS = {
    "absolute_error": {},
    "adversarial": {"alpha": 0.5, "opinion": "posterior"},
    "feature": {"blocks": (2, 4, 10)},
    "gmsd": {"halved": False, "n_scales": 1},
    "imed": {"root": False, "sigma_px": 1.0},
    "latent_density": {
        "estimator": "gaussian_mixture",
        "n_components": 1,
        "n_neighbours": 5,
        "outlier_share": 0.1,
    },
    "residual_statistics": {"inner": Part(name="relative")},
    "squared_error": {},
    "ssim": {"extent": "local", "window_px": 11},
    "zncc": {"window_px": 11},
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_recipe_that_names_no_option_means_these(name):
    assert {one.name: one.default for one in options.describe(CLASSES[name])} == DEFAULTS[name] | POOLING_DEFAULTS


@pytest.mark.parametrize(
    ("name", "option", "allowed", "refused"),
    [
        ("squared_error", "top_fraction", (1e-6, 1.0), (0.0, 1.001)),
        ("squared_error", "quantile", (0.0, 1.0), (-0.001, 1.001)),
        ("adversarial", "alpha", (0.0, 1.0), (-0.001, 1.001)),
        ("gmsd", "n_scales", (1, 4), (0, 5)),
        ("imed", "sigma_px", (1e-3, 20.0), (0.0, 20.001)),
        ("ssim", "window_px", (3, 31), (1, 33)),
        ("zncc", "window_px", (3, 31), (1, 33)),
        ("latent_density", "n_components", (1, 64), (0, 65)),
        ("latent_density", "n_neighbours", (1, 256), (0, 257)),
        ("latent_density", "outlier_share", (1e-3, 0.999), (0.0, 1.0)),
    ],
)
def test_an_option_is_allowed_up_to_its_limits_and_not_beyond(name, option, allowed, refused):
    for value in allowed:
        assert options.check(CLASSES[name], {option: value}, "score")[option] == value
    for value in refused:
        with pytest.raises(RecipeError, match=rf"score\.{option} = "):
            options.check(CLASSES[name], {option: value}, "score")


def test_three_scores_learn_and_none_needs_defects_for_it():
    learning = {name for name in (*DEFAULTS, "fusion") if CLASSES[name].learns}
    assert learning == {"fusion", "latent_density", "residual_statistics"}
    assert not any(CLASSES[name].needs_defects for name in (*DEFAULTS, "fusion"))
    assert Score.__abstractmethods__ == {"compare"}


def test_gradient_steps_change_nothing_in_a_score():
    for name, space in PAIRS:
        assert [n for n, p in score_of(name, space).named_parameters() if p.requires_grad] == [], (name, space)
