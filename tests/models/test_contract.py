"""What every method promises. The battery runs over the folder: a new method gets it without a line here."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import torch
from torch import Tensor

from urushi import Detector, Recipe, catalogue
from urushi.catalogue import options
from urushi.data.loader import Rows
from urushi.errors import ExportError, RecipeError
from urushi.models.base import Reconstructor
from urushi.printable import in_px
from urushi.recipe import Training
from urushi.scoring import build_graph
from urushi.training import train

ROOM = "urushi.models"
NAMES = catalogue.names(ROOM)
CLASSES = {name: catalogue.load(ROOM, name, Reconstructor) for name in NAMES}
SHAPES = [(c, size, size) for size in (32, 64, 128, 256) for c in (1, 3)]  # a method is tested at its smallest
# Options that make a method small enough for so small images; a new method needs no line here.
SMALL: dict[str, dict[str, Any]] = {
    "attribute_restoration": {"architecture": "mlp"},
    "feature_reconstruction": {"blocks": (0, 10), "windows": (0,)},
    "feature_autoencoder": {"blocks": (0, 10), "windows": (0,)},
    "pixel_pca": {"n_components": 2},
    "sparse_dictionary": {"n_atoms": 6, "stride": 8},
}


@cache
def smallest_shape(name: str) -> tuple[int, int, int]:
    return next(shape for shape in SHAPES if accepts(name, shape))


def accepts(name: str, shape: tuple[int, int, int], **values: Any) -> bool:
    try:
        options.build(CLASSES[name], values, "model", shape)
    except RecipeError:
        return False
    return True


def build(name: str, seed: int = 0, **values: Any) -> Reconstructor:
    return build_graph(recipe(name, **values), smallest_shape(name), seed).model


def recipe(name: str, **values: Any) -> Recipe:
    """With small options, less those that are given."""
    channels, height, width = smallest_shape(name)
    steps = [
        {"name": "grey" if channels == 1 else "rgb"},
        {"name": "resize", "height": height, "width": width},
        {"name": "scale"},
    ]
    return Recipe.from_table(
        {
            "preprocessing": steps,
            "model": {"name": name, **SMALL.get(name, {}), **values},
            "score": {"name": "squared_error"},
            "training": {"max_epochs": 2, "batch_size": 4, "accelerator": "cpu"},
        },
        "test",
    )


def another_value(name: str, option: options.Option) -> Any:
    """A valid value other than the usual one here; None if there is none."""
    hint = get_type_hints(CLASSES[name].__init__)[option.name]
    default = SMALL.get(name, {}).get(option.name, option.default)
    if get_origin(hint) is Literal:
        candidates = list(get_args(hint))
    elif isinstance(default, bool):
        candidates = [not default]
    elif isinstance(default, int | float):
        candidates = [default * 2, default / 2, default + 1]
    else:
        candidates = [default[:-1]] if isinstance(default, tuple) else []
    allowed = (c for c in candidates if c != default and accepts(name, smallest_shape(name), **{option.name: c}))
    return next(allowed, None)


OPTIONS = [(name, option) for name in NAMES for option in options.describe(CLASSES[name])]
TRAINED = [name for name in NAMES if not CLASSES[name].is_closed_form]
CLOSED = [name for name in NAMES if CLASSES[name].is_closed_form]
NEAR = {"partial_diffusion"}  # which starts from the image itself: its error is small before it has learnt anything
HEAVY = {"partial_diffusion", "siren_inpainting"}  # whose smallest images take many passes
HEAVY |= {"orientation_normalisation", "feature_autoencoder"}  # which learn twice


@cache
def is_contest(name: str) -> bool:
    return not CLASSES[name].is_closed_form and len(build(name).optimizers()) > 1


def marked(name: str, *more: Any, **how: Any) -> Any:
    """A contest or many passes take their time: `make check` has them, the default suite their own tests only."""
    is_slow = name in HEAVY or is_contest(name)
    return pytest.param(name, *more, marks=[pytest.mark.slow] if is_slow else [], **how)


every_method = pytest.mark.parametrize("name", [marked(name) for name in NAMES])
every_trained_method = pytest.mark.parametrize("name", [marked(name) for name in TRAINED])


@pytest.fixture(scope="module")
def images(pictures):
    def images(name: str, n: int, seed: int = 0) -> np.ndarray:
        channels, size, _ = smallest_shape(name)
        return pictures(n, size, channels, seed)

    return images


@pytest.fixture(scope="module")
def fitted(images):
    @cache
    def fitted(name: str, seed: int = 0, again: int = 0) -> Detector:
        return Detector.fit(as_arrays(images(name, 12)), recipe(name), seed=seed)

    return fitted


def as_arrays(images: np.ndarray) -> list[np.ndarray]:
    return [image.transpose(1, 2, 0).squeeze() for image in images]


def model_of(detector: Detector) -> Reconstructor:
    return detector.backend.graph.model


def state_of(detector: Detector) -> dict[str, Tensor]:
    return detector.backend.graph.state_dict()


def inputs_of(model: Reconstructor, images: np.ndarray) -> Tensor:
    with torch.no_grad():
        return model.embed(torch.from_numpy(images))


def scores(detector: Detector, images: np.ndarray, batch_size: int = 16) -> np.ndarray:
    return np.array([found.score for found in detector.inspect_many(as_arrays(images), batch_size=batch_size)])


def phases(model: Reconstructor, inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
    """The losses as the trainer takes them, without its steps; the method's random numbers are the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield from model.losses(inputs)


