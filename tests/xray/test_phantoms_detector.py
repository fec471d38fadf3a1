import dataclasses

import numpy as np
import pytest

from urushi.xray.phantoms.detector import Detector, Pattern, compound_poisson, quantised
from urushi.xray.phantoms.grid import Grid

IDEAL = Detector(n_columns=200, pitch_mm=0.5, unsharpness_mm=0.4, open_level=0.5)
EVEN = Pattern(np.ones(200), np.zeros(200, bool))
N = 2000


def exposed(detector, transmission, *, pattern=EVEN, seed=0, n_frames=1, n_photons=N):
    slab = np.full((2, 200, 200), float(transmission))  # of photons that all have one energy
    return detector.expose(slab, n_photons, pattern, np.random.default_rng(seed), n_frames=n_frames)


def test_mean_and_variance_are_those_of_counted_photons():
    for transmission in [0.9, 0.3, 0.05]:
        signal = exposed(IDEAL, transmission) / 0.5
        sigma, n = np.sqrt(transmission / N), signal.size
        assert abs(signal.mean() - transmission) < 5 * sigma / np.sqrt(n), transmission
        assert abs(signal.var() / sigma**2 - 1) < 5 * np.sqrt(2 / n), transmission


def test_a_compound_sum_has_the_moments_of_photons_drawn_energy_by_energy():
    rng, energies, photons = np.random.default_rng(0), np.array([0.5, 1.0, 2.0]), np.array([20.0, 15.0, 10.0])
    drawn = rng.poisson(photons, (100_000, 3)) @ energies
    signal = np.array([energies @ photons, energies**2 @ photons])
    summed = compound_poisson(np.broadcast_to(signal[:, None, None], (2, 1000, 100)), 1.0, rng)
    assert summed.mean() == pytest.approx(drawn.mean(), rel=0.005)
    assert summed.std() == pytest.approx(drawn.std(), rel=0.02)
    assert (compound_poisson(np.zeros((2, 3, 3)), 1.0, rng) == 0).all()


def test_electronic_noise_adds_to_the_photons():
    detector = dataclasses.replace(IDEAL, dark_noise_photons=60.0)
    for n_photons in (2000, 4000):
        variance = (exposed(detector, 0.2, n_photons=n_photons) / 0.5).var()
        assert variance == pytest.approx(0.2 / n_photons + (60 / n_photons) ** 2, rel=0.05)


def test_light_that_spreads_makes_neighbours_alike_along_a_line_of_a_line_detector_only():
    for is_line in (False, True):
        spreading = exposed(dataclasses.replace(IDEAL, light_spread_mm=0.5, is_line=is_line), 0.5) - 0.25
        across = (spreading[:, 1:] * spreading[:, :-1]).mean() / spreading.var()
        along = (spreading[1:] * spreading[:-1]).mean() / spreading.var()
        assert across == pytest.approx(np.exp(-1 / 4), abs=0.02)  # a Gaussian of 1 px with itself, shifted by 1 px
        assert along == pytest.approx(0 if is_line else np.exp(-1 / 4), abs=0.02)


def test_averaged_frames_have_less_noise():
    assert exposed(IDEAL, 0.4).var() == pytest.approx(16 * exposed(IDEAL, 0.4, n_frames=16).var(), rel=0.1)


def test_levels_go_from_dark_to_open():
    detector = dataclasses.replace(IDEAL, dark_level=0.03)
    assert exposed(detector, 0.0) == pytest.approx(0.03)
    assert exposed(detector, 1.0, n_photons=1e9) == pytest.approx(0.5, abs=1e-3)


def test_unsharpness_is_the_same_number_of_mm_in_both_directions():
    grid = Grid(81, 81, 0.25, 0.5)
    point = np.zeros((1, 81, 81))
    point[0, 40, 40] = 1
    (blurred,) = IDEAL.unsharp(point, grid)
    assert blurred.sum() == pytest.approx(1)
    across = np.sqrt((blurred.sum(axis=0) * grid.x_mm[0] ** 2).sum())
    along = np.sqrt((blurred.sum(axis=1) * grid.y_mm[:, 0] ** 2).sum())
    assert (across, along) == (pytest.approx(0.4, rel=0.05), pytest.approx(0.4, rel=0.05))


def test_the_pattern_of_a_detector_holds_gain_and_dead_columns():
    detector = dataclasses.replace(IDEAL, shading=0.1, column_spread=0.005, dead_widths=(9, 7, 1))
    pattern = detector.pattern(np.random.default_rng(1))
    assert pattern.is_dead.sum() == 17
    assert not pattern.is_dead[[0, -1]].any()
    assert 0.85 < pattern.gain.min() < 0.98 < 1.02 < pattern.gain.max() < 1.15


def test_dead_columns_are_dark_with_and_without_the_beam():
    detector = dataclasses.replace(IDEAL, dark_level=0.03, dead_widths=(5, 2))
    pattern = detector.pattern(np.random.default_rng(2))
    for image in detector.calibration((1.0, 1.0), N, 30, pattern, np.random.default_rng(3)):
        assert ((image == 0).all(axis=0) == pattern.is_dead).all()


def test_single_pixels_are_dead_and_of_a_line_detector_columns():
    for is_line, n_dead in ((False, 30), (True, 30 * 200)):
        detector = dataclasses.replace(IDEAL, dark_level=0.03, n_dead_pixels=30, is_line=is_line)
        image = exposed(detector, 0.5, pattern=detector.pattern(np.random.default_rng(2)))
        assert (image == 0).sum() == n_dead


def test_lines_drift_only_where_the_detector_drifts():
    still, drifting = (exposed(dataclasses.replace(IDEAL, drift=drift), 0.5) for drift in (0.0, 0.02))
    assert still.mean(axis=1).std() / 0.25 < 0.004
    assert 0.012 < drifting.mean(axis=1).std() / 0.25 < 0.03


def test_quantising_uses_the_whole_range():
    assert quantised(np.array([0.0, 0.5, 1.0]), 8).tolist() == [0, 128, 255]
    assert quantised(np.array([0.0, 1.0]), 16).tolist() == [0, 65535]
    assert quantised(np.array([0.1]), 16).dtype == np.uint16
