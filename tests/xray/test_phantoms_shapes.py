"""Chords are compared with points counted along the ray, which know nothing of the formulas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from urushi.xray.phantoms.grid import Grid, texture, turned
from urushi.xray.phantoms.shapes import Ball, Cavity, Gap, Rod, clipped, length

Z = np.linspace(-8, 8, 3201)  # every 0.005 mm
GRID = Grid(21, 21, 0.3, 0.3)
coordinate = st.floats(-3, 3).map(lambda value: round(value, 2))
point = st.tuples(coordinate, coordinate, coordinate)


def counted(is_inside, x_mm, y_mm):
    """The length of each ray inside, by counting points."""
    x, y, z = np.broadcast_arrays(x_mm[..., None], y_mm[..., None], Z)
    return is_inside(np.stack([x, y, z], axis=-1)).sum(axis=-1) * (Z[1] - Z[0])


def in_cylinder(start, end, diameter):
    def is_inside(points):
        axis = np.subtract(end, start) / np.linalg.norm(np.subtract(end, start))
        along = (points - start) @ axis
        off_axis = np.linalg.norm(points - start - along[..., None] * axis, axis=-1)
        return (along >= 0) & (along <= np.linalg.norm(np.subtract(end, start))) & (off_axis <= diameter / 2)

    return is_inside


@given(point, point, st.floats(0.3, 3))
def test_a_rod_in_any_direction_is_as_long_as_its_points_say(start, end, diameter):
    if np.linalg.norm(np.subtract(end, start)) < 0.5:
        return
    rod = Rod((start, end), diameter)
    x, y = np.array([[-2.0, -1.01, 0.0, 0.53, 1.7]]), np.array([[-1.5], [0.02], [0.91]])
    expected = counted(in_cylinder(start, end, diameter), *np.broadcast_arrays(x, y))
    found = length(rod.spans(x, y))
    # A ray along the side grazes it: where a hair's breadth decides, both answers are right.
    grazing = length(Rod((start, end), diameter * 1.001).spans(x, y)) - length(
        Rod((start, end), diameter * 0.999).spans(x, y)
    )
    assert (np.abs(found - expected) <= 0.02 + grazing + 0.02 * (grazing > 0)).all()


def test_rods_along_the_beam_and_across_it():
    for end in [(0, 0, 6), (0, 0, -6), (6, 0, 0), (0, 6, 0)]:
        rod = Rod(((0.0, 0.0, 0.0), tuple(map(float, end))), 1.0)
        on_axis = length(rod.spans(np.array([[end[0] / 2]]), np.array([[end[1] / 2]])))
        assert on_axis == pytest.approx(6.0 if end[2] else 1.0), end


def test_a_bent_rod_counts_what_its_pieces_share_once():
    bent = Rod(((-3.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 3.0, 0.0)), 1.0)
    assert length(bent.spans(GRID.x_mm, GRID.y_mm)).max() <= 1.0 + 1e-9


def test_a_ball_has_the_volume_of_a_ball():
    fine = Grid(400, 400, 0.015, 0.015)
    volume = length(Ball((0.3, -0.2, 5.0), 4.0).spans(fine.x_mm, fine.y_mm)).sum() * 0.015**2
    assert volume == pytest.approx(np.pi / 6 * 4**3, rel=1e-3)


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-1, 5)), min_size=1, max_size=6))
def test_overlapping_stretches_are_counted_once(stretches):
    bottoms = np.array([bottom for bottom, _ in stretches])[:, None, None]
    tops = bottoms + np.array([extent for _, extent in stretches])[:, None, None]  # a negative one is empty
    z = np.linspace(-6, 11, 17001)
    covered = ((z >= bottoms[:, 0]) & (z <= tops[:, 0])).any(axis=0).sum() * (z[1] - z[0])
    assert length((bottoms, tops))[0, 0] == pytest.approx(covered, abs=0.02)


def test_clipping_keeps_what_lies_between_two_surfaces():
    spans = np.array([[[-2.0]], [[1.0]]]), np.array([[[0.5]], [[9.0]]])
    assert length(clipped(spans, np.array([[0.0]]), np.array([[3.0]])))[0, 0] == pytest.approx(0.5 + 2.0)
    assert length(clipped(spans, np.array([[3.0]]), np.array([[0.0]])))[0, 0] == 0  # an empty layer


def test_a_cavity_without_waves_is_round_and_highest_in_its_middle():
    cavity = Cavity((0.0, 0.0, 0.0), 2.0, 3.0, 0.0, 1.0, ())
    height = length(cavity.spans(GRID.x_mm, GRID.y_mm))
    assert height[10, 10] == pytest.approx(3.0)
    assert ((height > 0) == (np.hypot(GRID.x_mm, GRID.y_mm) < 2.0)).all()


def test_a_star_has_as_many_arms_as_its_wave():
    star = Cavity((0.0, 0.0, 0.0), 5.0, 3.0, 0.0, 1.0, ((0.0, 0.0),) * 4 + ((0.5, 0.0),))
    angle = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    on_ring = length(star.spans(5.5 * np.cos(angle)[None], 5.5 * np.sin(angle)[None]))[0] > 0
    assert (np.diff(on_ring.astype(int), append=on_ring[:1].astype(int)) == 1).sum() == 5


def test_a_gap_covers_its_outline():
    fine = GRID.finer(8)
    inside = length(Gap(((-2.0, -1.5), (2.0, -1.5), (2.0, 1.5), (-2.0, 1.5))).spans(fine.x_mm, fine.y_mm)) > 0
    assert inside.sum() * fine.pitch_x_mm * fine.pitch_y_mm == pytest.approx(12, rel=0.03)


def test_a_shape_lies_in_its_box():
    for shape in [
        Ball((0.5, -0.7, 2.0), 1.3),
        Rod(((-1.0, 0.0, 1.0), (1.5, 1.0, -2.0)), 0.7),
        Cavity((0.2, 0.1, 0.0), 1.0, 1.0, 30.0, 1.6, ((0.2, 0.3), (0.3, 1.0))),
        Gap(((-1.0, -0.5), (1.0, -0.2), (0.3, 1.5))),
    ]:
        touched = length(shape.spans(GRID.x_mm, GRID.y_mm)) > 0
        pixels, _ = GRID.window(shape.box_mm())
        assert touched[pixels].any(), shape
        touched[pixels] = False
        assert not touched.any(), shape


def test_finer_samples_average_to_the_coarse_ones():
    fine = GRID.finer(4)
    assert fine.x_mm.reshape(-1, 4).mean(axis=1) == pytest.approx(GRID.x_mm[0])
    assert fine.y_mm.reshape(-1, 4).mean(axis=1) == pytest.approx(GRID.y_mm[:, 0])


def test_a_window_is_a_part_of_its_grid():
    (rows, columns), part = GRID.window((-1.0, 0.4, 0.9, 2.0))
    assert part.x_mm == pytest.approx(GRID.x_mm[:, columns])
    assert part.y_mm == pytest.approx(GRID.y_mm[rows])
    assert GRID.window((100, 100, 101, 101))[1].n_columns == 0


def test_texture_belongs_to_the_place_and_not_to_the_pixels():
    coarse, fine = Grid(11, 11, 0.5, 0.5), Grid(51, 51, 0.1, 0.1)  # every fifth sample is in both
    options = {"seed": 3, "grain_mm": 1.0, "reach_mm": 5.0}
    at_coarse = texture(*turned(coarse.x_mm, coarse.y_mm, 20.0), **options)
    at_fine = texture(*turned(fine.x_mm, fine.y_mm, 20.0), **options)
    assert at_fine[::5, ::5] == pytest.approx(at_coarse, abs=1e-4)
    assert at_fine.std() > 0.3
