import matplotlib as mpl
import numpy as np
import pytest

from urushi.errors import InputError
from urushi.reporting.plots import style as plot_style


def figure():
    drawn = plot_style.new_figure(2, 2)
    axes = drawn.subplots()
    axes.plot([0, 1], [1, 0], label="one")
    axes.imshow(np.eye(3))
    axes.fill_between([0, 1], [0, 1], hatch="//")
    plot_style.legend_beside(axes)
    return drawn


@pytest.mark.thorough
def test_the_same_figure_is_the_same_files(tmp_path):
    first, second = (plot_style.write(figure(), tmp_path / name / "v1.2") for name in "ab")
    assert [path.name for path in first] == ["v1.2.png", "v1.2.svg"]  # a dot in the name is no suffix
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    text = first[1].read_text("utf-8")
    assert text.startswith("<?xml")
    assert "<svg" in text
    assert "<dc:date>" not in text


def test_a_png_has_200_dots_per_inch(tmp_path):
    from PIL import Image

    png, _ = plot_style.write(plot_style.new_figure(2, 1), tmp_path / "empty")
    with Image.open(png) as image:
        assert image.size == (400, 200)


def test_writing_leaves_matplotlibs_settings_alone(tmp_path):
    with mpl.rc_context({"svg.hashsalt": "the user's", "svg.fonttype": "none"}):
        before = dict(mpl.rcParams)
        plot_style.write(plot_style.new_figure(1, 1), tmp_path / "empty")
        assert dict(mpl.rcParams) == before


def test_a_folder_that_cannot_be_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="choose another folder"):
        plot_style.write(figure(), tmp_path / "file" / "figure")


def test_seven_series_share_no_colour_dash_or_marker():
    styles = [plot_style.line_style(number) for number in range(7)]
    for part in ("color", "linestyle", "marker"):
        assert len({str(style[part]) for style in styles}) == 7


@pytest.mark.parametrize("n", [0, 8])
def test_no_series_or_more_than_can_be_told_apart_are_an_error(n):
    with pytest.raises(InputError, match=f"{n} series came"):
        plot_style.few_enough(range(n))
    assert plot_style.few_enough("seven!!") == "seven!!"