# What it computes


@every_method
def test_rebuilds_into_the_shape_of_the_original(name, images):
    model = build(name).eval()
    inputs = inputs_of(model, images(name, 3))
    with torch.no_grad():
        pair = model.reconstruct(inputs)
    assert pair.reconstruction.shape == pair.original.shape
    assert pair.original.ndim == 4
    assert len(pair.original) == 3
    assert torch.isfinite(pair.reconstruction).all()


@every_method
def test_works_on_another_size_or_says_what_it_takes(name, images):
    channels, size, _ = smallest_shape(name)
    for height, width in [(size, size + 16), (size + 1, size + 1), (2 * size, 2 * size), (1, 1)]:
        try:
            model = options.build(CLASSES[name], {}, "model", (channels, height, width)).eval()
        except RecipeError as error:
            assert in_px((height, width)) in str(error)  # noqa: PT017  either outcome is right
            continue
        with torch.no_grad():
            pair = model.reconstruct(model.embed(torch.rand(2, channels, height, width)))
        assert pair.reconstruction.shape == pair.original.shape


@every_method
def test_the_same_input_gives_the_same_answer_twice(name, fitted, images):
    model = model_of(fitted(name))
    inputs = inputs_of(model, images(name, 4, seed=1))
    with torch.no_grad():
        assert torch.equal(model.reconstruct(inputs).reconstruction, model.reconstruct(inputs).reconstruction)


@every_method
def test_a_planted_defect_scores_above_the_clean_image(name, fitted, images):
    clean = images(name, 6, seed=2)
    defective = clean.copy()
    middle = clean.shape[-1] // 2
    defective[:, :, middle - 5 : middle + 5, middle - 5 : middle + 5] = 1
    assert (scores(fitted(name), defective) > scores(fitted(name), clean)).all()


# Batches. Convolutions add up in another order in another batch: float32 agrees to a few units in 1e-5.


@every_method
def test_score_does_not_depend_on_the_rest_of_the_batch(name, fitted, images):
    normal = images(name, 5, seed=4)
    alone = scores(fitted(name), normal, batch_size=1)
    strange = np.random.default_rng(0).random((11, *normal.shape[1:]), dtype=np.float32).round()
    assert scores(fitted(name), np.concatenate([normal, strange]))[:5] == pytest.approx(alone, rel=1e-4)


@every_method
def test_score_does_not_depend_on_the_order(name, fitted, images):
    normal = images(name, 7, seed=4)
    assert scores(fitted(name), normal[::-1])[::-1] == pytest.approx(scores(fitted(name), normal), rel=1e-4)


@every_method
def test_inspecting_is_done_in_evaluation_mode_and_changes_nothing(name, fitted, images, tmp_path):
    fitted(name).save(tmp_path / "part.urushi")
    for detector in (fitted(name), Detector.load(tmp_path / "part.urushi")):
        assert not any(module.training for module in detector.backend.graph.modules())
        before = {key: tensor.clone() for key, tensor in state_of(detector).items()}
        scores(detector, images(name, 4, seed=5))
        assert all(torch.equal(before[key], tensor) for key, tensor in state_of(detector).items())


# Seeds and files


@every_method
def test_same_seed_gives_the_same_weights_and_scores(name, fitted, images):
    first, second = fitted(name), fitted(name, again=1)
    assert first is not second
    assert all(torch.equal(state_of(second)[key], tensor) for key, tensor in state_of(first).items())
    assert (scores(second, images(name, 4)) == scores(first, images(name, 4))).all()


@every_trained_method
def test_another_seed_gives_other_initial_weights(name):
    one, other = build(name, seed=0).state_dict(), build(name, seed=1).state_dict()
    assert any(not torch.equal(one[key], other[key]) for key in one)


