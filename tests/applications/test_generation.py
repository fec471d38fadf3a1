"""Samples, interpolation and seed arithmetic of a trained generative method."""

from functools import cache

import numpy as np
import pytest
import torch

from urushi import Detector, Recipe
from urushi.applications.generation import Generator, arithmetic, between
from urushi.errors import InputError
from urushi.recipe import Part

SIZE = {"preprocessing.resize.height": 32, "preprocessing.resize.width": 32}


@pytest.fixture(scope="module")
def fitted(pictures):
    images = [image[0] for image in pictures(24, 32, 1, 0)]

    @cache
    def fitted(name: str, epochs: int = 1) -> Detector:
        training = {"max_epochs": epochs, "patience_epochs": epochs}
        recipe = Recipe.find("gan").model_copy(update={"model": Part(name=name)})
        return Detector.fit(images, recipe.with_settings(SIZE | {f"training.{k}": v for k, v in training.items()}))

    return fitted


def step(images: np.ndarray, others: np.ndarray) -> float:
    return float(np.linalg.norm((images - others).reshape(len(images), -1), axis=1).mean())


@pytest.mark.thorough
def test_consecutive_frames_differ_less_than_random_pairs(fitted):
    generator = Generator.of(fitted("gan", epochs=8))
    frames = generator.images(between(generator.code(0), generator.code(1), 16))
    random = generator.sample(16, seed=100)
    assert step(random[1:], random[:-1]) > 0.1  # it has not collapsed
    assert step(frames[1:], frames[:-1]) < 0.5 * step(random[1:], random[:-1])
    assert np.allclose(frames[0], generator.sample(1, seed=0)[0], atol=1e-5)
    assert np.allclose(frames[-1], generator.sample(1, seed=1)[0], atol=1e-5)


def test_codes_between_and_of_arithmetic_are_as_long_as_those_of_noise(fitted):
    generator = Generator.of(fitted("gan"))
    z = [generator.code(seed) for seed in range(3)]
    lengths = between(z[0], z[1], 9).norm(dim=1)
    assert lengths.min() > 0.9 * min(z[0].norm(), z[1].norm())
    assert torch.equal(between(z[0], z[0], 3)[1], z[0])
    assert torch.allclose(arithmetic(z[0], z[1], z[1]), z[0] / 3**0.5, atol=1e-6)
    many = torch.randn(3, 10000, generator=torch.Generator().manual_seed(0))
    assert arithmetic(*many).std().item() == pytest.approx(1, abs=0.03)


def test_a_convolutional_generator_makes_images_larger_than_it_saw(fitted):
    assert Generator.of(fitted("convolutional_bigan"), 136, 160).sample(2).shape == (2, 136, 160, 1)
    with pytest.raises(InputError, match="multiples of 8"):
        Generator.of(fitted("convolutional_bigan"), 100, 100)
    with pytest.raises(InputError, match="32 × 32 px only"):
        Generator.of(fitted("gan"), 64, 64)
    with pytest.raises(InputError, match="pixels are the most"):
        Generator.of(fitted("convolutional_bigan"), 10**6, 10**6)


def test_a_method_that_makes_no_images_says_so(pictures):
    images = [image[0] for image in pictures(8, 32, 1, 0)]
    plain = Recipe.find("autoencoder").with_settings(SIZE | {"training.max_epochs": 1})
    with pytest.raises(InputError, match="the method autoencoder makes no images"):
        Generator.of(Detector.fit(images, plain))
