"""Learning curves from the logs of a run, and the learning-rate finder."""

import numpy as np
import pytest

from urushi.errors import InputError
from urushi.reporting.plots.learning_curves import LearningCurves, learning_curves_figure, read_learning_curves
from urushi.reporting.plots.learning_rate import learning_rate_figure


def log(folder, version, *rows, header="epoch,step,train/autoencoder,validation"):
    path = folder / "logs" / f"version_{version}" / "metrics.csv"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join([header, *rows]) + "\n")


def lines(figure):
    return {line.get_label(): line for line in figure.axes[0].get_lines()}


def test_losses_are_read_as_the_logger_writes_them(tmp_path):
    log(tmp_path, 0, "0,2,,5.0", "0,2,6.0,", "1,5,,3.0", "1,5,4.0,", "2,8,,3.5", "2,8,3.0,")
    for name in ("epoch-1.ckpt", "best.ckpt", "last.ckpt"):
        (tmp_path / name).touch()
    curves = read_learning_curves(tmp_path)
    assert curves.losses == {"training": {0: 6.0, 1: 4.0, 2: 3.0}, "validation": {0: 5.0, 1: 3.0, 2: 3.5}}
    assert (curves.best_epoch, curves.checkpoint_epochs) == (1, (1,))


def test_a_resumed_run_goes_on_and_a_new_run_replaces_the_old_one(tmp_path):
    log(tmp_path, 9, "0,2,,9.0", "1,5,,8.0", "2,8,,7.0")
    log(tmp_path, 10, "2,8,,6.0", "3,11,,5.0")  # epoch 2 was not whole when the first run was killed
    assert read_learning_curves(tmp_path).losses == {"validation": {0: 9.0, 1: 8.0, 2: 6.0, 3: 5.0}}
    log(tmp_path, 11, "0,2,,1.0")
    assert read_learning_curves(tmp_path).losses == {"validation": {0: 1.0}}


def test_losses_of_several_optimisers_keep_their_names(tmp_path):
    log(tmp_path, 0, "0,2,1.0,2.0", header="epoch,step,train/generator,train/discriminator")
    assert list(read_learning_curves(tmp_path).losses) == ["training, discriminator", "training, generator"]


@pytest.mark.parametrize(
    ("rows", "message"), [([], "no losses"), (["x,2,1.0,"], "cannot be read"), (["0,2,one,"], "cannot be read")]
)
def test_a_folder_without_losses_or_with_broken_ones_is_an_error(tmp_path, rows, message):
    log(tmp_path, 0, *rows)
    with pytest.raises(InputError, match=message):
        read_learning_curves(tmp_path)
    with pytest.raises(InputError, match="no losses"):
        read_learning_curves(tmp_path / "elsewhere")


def test_curves_checkpoints_and_the_best_epoch_are_drawn():
    losses = {"training": {0: 6.0, 1: 4.0, 2: 3.0}, "validation": {0: 5.0, 1: 3.0, 2: 3.0}}
    figure = learning_curves_figure(LearningCurves(losses, (1,)))
    drawn = lines(figure)
    assert [list(line.get_ydata()) for line in (drawn["training"], drawn["validation"])] == [[6, 4, 3], [5, 3, 3]]
    assert drawn["best epoch: 1\n3"].get_xydata().tolist() == [[1, 3]]  # of equals the first, as is kept
    points = [line for line in figure.axes[0].get_lines() if line.get_linestyle() == "None" and len(line.get_xdata())]
    assert [line.get_xydata().tolist() for line in points[:2]] == [[[1, 4]], [[1, 3]]]
    assert figure.axes[0].get_yscale() == "linear"


def test_losses_over_more_than_a_decade_have_a_logarithmic_axis_unless_one_is_negative():
    wide, negative = ({"training": {0: 100.0, 1: last}} for last in (1.0, -1.0))
    assert learning_curves_figure(LearningCurves(wide)).axes[0].get_yscale() == "log"
    assert learning_curves_figure(LearningCurves(negative)).axes[0].get_yscale() == "linear"
    with pytest.raises(InputError, match="0 series"):
        learning_curves_figure(LearningCurves())


def test_the_range_test_is_drawn_smoothed_with_the_chosen_rate():
    rates = np.geomspace(1e-6, 1e-1, 50)
    losses = 2 + np.random.default_rng(0).normal(0, 0.1, 50)
    figure = learning_rate_figure(rates, losses, 1e-3, smoothed_steps=11)
    drawn = lines(figure)
    assert drawn["each step"].get_ydata() == pytest.approx(losses)
    x, y = drawn["mean of 11 steps"].get_data()
    assert x == pytest.approx(rates[5:45])
    assert y == pytest.approx([losses[i : i + 11].mean() for i in range(40)])
    assert set(drawn["chosen: 0.001"].get_xdata()) == {1e-3}
    assert figure.axes[0].get_xscale() == "log"


@pytest.mark.parametrize(("rates", "losses"), [([], []), ([1e-3] * 20, [1.0] * 19), ([0.0] * 20, [1.0] * 20)])
def test_a_range_test_that_says_nothing_is_an_error(rates, losses):
    with pytest.raises(InputError, match=f"{len(rates)} rates and {len(losses)} losses"):
        learning_rate_figure(rates, losses, 1e-3)