@every_method
def test_saved_and_loaded_it_gives_the_same(name, fitted, images, tmp_path):
    fitted(name).save(tmp_path / "part.urushi")
    loaded = Detector.load(tmp_path / "part.urushi")
    assert state_of(loaded).keys() == state_of(fitted(name)).keys()
    assert all(torch.equal(state_of(loaded)[key], tensor) for key, tensor in state_of(fitted(name)).items())
    for a, b in zip(*(d.inspect_many(as_arrays(images(name, 3, seed=6))) for d in (fitted(name), loaded)), strict=True):
        assert (a.score, a.threshold, a.p_value, a.regions) == (b.score, b.threshold, b.p_value, b.regions)
        assert (a.anomaly_map == b.anomaly_map).all()


# Export


@pytest.fixture(scope="module")
def exported(fitted, images):
    """With a graph that has passed the parity gate."""

    @cache
    def exported(name: str) -> Detector:
        return fitted(name).export(as_arrays(images(name, 8, seed=7)))

    return exported


@pytest.mark.slow  # an export takes seconds; tests/exporting has one of an autoencoder for the default suite
@pytest.mark.parametrize("name", NAMES)
def test_exported_it_gives_the_same_or_says_why_it_cannot_be(name, fitted, images, exported, tmp_path):
    if isinstance(reason := CLASSES[name].exportable, str):
        with pytest.raises(ExportError, match=re.escape(reason)):
            exported(name)
        return
    exported(name).save(tmp_path / "part.urushi")
    loaded, new = Detector.load(tmp_path / "part.urushi"), as_arrays(images(name, 5, seed=8))
    assert "ONNX Runtime" in loaded.backend.description
    for size in (1, 5):
        found = zip(fitted(name).inspect_many(new), loaded.inspect_many(new, batch_size=size), strict=True)
        for one, other in found:
            assert other.score == pytest.approx(one.score, rel=1e-3)
            assert other.decision == one.decision
            assert np.allclose(one.anomaly_map, other.anomaly_map, rtol=1e-3, atol=1e-3 * one.map_scale.high)
            assert (one.reconstruction is None) == (other.reconstruction is None)


@pytest.mark.slow
@every_method
def test_the_same_graph_passes_the_gate_of_openvino(name, images, exported):
    if isinstance(CLASSES[name].exportable, str):
        pytest.skip("it is not exported")
    normal = as_arrays(images(name, 8, seed=7))
    assert exported(name).export(normal, to="openvino").ways.graphs == exported(name).ways.graphs


# Learning


@every_method
def test_it_learns_in_one_of_the_two_ways(name):
    cls = CLASSES[name]
    assert cls.is_closed_form == (cls.fit is not Reconstructor.fit or cls.learn is not Reconstructor.learn)
    assert cls.is_closed_form == (cls.losses is Reconstructor.losses)
    assert cls.is_closed_form == (cls.optimizers is Reconstructor.optimizers)


@every_trained_method
def test_losses_are_finite_and_each_has_its_optimizer(name, images):
    model = build(name)
    found = list(phases(model, inputs_of(model, images(name, 4))))
    assert {optimizer for optimizer, _ in found} == set(model.optimizers())
    assert all(loss.ndim == 0 and torch.isfinite(loss) for _, loss in found)
    assert torch.isfinite(model.eval().validation_loss(inputs_of(model, images(name, 1))))


@every_trained_method
def test_each_trainable_parameter_gets_a_gradient_from_its_own_phase(name, images):
    model = build(name)
    optimizers = model.optimizers()
    reached: set[Tensor] = set()
    for optimizer, loss in phases(model, inputs_of(model, images(name, 8))):
        model.zero_grad()
        loss.backward()
        own = {p for group in optimizers[optimizer].param_groups for p in group["params"]}
        reached |= {p for p in own if p.grad is not None and p.grad.abs().max() > 0}
    missed = [key for key, p in model.named_parameters() if p.requires_grad and p not in reached]
    assert missed == []


@every_trained_method
def test_learning_rate_that_the_finder_sets_reaches_the_optimizer(name):
    model = build(name)
    if len(model.optimizers()) > 1:
        pytest.skip("several optimizers: the finder refuses them")
    model.learning_rate = 0.0123
    (optimizer,) = model.optimizers().values()
    assert all(group["lr"] == 0.0123 for group in optimizer.param_groups)


@every_trained_method
@pytest.mark.thorough
def test_training_on_one_batch_lowers_the_loss_and_the_error(name, images, tmp_path):
    model = build(name)
    inputs = inputs_of(model, images(name, 4))
    before = error_and_loss(model, inputs)
    rows = np.arange(4)
    settings = Training(max_epochs=4, batch_size=4, accelerator="cpu")
    parts = Rows(inputs.numpy(), np.tile(rows, 25)), Rows(inputs.numpy(), rows)
    train(model, *parts, settings, seed=0, folder=tmp_path)  # 100 steps
    after = error_and_loss(model, inputs)
    assert after[0] < before[0] * (1 if name in NEAR or is_contest(name) else 0.4)
    assert after[1] < before[1] or is_contest(name)  # whose losses rise and fall as one side gains on the other


