import pytest

from urushi.cli._plots import write_training
from urushi.reporting.plots import evaluation_plots


@pytest.fixture
def quick_writing(monkeypatch):
    """Files without drawing, which takes most of the time."""

    def write(figure, stem):
        for kind in ("png", "svg"):
            stem.with_suffix(f".{kind}").write_text(str(len(figure.axes)))
        return stem.with_suffix(".png"), stem.with_suffix(".svg")

    monkeypatch.setattr(evaluation_plots, "write", write)


@pytest.mark.thorough
def test_evaluate_leaves_plots(urushi, fitted, dataset, tmp_path, quick_writing):
    result = urushi("evaluate", fitted, dataset, "--plots", tmp_path / "new" / "plots")
    assert result.status == 0
    assert "10 plots in" in result.err
    kinds = {"decisions_by_defect", "most_certain", "precision_recall", "reconstructions", "roc", "scores"}
    for suffix in (".png", ".svg"):
        found = {path.stem for path in (tmp_path / "new" / "plots").iterdir() if path.suffix == suffix}
        assert found == kinds | {"confusion", "luminance", "latent_map", "latent_histograms"}


@pytest.mark.thorough
def test_without_defects_there_is_no_curve_and_that_is_said(urushi, fitted, dataset, tmp_path, quick_writing):
    only_good = tmp_path / "data"
    (only_good / "train").mkdir(parents=True)
    (only_good / "test" / "hole").mkdir(parents=True)
    (only_good / "test" / "hole" / "000.png").write_bytes(b"no image")
    (only_good / "train" / "good").symlink_to(dataset / "train" / "good")
    (only_good / "test" / "good").symlink_to(dataset / "test" / "good")
    result = urushi("evaluate", fitted, only_good, "--plots", tmp_path / "plots")
    assert result.status == 1  # the only defect could not be read
    assert "no plot roc: " in result.err
    assert "8 plots in" in result.err


def test_a_place_for_plots_that_cannot_be_is_said_before_the_work(urushi, fitted, dataset, tmp_path):
    (tmp_path / "file").touch()
    result = urushi("evaluate", fitted, dataset, "--plots", tmp_path / "file" / "plots")
    assert result.status == 2
    assert "give --plots another place" in result.err
    assert result.out == ""


@pytest.mark.slow
def test_plots_are_pictures(urushi, fitted, dataset, tmp_path):
    urushi("evaluate", fitted, dataset, "--plots", tmp_path)
    assert len(list(tmp_path.iterdir())) == 20
    for path in tmp_path.iterdir():
        assert path.read_bytes().startswith(b"\x89PNG" if path.suffix == ".png" else b"<?xml")


@pytest.mark.thorough
def test_curves_and_page_of_a_training_lie_in_its_folder(tmp_path, capsys):
    trained = {"epochs": 1, "best_epoch": 0, "best_validation_loss": 5.0, "learning_rate": 1e-3, "concern": "<odd>"}
    write_training(tmp_path, "mine", trained)
    assert "no page of the training" in capsys.readouterr().err
    log = tmp_path / "logs" / "version_0" / "metrics.csv"
    log.parent.mkdir(parents=True)
    log.write_text("epoch,step,train/autoencoder,validation\n0,2,,5.0\n0,2,6.0,\n")
    write_training(tmp_path, "mine", trained)
    assert str(tmp_path / "training.html") in capsys.readouterr().err
    assert (tmp_path / "learning_curves.svg").is_file()
    page = (tmp_path / "training.html").read_text("utf-8")
    assert "Trained for <b>1 epoch</b>" in page
    assert "&lt;odd&gt;" in page
