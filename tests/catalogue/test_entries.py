import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from urushi import catalogue
from urushi.errors import RecipeError
from urushi.models.base import Reconstructor
from urushi.preprocessing.base import Step
from urushi.recipe import Recipe
from urushi.scoring import build_graph
from urushi.scoring.base import Score

GUEST = '''
"""A method from elsewhere: it rebuilds every image as it came."""

from urushi.models.base import Reconstruction, Reconstructor


class Mirror(Reconstructor):
    """Sees no defect."""

    is_closed_form = True

    def __init__(self, image_shape, *, brightness: float = 1.0) -> None:
        super().__init__(image_shape)
        self.brightness = brightness

    def reconstruct(self, inputs):
        return Reconstruction(inputs, inputs * self.brightness)

    def fit(self, batches) -> None: ...


class Stranger: ...
'''
ENTRY_POINTS = "[urushi.models]\nmirror = guest_urushi:Mirror\nstranger = guest_urushi:Stranger\n"


@pytest.fixture
def guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package that another distribution has installed, with its entry points."""
    (tmp_path / "guest_urushi.py").write_text(GUEST)
    info = tmp_path / "guest_urushi-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: guest-urushi\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    catalogue.names.cache_clear()
    yield tmp_path
    catalogue.names.cache_clear()


def test_the_modules_of_a_room_are_its_entries():
    assert {"autoencoder", "feature_reconstruction", "variational_autoencoder"} <= set(catalogue.names("urushi.models"))
    assert set(catalogue.names("urushi.preprocessing")) >= {"grey", "min_max", "resize", "rgb", "scale"}
    assert catalogue.names("urushi.models") == tuple(sorted(catalogue.names("urushi.models")))


@pytest.mark.parametrize("room", ["urushi.models", "urushi.scoring", "urushi.preprocessing", "urushi.calibration"])
def test_private_modules_bases_and_folders_are_no_entries(room):
    assert not {name for name in catalogue.names(room) if name.startswith("_") or name in ("base", "networks")}


@pytest.mark.parametrize(
    ("room", "base"), [("urushi.models", Reconstructor), ("urushi.scoring", Score), ("urushi.preprocessing", Step)]
)
def test_every_entry_is_a_class_of_its_room(room, base):
    loaded = [catalogue.load(room, name, base) for name in catalogue.names(room)]
    assert all(issubclass(cls, base) for cls in loaded)
    assert len(set(loaded)) == len(loaded)


def test_an_unknown_entry_names_the_nearest_one():
    with pytest.raises(RecipeError, match=r"models has no 'autoencodr'; did you mean 'autoencoder'\? There is: adv"):
        catalogue.load("urushi.models", "autoencodr", Reconstructor)


@pytest.mark.parametrize("name", ["base", "_pipeline", "..errors", "networks.backbone", ""])
def test_only_what_is_listed_can_be_loaded(name):
    with pytest.raises(RecipeError, match="There is: "):
        catalogue.load("urushi.models", name, Reconstructor)


def test_listing_names_imports_none_of_them():
    code = (
        "import sys; from urushi import catalogue\n"
        "for room in ('models', 'scoring', 'preprocessing', 'calibration', 'data.layouts'):\n"
        "    assert catalogue.names('urushi.' + room), room\n"
        "print([m for m in sys.modules if m in ('torch', 'kornia', 'lightning') or m.startswith('urushi.models.')])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_another_package_adds_a_method_by_an_entry_point(guest):
    assert "mirror" in catalogue.names("urushi.models")
    table = {
        "preprocessing": [{"name": "scale"}],
        "model": {"name": "mirror", "brightness": 0.5},
        "score": {"name": "absolute_error"},
    }
    graph = build_graph(Recipe.from_table(table, "test"), (1, 8, 8))
    import torch

    _, _, scores = graph(torch.ones(2, 1, 8, 8))
    assert scores.tolist() == [0.5, 0.5]


def test_an_entry_point_that_gives_something_else_says_so(guest):
    with pytest.raises(TypeError, match=r"entry point 'stranger' gives .*Stranger.*no Reconstructor"):
        catalogue.load("urushi.models", "stranger", Reconstructor)


def test_the_package_is_gone_when_it_is_not_installed():
    assert "mirror" not in catalogue.names("urushi.models")
