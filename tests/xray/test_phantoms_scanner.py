import dataclasses

import numpy as np
import pytest

from urushi.xray.phantoms.grid import Grid
from urushi.xray.phantoms.scanner import Pattern, Scanner, quantised

IDEAL = Scanner(
    n_columns=200,
    pitch_mm=0.5,
    n_photons=2000,
    electronic_noise=0.0,
    unsharpness_mm=0.4,
    open_level=0.5,
    dark_level=0.0,
    shading=0.0,
    column_spread=0.0,
)
EVEN = Pattern(np.ones(200), np.zeros(200, bool))


def exposed(scanner, transmission, *, pattern=EVEN, seed=0, n_frames=1):
    slab = np.full((200, 200), float(transmission))
    return scanner.expose(slab, pattern, np.random.default_rng(seed), n_frames=n_frames)


def test_mean_and_variance_are_those_of_counted_photons():
    for transmission in [0.9, 0.3, 0.05]:
        signal = exposed(IDEAL, transmission) / 0.5
        sigma, n = np.sqrt(transmission / IDEAL.n_photons), signal.size
        assert abs(signal.mean() - transmission) < 5 * sigma / np.sqrt(n), transmission
        assert abs(signal.var() / sigma**2 - 1) < 5 * np.sqrt(2 / n), transmission


def test_electronic_noise_adds_to_the_photons():
    scanner = dataclasses.replace(IDEAL, electronic_noise=0.03)
    variance = (exposed(scanner, 0.2) / 0.5).var()
    assert variance == pytest.approx(0.2 / 2000 + 0.03**2, rel=0.05)


def test_averaged_frames_have_less_noise():
    assert exposed(IDEAL, 0.4).var() == pytest.approx(16 * exposed(IDEAL, 0.4, n_frames=16).var(), rel=0.1)


def test_levels_go_from_dark_to_open():
    scanner = dataclasses.replace(IDEAL, dark_level=0.03, n_photons=1e9)
    assert exposed(scanner, 0.0) == pytest.approx(0.03)
    assert exposed(scanner, 1.0) == pytest.approx(0.5, abs=1e-3)


def test_unsharpness_is_the_same_number_of_mm_in_both_directions():
    grid = Grid(81, 81, 0.25, 0.5)
    point = np.zeros((81, 81))
    point[40, 40] = 1
    blurred = IDEAL.unsharp(point, grid)
    assert blurred.sum() == pytest.approx(1)
    across = np.sqrt((blurred.sum(axis=0) * grid.x_mm[0] ** 2).sum())
    along = np.sqrt((blurred.sum(axis=1) * grid.y_mm[:, 0] ** 2).sum())
    assert (across, along) == (pytest.approx(0.4, rel=0.05), pytest.approx(0.4, rel=0.05))


def test_the_pattern_of_a_scanner_holds_gain_and_dead_columns():
    scanner = dataclasses.replace(IDEAL, shading=0.1, column_spread=0.005, dead_widths=(9, 7, 1))
    pattern = scanner.pattern(np.random.default_rng(1))
    assert pattern.is_dead.sum() == 17
    assert not pattern.is_dead[[0, -1]].any()
    assert 0.85 < pattern.gain.min() < 0.98 < 1.02 < pattern.gain.max() < 1.15


def test_dead_columns_are_dark_with_and_without_the_beam():
    scanner = dataclasses.replace(IDEAL, dark_level=0.03, dead_widths=(5, 2))
    pattern = scanner.pattern(np.random.default_rng(2))
    for image in scanner.calibration(30, pattern, np.random.default_rng(3)):
        assert ((image == 0).all(axis=0) == pattern.is_dead).all()


def test_lines_drift_only_where_the_scanner_drifts():
    still, drifting = exposed(IDEAL, 0.5), exposed(dataclasses.replace(IDEAL, drift=0.02), 0.5)
    assert still.mean(axis=1).std() / 0.25 < 0.004
    assert 0.012 < drifting.mean(axis=1).std() / 0.25 < 0.03


def test_quantising_uses_the_whole_range():
    assert quantised(np.array([0.0, 0.5, 1.0]), 8).tolist() == [0, 128, 255]
    assert quantised(np.array([0.0, 1.0]), 16).tolist() == [0, 65535]
    assert quantised(np.array([0.1]), 16).dtype == np.uint16
