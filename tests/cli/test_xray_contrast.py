import json

import pytest
from typer.testing import CliRunner

pytest.importorskip("xraylib")
pytest.importorskip("spekpy")

from urushi.cli.xray import app
from urushi.errors import InputError

NEEDLE = ["--product", "potato", "--thickness-mm", "60", "--object", "iron", "--size-mm", "1"]


def run(*arguments):
    return CliRunner().invoke(app, ["contrast", *arguments], env={"COLUMNS": "80"})


def test_a_table_and_one_sentence_say_which_voltage_to_use():
    result = run(*NEEDLE, "--voltages", "40,60,80")
    assert result.exit_code == 0
    assert "1 mm iron in 60 mm potato" in result.stdout
    assert [line.split()[1] for line in result.stdout.splitlines() if line.startswith("│")] == ["40", "60", "80"]
    assert result.stdout.splitlines()[-1].startswith("Use 80 kV: ")
    assert "40 kV has more contrast" in result.stdout
    assert "…" not in result.stdout  # nothing cut off in 80 columns


def test_an_object_that_no_voltage_shows_is_said_to_be_so():
    bubble = ["--product", "potato", "--thickness-mm", "60", "--object", "air", "--size-mm", "0.5"]
    out = run(*bubble, "--voltages", "40,80").stdout
    assert "None of these voltages shows it" in out
    assert "Use " not in out


def test_json_holds_the_rows_and_the_best():
    found = json.loads(run(*NEEDLE, "--json", "--voltages", "80,40", "--filter", "Al=2", "--filter", "Cu=0.1").stdout)
    assert [row["voltage_kv"] for row in found["rows"]] == [40, 80]
    assert (found["format"], found["best_kv"]) == (2, 80)
    assert "40 kV has more contrast" in found["reason"]
    assert found["tube"]["filters_mm"] == {"Al": 2, "Cu": 0.1}
    assert set(found["rows"][0]) == {
        "voltage_kv", "current_ma", "mean_kev", "n_photons_per_pixel", "transmission_product",
        "transmission_object", "contrast", "cnr", "smallest_mm",
    }  # fmt: skip


def test_materials_are_listed():
    out = run("--materials").stdout
    assert "│ potato " in out
    assert "│ lead_alloy " in out


@pytest.mark.thorough
def test_figures_are_written(tmp_path):
    pytest.importorskip("matplotlib")
    assert run(*NEEDLE, "--voltages", "40,80", "--beside", "starch", "--out", str(tmp_path)).exit_code == 0
    drawn = ("contrast", "spectra", "attenuation", "mass_attenuation", "processes")
    names = {f"{name}.{end}" for name in drawn for end in ("png", "svg")}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert "starch" in (tmp_path / "mass_attenuation.svg").read_text()


EXPOSURE = ["--exposure-ms", "1", "--distance-mm", "560", "--max-power-w", "100", "--current-ma", "2"]


@pytest.mark.thorough
def test_an_exposure_is_said_with_the_current_of_each_voltage():
    options = [*EXPOSURE, "--voltages", "40,80", "--anode-angle", "25", "--scintillator", "CsI@4.51=0.3"]
    out = run(*NEEDLE, *options).stdout
    assert "1 ms at 560 mm, at most 2 mA and 100 W" in out
    assert [line.split()[3] for line in out.splitlines() if line.startswith("│")] == ["2", "1.25"]
    assert "…" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--voltages", "40;50"], "commas"),
        (["--voltages", "5"], "10 to 500 kV"),
        (["--filter", "Al"], "material=millimetres"),
        (["--filter", "Al=thick"], "material=millimetres"),
        (["--product", "potatoe"], "did you mean 'potato'"),
        (["--size-mm", "61"], "thicker than the product"),
        (["--exposure-ms", "1"], "--distance-mm, and --current-ma or --max-power-w"),
        ([*EXPOSURE, "--photons", "100"], "leave out --photons and --fixed"),
        (["--target", "Fe"], "no tube has a target of 'Fe'"),
        (["--scintillator", "CsI@4.51"], "--scintillator 'CsI@4.51' came"),
    ],
)
def test_wrong_use_is_our_own_error(arguments, message):
    result = run(*NEEDLE, *arguments)
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)


def test_what_is_missing_is_named():
    result = run("--product", "potato")
    assert result.exit_code == 2
    assert "--thickness-mm" in result.output
