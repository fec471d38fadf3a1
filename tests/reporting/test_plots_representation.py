"""An image and its derivatives beside those of networks."""

import numpy as np
import pytest

from urushi.reporting.plots.implicit_representation import Derivatives, implicit_representation_figure


@pytest.fixture
def bowl():
    y, x = np.mgrid[:9, :12].astype(np.float32)
    return ((x**2 + 3 * y**2) / 500).astype(np.float32)


def test_derivatives_of_pixels_are_per_pixel(bowl):
    found, inner = Derivatives.of_pixels(bowl), np.s_[1:-1, 1:-1]
    y, x = np.mgrid[:9, :12]
    assert found.gradient[0][inner] == pytest.approx((6 * y / 500)[inner], abs=1e-6)
    assert found.gradient[1][inner] == pytest.approx((2 * x / 500)[inner], abs=1e-6)
    assert found.laplacian[inner] == pytest.approx(8 / 500, abs=1e-6)


def test_each_column_is_on_the_scale_of_the_image(bowl):
    true, weak = Derivatives.of_pixels(bowl), Derivatives(bowl / 9, np.zeros((2, 9, 12)), np.zeros((9, 12)))
    figure = implicit_representation_figure(true, {"weak": weak})
    above, below = np.reshape([axes.get_images()[0].get_clim() for axes in figure.axes], (2, 3, 2))
    assert above.tolist() == below.tolist()
    assert above[0].tolist() == [0, 1]
    length = np.quantile(np.linalg.norm(true.gradient, axis=0), 0.99)
    laplacian = np.quantile(np.abs(true.laplacian), 0.99)
    assert above[1:] == pytest.approx(np.array([[0, length], [-laplacian, laplacian]]))
    assert [axes.get_ylabel() for axes in figure.axes[::3]] == ["pixels", "weak"]


def test_an_image_of_one_grey_has_a_scale(bowl):
    figure = implicit_representation_figure(Derivatives.of_pixels(np.full_like(bowl, 0.5)), {})
    assert [axes.get_images()[0].get_clim() for axes in figure.axes] == [(0, 1), (0, 1), (-1, 1)]
