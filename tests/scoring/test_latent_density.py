"""Densities of latent codes, against scikit-learn and SciPy on the same codes."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity, NearestNeighbors
from sklearn.svm import OneClassSVM

from urushi.errors import CalibrationError, RecipeError
from urushi.models.base import Reconstruction, Reconstructor
from urushi.scoring import ScoringGraph
from urushi.scoring.latent_density import LatentDensity

ESTIMATORS = ("gaussian_mixture", "kernel", "nearest", "one_class_svm")
J = 3
MIX = np.array([[2.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0.0, 0.0, 0.2]])


def codes(n: int, seed: int = 0) -> np.ndarray:
    return 5 + np.random.default_rng(seed).normal(size=(n, J)) @ MIX


def pairs(z: np.ndarray) -> Reconstruction:
    images = torch.full((len(z), 1, 4, 4), 0.5)
    return Reconstruction(images, images - 0.1, torch.from_numpy(z).float())


def fitted(estimator: str, n: int = 40, **options: object) -> LatentDensity:
    score = LatentDensity("pixels", estimator=estimator, **options)
    normal = codes(n)
    score.fit([pairs(normal[:25]), pairs(normal[25:])], (4, 4))
    return score


def scores(score: LatentDensity, z: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return score(pairs(z), (4, 4))[1].numpy()


def standard(z: np.ndarray) -> np.ndarray:
    normal = codes(40)
    return (z - normal.mean(axis=0)) / normal.std(axis=0, ddof=1)


def expected(estimator: str, z: np.ndarray) -> np.ndarray:
    normal, z = standard(codes(40)), standard(z)
    if estimator == "gaussian_mixture":
        covariance = np.cov(normal.T, bias=True) + 1e-2 * np.eye(J)
        return -multivariate_normal(normal.mean(axis=0), covariance).logpdf(z)
    if estimator == "kernel":
        width = (40 * (J + 2) / 4) ** (-1 / (J + 4))
        return -KernelDensity(bandwidth=width).fit(normal).score_samples(z)
    if estimator == "nearest":
        return NearestNeighbors(n_neighbors=5).fit(normal).kneighbors(z)[0].mean(axis=1)
    return -OneClassSVM(nu=0.1, gamma=1 / J).fit(normal).decision_function(z)


def test_it_is_what_the_library_says():
    for estimator in ESTIMATORS:
        z = np.concatenate([codes(6, seed=1), codes(3, seed=2) + 4])
        assert np.allclose(scores(fitted(estimator), z), expected(estimator, z), rtol=1e-3, atol=1e-4), estimator


def test_a_mixture_of_several_is_what_the_library_says():
    found = fitted("gaussian_mixture", n_components=3)
    reference = GaussianMixture(3, reg_covar=1e-2, random_state=0).fit(standard(codes(40)))
    z = codes(6, seed=1)
    assert np.allclose(scores(found, z), -reference.score_samples(standard(z)), rtol=1e-3)


def test_what_is_far_from_all_normal_codes_scores_higher_than_any_of_them():
    for estimator in ESTIMATORS:
        found = fitted(estimator)
        assert scores(found, codes(20, seed=1)).max() < scores(found, codes(5, seed=2) + 30).min() + 1e-6, estimator


def test_it_is_saved_and_loaded_whatever_the_number_of_codes():
    for estimator in ESTIMATORS:
        found, empty = fitted(estimator), LatentDensity("pixels", estimator=estimator)
        empty.load_state_dict(found.state_dict())
        assert np.array_equal(scores(empty, codes(5, seed=1)), scores(found, codes(5, seed=1))), estimator
        with torch.device("meta"):
            shell = LatentDensity("pixels", estimator=estimator)
        shell.load_state_dict(found.state_dict(), assign=True)
        assert np.array_equal(scores(shell, codes(5, seed=1)), scores(found, codes(5, seed=1))), estimator


def test_the_map_is_the_squared_error_and_a_pooling_pools_it():
    with torch.no_grad():
        anomaly_map, found = fitted("nearest", pooling="max")(pairs(codes(2)), (4, 4))
    assert torch.allclose(anomaly_map, torch.full((2, 1, 4, 4), 0.01))
    assert torch.allclose(found, torch.full((2,), 0.01))


def test_too_few_normal_images_are_an_error():
    with pytest.raises(CalibrationError, match=r"at least 5 normal images .* not 3"):
        LatentDensity("pixels", estimator="nearest").fit([pairs(codes(3))], (4, 4))
    with pytest.raises(CalibrationError, match="fit it before use"):
        LatentDensity("pixels")(pairs(codes(3)), (4, 4))


def test_a_method_without_a_bottleneck_is_refused_before_anything_is_fitted():
    class Copy(Reconstructor):
        def reconstruct(self, inputs: torch.Tensor) -> Reconstruction:
            return Reconstruction(inputs, inputs)

    with pytest.raises(RecipeError, match="this method has none"):
        ScoringGraph(Copy((1, 4, 4)), LatentDensity("pixels"))


def test_two_normal_images_are_enough_and_one_is_not():
    with pytest.raises(CalibrationError, match=r"at least 2 normal images .* not 1"):
        LatentDensity("pixels").fit([pairs(codes(1))], (4, 4))
    LatentDensity("pixels").fit([pairs(codes(2))], (4, 4))


def test_more_components_than_normal_images_are_an_error():
    with pytest.raises(CalibrationError, match=r"at least 4 normal images .* not 3"):
        LatentDensity("pixels", n_components=4).fit([pairs(codes(3))], (4, 4))


def test_what_is_learnt_keeps_no_way_back_to_the_model():
    pair = pairs(codes(9))
    score = LatentDensity("pixels")
    score.fit([Reconstruction(pair.original, pair.reconstruction, pair.latents.requires_grad_())], (4, 4))
    assert not any(value.requires_grad for value in score.buffers())


def test_a_code_that_was_seen_has_no_distance_to_itself():
    assert scores(fitted("nearest", n_neighbours=1), codes(40)[:9]) == pytest.approx(np.zeros(9), abs=2e-6)