def error_and_loss(model: Reconstructor, inputs: Tensor) -> tuple[float, float]:
    model.eval()
    with torch.no_grad():
        pair = model.reconstruct(inputs)
        loss = sum(loss for _, loss in phases(model, inputs))
    return (pair.original - pair.reconstruction).square().mean().item(), loss.item()


@pytest.mark.parametrize("name", CLOSED)
def test_closed_form_restores_most_of_what_it_was_fitted_on(name, images):
    model = build(name)
    inputs = inputs_of(model, images(name, 8))
    model.fit([inputs])
    pair = model.reconstruct(inputs)
    assert (pair.original - pair.reconstruction).square().sum() < 0.1 * pair.original.square().sum()


@pytest.mark.parametrize("name", CLOSED)
def test_closed_form_depends_neither_on_batch_size_nor_on_order(name, images):
    whole, parts = build(name), build(name)
    inputs = inputs_of(whole, images(name, 5))
    whole.fit([inputs])
    parts.fit(inputs.flip(0).split(2))
    with torch.no_grad():
        first, second = (m.reconstruct(inputs).reconstruction for m in (whole, parts))
    assert torch.allclose(first, second, atol=1e-4 * first.abs().max().item())


# Options


@pytest.mark.parametrize(
    ("name", "option"), [marked(name, option, id=f"{name}-{option.name}") for name, option in OPTIONS]
)
def test_each_option_changes_what_is_computed(name, option, usual, images):
    """So does each weight of a loss: a term that changes no gradient is none."""
    if (value := another_value(name, option)) is None:
        pytest.skip("it has no other valid value for so small images")
    assert not is_same(usual(name), footprint(name, images(name, 4), **{option.name: value}))


@every_method
def test_the_same_options_compute_the_same(name, usual, images):
    assert is_same(usual(name), footprint(name, images(name, 4)))


@pytest.fixture(scope="module")
def usual(images):
    """What a method computes with its usual options, once for all that are changed."""
    return cache(lambda name: footprint(name, images(name, 4)))


def footprint(name: str, images: np.ndarray, **values: Any) -> dict[str, Tensor]:
    """All that options can change: losses, gradients and learning rates, or what was fitted; and the restoration."""
    model = build(name, **values)
    inputs = inputs_of(model, images)
    found: dict[str, Tensor] = {}
    if model.is_closed_form:
        model.fit([inputs])
    else:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model.pretrain([inputs])
        optimizers = model.optimizers()
        for number, (optimizer, loss) in enumerate(phases(model, inputs)):
            loss.backward()
            found |= {f"{number} {optimizer}": loss.detach()}
        found |= {f"gradient {key}": p.grad for key, p in model.named_parameters() if p.grad is not None}
        rates = [group["lr"] for o in optimizers.values() for group in o.param_groups]
        for optimizer, _ in phases(model, inputs):  # what moves with the steps, such as averages of weights
            optimizers[optimizer].step()
        found["rates"] = torch.tensor(rates)
    with torch.no_grad():
        pair = model.eval().reconstruct(inputs)
    found["restored"] = pair.reconstruction
    found["n_pictures"] = torch.tensor(model.n_pictures)
    found |= {extra: getattr(pair, extra) for extra in model.gives if getattr(pair, extra) is not None}
    return found


def is_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


every_method_s_options = pytest.mark.parametrize("name", NAMES)


def options_of(name: str) -> list[options.Option]:
    found = [option for method, option in OPTIONS if method == name]
    assert found
    return found


@every_method_s_options
def test_each_option_is_described_and_its_default_is_valid(name):
    for option in options_of(name):
        assert option.description, option.name
        assert option.type, option.name
        if not option.is_required:
            assert options.check(CLASSES[name], {option.name: option.default}, "model")[option.name] == option.default


@every_method_s_options
def test_ill_typed_option_is_refused_by_its_name(name):
    for option in options_of(name):
        with pytest.raises(RecipeError, match=rf"model\.{option.name}\b"):
            build(name, **{option.name: {"a": "table"}})


@every_method_s_options
def test_misspelt_option_is_refused_with_the_nearest(name):
    for option in options_of(name):
        with pytest.raises(RecipeError, match=rf"model\.{option.name}x is unknown; did you mean '{option.name}'\?"):
            build(name, **{f"{option.name}x": option.default})


def test_misspelt_method_is_refused_with_the_nearest():
    with pytest.raises(RecipeError, match="models has no 'autoencodr'; did you mean 'autoencoder'"):
        catalogue.load(ROOM, "autoencodr", Reconstructor)
