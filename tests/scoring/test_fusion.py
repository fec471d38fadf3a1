"""Fusion against NumPy, SciPy and scikit-learn; its parts' scores are controlled through flat differences."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.stats import combine_pvalues
from sklearn.linear_model import LogisticRegression

from urushi.catalogue import options
from urushi.errors import CalibrationError, RecipeError
from urushi.models.base import Reconstruction
from urushi.recipe import Recipe, parse_setting
from urushi.scoring import _combination, build_graph, restore_graph
from urushi.scoring._normal_reference import NormalReference
from urushi.scoring.fusion import Fusion

PARTS = [{"name": "squared_error", "pooling": "max"}, {"name": "zncc"}, {"name": "absolute_error"}]
SIZE = (16, 16)
RANDOM = np.random.default_rng(8)


def pairs(n: int, noise: float, seed: int = 0) -> Reconstruction:
    """n images, rebuilt with more or less noise."""
    random = np.random.default_rng(seed)
    images = random.random((n, 1, *SIZE))
    levels = noise * random.uniform(0.5, 1.5, (n, 1, 1, 1))
    rebuilt = images + levels * random.standard_normal(images.shape)
    return Reconstruction(*(torch.from_numpy(values.astype(np.float32)) for values in (images, rebuilt)))


NORMAL, NEW, DEFECTS = pairs(30, 0.05), pairs(8, 0.1, seed=1), pairs(12, 0.12, seed=2)


def fusion(**chosen: object) -> Fusion:
    return options.build(Fusion, {"scores": PARTS} | chosen, "score", "pixels")


def fitted(**chosen: object) -> Fusion:
    score = fusion(**chosen)
    score.fit([NORMAL], SIZE, [DEFECTS])
    return score


def parts_of(score: Fusion, pair: Reconstruction) -> tuple[np.ndarray, np.ndarray]:
    """Maps (B, K, H, W) and scores (B, K) of the parts, in double precision."""
    maps, scores = zip(*(part(pair, SIZE) for part in score.parts), strict=True)
    return torch.cat(maps, dim=1).double().numpy(), torch.stack(scores, dim=1).double().numpy()


def z_scores(score: Fusion, pair: Reconstruction) -> np.ndarray:
    normal = parts_of(score, NORMAL)[1]
    return (parts_of(score, pair)[1] - normal.mean(axis=0)) / normal.std(axis=0, ddof=1)


@pytest.mark.parametrize(("combination", "expected"), [("mean", np.mean), ("max", np.max)])
def test_z_scores_count_deviations_of_normal_scores(combination, expected):
    score = fitted(combination=combination)
    assert np.allclose(score(NEW, SIZE)[1], expected(z_scores(score, NEW), axis=1), rtol=1e-3, atol=1e-4)


def reference(normal: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    found = NormalReference(1, owner="a fusion", remedy="leave it out")
    found.fit(torch.from_numpy(normal)[:, None].float(), ["one"])
    return lambda scores: found.surprises(torch.from_numpy(scores)[:, None].float())[:, 0].double().numpy()


def test_a_p_value_is_the_share_of_normal_images_with_a_higher_score():
    normal = RANDOM.gamma(2.0, size=2000)
    scores = np.quantile(normal, [0, 0.1, 0.5, 0.85, 0.9])
    assert np.allclose(np.exp(-reference(normal)(scores)), [1, 0.9, 0.5, 0.15, 0.1], atol=2e-3)


def test_above_the_nine_tenths_quantile_it_falls_exponentially():
    normal = RANDOM.exponential(3.0, size=20_000)  # whose tail is exponential: p = exp(−s / 3) all the way
    scores = np.linspace(7, 60, 20)
    assert np.allclose(reference(normal)(scores), scores / 3, rtol=0.05)


@pytest.mark.parametrize("normal", [RANDOM.random(10), np.r_[np.zeros(9), 1.0], np.r_[0.0, np.ones(9)]])
def test_anomalies_never_tie_however_far_out_they_are(normal):
    found = reference(normal)(np.array([1.01, 2, 10, 1e3, 1e5, 1e7]))
    assert (np.diff(found) > 0).all()
    assert np.isfinite(found).all()


def test_a_tail_without_excess_is_a_tenth_of_a_deviation_long():
    normal = np.r_[np.zeros(50), np.ones(50)]  # its quantile at 0.9 is its highest score
    beyond, further = reference(normal)(np.array([1.5, 2.0]))
    assert further - beyond == pytest.approx(0.5 / (0.1 * normal.std(ddof=1)), rel=1e-4)


def test_a_tail_is_as_long_as_its_mean_excess_where_that_is_longer():
    normal = np.r_[np.linspace(0, 1, 91), np.full(9, 3.0)]  # 9 of 100 lie above the quantile at 0.9
    high = np.quantile(normal, 0.9)
    excess = (normal[normal > high] - high).mean()
    found = reference(normal)(np.array([4.0]))
    assert excess > 0.1 * normal.std(ddof=1)
    assert found == pytest.approx([np.log(10) + (4 - high) / excess], rel=1e-4)


def test_a_reference_is_fitted_once_it_has_seen_normal_scores():
    found = NormalReference(2, owner="a fusion", remedy="leave it out")
    assert not found.is_fitted
    found.fit(torch.tensor([[0.0, 5.0], [1.0, 7.0]]), ["one", "other"])
    assert found.is_fitted
    assert found.z_scores(torch.tensor([[0.5, 6.0]])).tolist() == [[0.0, 0.0]]
    assert found.deviation.tolist() == pytest.approx([0.5**0.5, 2**0.5])


def test_of_tied_normal_scores_none_is_a_surprise():
    assert reference(np.r_[np.zeros(9), 1.0])(np.zeros(1)) == 0


def test_the_surprise_never_falls_and_is_not_negative():
    found = reference(RANDOM.standard_normal(50))(np.linspace(-5, 5, 400))
    assert found[0] == 0
    assert (np.diff(found) >= 0).all()


def test_fisher_combines_p_values_as_scipy_does():
    score = fitted(normalisation="p_value", combination="fisher")
    p = np.exp(-score.reference.surprises(torch.from_numpy(parts_of(score, NEW)[1]).float()).double().numpy())
    expected = [-np.log(combine_pvalues(one, method="fisher").pvalue) for one in p]
    assert np.allclose(score(NEW, SIZE)[1], expected, rtol=1e-3, atol=1e-4)


def test_learned_weights_are_those_of_a_logistic_regression_on_labelled_images():
    score = fitted(combination="learned")
    normal, defects = z_scores(score, NORMAL), z_scores(score, DEFECTS)
    labels = np.repeat([0, 1], [len(normal), len(defects)])
    model = LogisticRegression(class_weight="balanced", tol=1e-8, max_iter=10_000)
    model.fit(np.concatenate([normal, defects]), labels)
    expected = model.decision_function(z_scores(score, NEW))
    assert np.allclose(score(NEW, SIZE)[1], expected, rtol=1e-2, atol=1e-2)
    assert score.weights.std() > 0.01


def test_learning_copes_with_a_defect_that_is_extremely_far_out():
    far = Reconstruction(DEFECTS.original, DEFECTS.original + 1e4)
    score = fusion(combination="learned")
    score.fit([NORMAL], SIZE, [far])
    assert score(far, SIZE)[1].min() > score(NORMAL, SIZE)[1].max()


@pytest.mark.parametrize("combination", ["mean", "learned"])
def test_the_map_is_the_weighted_mean_of_standardised_maps(combination):
    score = fitted(combination=combination)
    normal, maps = parts_of(score, NORMAL)[0], parts_of(score, NEW)[0]
    mean, deviation = normal.mean(axis=(0, 2, 3)), normal.std(axis=(0, 2, 3))
    standard = (maps - mean[:, None, None]) / deviation[:, None, None]
    weights = np.maximum(score.weights.double().numpy(), 0)
    expected = np.average(standard, axis=1, weights=weights)
    assert np.allclose(score(NEW, SIZE)[0][:, 0], expected, rtol=1e-3, atol=1e-4)


def test_the_sizes_of_the_batches_do_not_matter():
    def split(pair: Reconstruction, *sizes: int) -> list[Reconstruction]:
        halves = zip(pair.original.split(sizes), pair.reconstruction.split(sizes), strict=True)
        return [Reconstruction(*half) for half in halves]

    whole, parts = fitted(combination="learned"), fusion(combination="learned")
    parts.fit(iter(split(NORMAL, 1, 20, 9)), SIZE, iter(split(DEFECTS, 11, 1)))
    for name, value in whole.state_dict().items():
        assert torch.allclose(parts.state_dict()[name], value, rtol=1e-4, atol=1e-5), name


def test_a_detector_file_holds_what_was_learnt_whatever_the_number_of_images():
    recipe = Recipe.from_toml(
        """
        preprocessing = [{name = "scale"}]
        [model]
        name = "autoencoder"
        [score]
        name = "fusion"
        normalisation = "p_value"
        scores = [{name = "ssim", window_px = 7}, {name = "gmsd"}]
        """
    )
    assert Recipe.from_toml(recipe.to_toml()) == recipe
    graph = build_graph(recipe, (1, 32, 32)).eval()
    images = torch.rand(40, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        graph.score.fit([graph.model.reconstruct(images)], (32, 32))
        expected = graph(images[:3])
        weights = _safetensors(graph)
        again = restore_graph(recipe, [1, 32, 32], weights).eval()(images[:3])
    assert [part.window_px for part in graph.score.parts if hasattr(part, "window_px")] == [7]
    for found, before in zip(again, expected, strict=True):
        assert torch.equal(found, before)


def _safetensors(graph: torch.nn.Module) -> bytes:
    import safetensors.torch

    return safetensors.torch.save({name: value.contiguous() for name, value in graph.state_dict().items()})


def test_it_can_be_asked_for_on_the_command_line():
    key, value = parse_setting('score.scores=[{name="ssim"},{name="gmsd", n_scales=2}]')
    recipe = Recipe.find("autoencoder").with_settings({"score.name": "fusion", key: value})
    assert build_graph(recipe, (1, 64, 64)).score.names == ["ssim", "gmsd"]


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"scores": [PARTS[0]]}, r"score\.scores.*at least 2 items"),
        ({"scores": [PARTS[0], {"pooling": "max"}]}, r"score\.scores\.1\.name.*Field required"),
        ({"scores": [PARTS[0], {"name": "sim"}]}, r"no 'sim'; did you mean 'ssim'"),
        (
            {"scores": [PARTS[0], {"name": "ssim", "windw_px": 7}]},
            r"score\.scores\.1\.windw_px is unknown.*'window_px'",
        ),
        ({"scores": [PARTS[0], {"name": "fusion"}]}, r"score\.scores\.1: fusion is fitted to normal images itself"),
        ({"combination": "fisher"}, r"fisher.*set score\.normalisation = 'p_value'"),
    ],
)
def test_what_cannot_be_fused_is_refused(chosen, message):
    with pytest.raises(RecipeError, match=message):
        fusion(**chosen)


def test_a_part_that_compares_pixels_only_is_refused_in_features():
    with pytest.raises(RecipeError, match="gmsd compares pixels"):
        options.build(Fusion, {"scores": [{"name": "ssim"}, {"name": "gmsd"}]}, "score", "features")


def test_it_needs_defects_only_to_learn_weights():
    assert not fusion().needs_defects
    assert fusion(combination="learned").needs_defects
    with pytest.raises(CalibrationError, match=r"'learned' needs images of defects.*--defects"):
        fusion(combination="learned").fit([NORMAL], SIZE)


def test_before_it_is_fitted_it_gives_no_score():
    with pytest.raises(CalibrationError, match="has seen none: fit it before use"):
        fusion()(NEW, SIZE)


@pytest.mark.parametrize(
    ("normal", "message"),
    [
        ([], "at least 2 normal images, it was given 0"),
        ([pairs(1, 0.1)], "at least 2 normal images, it was given 1"),
        ([Reconstruction(NEW.original, NEW.original)], "squared_error is 0 on all 8 normal images"),
        ([NEW, Reconstruction(NEW.original, NEW.original * np.nan)], "squared_error is not finite"),
    ],
)
def test_normal_images_that_give_no_scale_are_refused(normal, message):
    with pytest.raises(CalibrationError, match=message):
        fusion().fit(normal, SIZE)


def test_what_is_learnt_keeps_no_way_back_to_the_model():
    score = fusion()
    score.fit([Reconstruction(NORMAL.original, NORMAL.reconstruction.clone().requires_grad_())], SIZE)
    assert not any(value.requires_grad for value in score.buffers())


def test_fisher_of_nothing_surprising_is_nothing_and_of_one_score_is_that_score():
    assert _combination.fisher(torch.zeros(1, 3)).tolist() == pytest.approx([0], abs=1e-6)
    assert _combination.fisher(torch.tensor([[0.3], [4.0]])).tolist() == pytest.approx([0.3, 4.0])
