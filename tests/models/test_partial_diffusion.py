"""The noise schedule, and the way to noise and back."""

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler

from urushi import Detector, Recipe
from urushi.errors import RecipeError
from urushi.models.networks.denoiser import Denoiser
from urushi.models.networks.noise_schedule import CosineSchedule
from urushi.models.partial_diffusion import PartialDiffusion

SHAPE = (1, 16, 16)
T = 1000


@pytest.fixture(scope="module")
def schedule():
    return CosineSchedule(T)


@pytest.fixture(scope="module")
def reference():
    return DDPMScheduler(num_train_timesteps=T, beta_schedule="squaredcos_cap_v2")


def model(**options):
    torch.manual_seed(0)
    how = {"width": 8, "levels": 2, "attention": False, "averaging": 0.0} | options
    return PartialDiffusion(SHAPE, **how)


def images(n=2):
    return torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(1))


# The schedule


def test_share_that_is_left_has_the_closed_form(schedule):
    t = np.arange(T)  # at T itself, β is cut off at 0.999
    closed = np.cos((t / T + 0.008) / 1.008 * np.pi / 2) ** 2 / np.cos(0.008 / 1.008 * np.pi / 2) ** 2
    assert schedule.alpha_bar[:T] == pytest.approx(closed, abs=1e-6)
    assert schedule.beta[T] == pytest.approx(0.999)


def test_schedule_is_that_of_diffusers(schedule, reference):
    assert schedule.beta[1:] == pytest.approx(reference.betas.double().numpy(), abs=1e-6)
    assert schedule.alpha_bar[1:] == pytest.approx(reference.alphas_cumprod.double().numpy(), abs=1e-6)


@pytest.mark.parametrize("t", [1, 2, 10, 500, 1000])
def test_posterior_is_that_of_bayes_and_of_diffusers(schedule, reference, t):
    """x_{t−1} ~ N(√ᾱ_{t−1} x_0, 1 − ᾱ_{t−1}), seen through x_t ~ N(√(1 − β_t) x_{t−1}, β_t)."""
    of_first, of_now, variance = schedule.posterior(t)
    before, beta = schedule.alpha_bar[t - 1], schedule.beta[t]
    if t > 1:
        precision = (1 - beta) / beta + 1 / (1 - before)
        assert variance == pytest.approx(1 / precision, abs=1e-6)
        assert of_first == pytest.approx(np.sqrt(before) / (1 - before) / precision, abs=1e-6)
        assert of_now == pytest.approx(np.sqrt(1 - beta) / beta / precision, abs=1e-6)
    assert variance == pytest.approx(reference._get_variance(t - 1).item(), abs=1e-6)


def test_mean_of_the_step_back_is_that_of_the_posterior(schedule):
    x, noise = torch.rand(2, *SHAPE, dtype=torch.float64), torch.randn(2, *SHAPE, dtype=torch.float64)
    for t in (2, 10, 900):
        seen = schedule.diffused(x, t, noise)
        of_first, of_now, _ = schedule.posterior(t)
        assert torch.allclose(schedule.mean_before(seen, t, noise), of_first * x + of_now * seen, atol=1e-6)


def test_last_step_gives_the_original(schedule):
    x, noise = images(), torch.randn(2, *SHAPE)
    seen = schedule.diffused(x, 1, noise)
    assert torch.allclose(schedule.mean_before(seen, 1, noise), x, atol=1e-5)
    assert torch.allclose(schedule.original(seen, 1, noise), x, atol=1e-5)


def test_times_go_evenly_down_to_zero(schedule):
    assert schedule.times(10, 5) == [10, 8, 6, 4, 2, 0]
    assert schedule.times(3, 50) == [3, 2, 1, 0]


# There and back


@pytest.mark.parametrize(("steps", "sampler_steps"), [(10, 0), (10, 3), (500, 20)])
def test_with_the_exact_noise_the_image_comes_back(steps, sampler_steps):
    made = model(mode="diffusion", steps=steps, sampler_steps=sampler_steps, opinion="one_step").eval()
    made.average.forward = lambda x, _t: made.noises.expand_as(x)
    assert torch.allclose(made.reconstruct(images()).reconstruction, images(), atol=1e-3)
    assert made.reconstruct(images()).critique.abs().max() < 1e-6


def test_with_the_exact_noise_of_each_step_the_source_s_sampler_comes_back_too():
    """Noise is drawn in each step; what is exact then is what leads to the original."""
    made = model(mode="diffusion", sampler="ddpm", steps=10).eval()
    target, schedule = 2 * images() - 1, made.schedule

    def exact(x, t):
        left = schedule.alpha_bar[int(t[0])]
        return (x - left**0.5 * target) / (1 - left) ** 0.5

    made.average.forward = exact
    assert torch.allclose(made.reconstruct(images()).reconstruction, images(), atol=1e-3)


@pytest.mark.parametrize(
    ("mode", "sampler"),
    [
        ("no_diffusion", "ddim"),
        ("diffusion", "ddpm"),
        ("full", "ddim"),
        pytest.param("no_diffusion", "ddpm", marks=pytest.mark.thorough),
        pytest.param("diffusion", "ddim", marks=pytest.mark.thorough),
        pytest.param("full", "ddpm", marks=pytest.mark.thorough),
    ],
)
def test_no_image_depends_on_the_others_of_its_batch(mode, sampler):
    made = model(mode=mode, sampler=sampler, total_steps=20, steps=5, n_noises=2, opinion="one_step").eval()
    with torch.no_grad():
        together, alone = made.reconstruct(images(3)), made.reconstruct(images(3)[1:2])
    assert torch.allclose(together.reconstruction[1:2], alone.reconstruction, atol=1e-5)
    assert torch.allclose(together.critique[1:2], alone.critique, atol=1e-5)


@pytest.mark.thorough
def test_more_noises_are_averaged():
    single = [model(mode="diffusion", steps=20).eval() for _ in range(2)]
    both = model(mode="diffusion", steps=20, n_noises=2).eval()
    for number, made in enumerate(single):
        made.load_state_dict(both.state_dict() | {"noises": both.noises[number : number + 1]})
    with torch.no_grad():
        first, second = (made._restored(2 * images() - 1, 0) for made in single)
        mean = ((first + second) / 4 + 0.5).clamp(0, 1)
        assert torch.allclose(both.reconstruct(images()).reconstruction, mean, atol=1e-5)


def test_what_is_learnt_is_restricted_to_the_trained_steps(monkeypatch):
    made, seen = model(trained_steps=12, steps=10), []
    monkeypatch.setattr(made.denoiser, "forward", lambda x, t: seen.append(t) or torch.zeros_like(x))
    for _ in range(20):
        list(made.losses(images(8)))
    drawn = torch.cat(seen)
    assert (drawn.min(), drawn.max()) == (1, 12)


def test_half_of_the_draws_are_even_over_the_logarithm_of_the_noise(schedule):
    chances = schedule.time_weights(T)
    assert chances.sum() == pytest.approx(1)
    assert chances.min() > 0.5 / T
    assert chances[:10].sum() > 0.1  # 0.01 where all are drawn evenly
    shares = np.log(1 - schedule.alpha_bar[[10, 100, 1000]])
    even, by_noise = 90 / T, (shares[1] - shares[0]) / (shares[2] - np.log(1 - schedule.alpha_bar[1]))
    assert chances[10:100].sum() == pytest.approx(0.5 * even + 0.5 * by_noise, rel=0.1)
    assert schedule.time_weights(1) == pytest.approx([1.0])


def test_times_by_noise_stay_within_what_is_learnt():
    drawn = model(time_sampling="log_noise", trained_steps=30)._drawn_times(500)
    assert (drawn.min(), drawn.max()) == (1, 30)
    assert (drawn <= 3).float().mean() > 0.15


@pytest.mark.parametrize("t", [2, 10, 200])
def test_detail_shows_the_noise_at_one_scale(t):
    """Of an even image: eight ninths of the noise's variance are left by the blur of nine pixels."""
    made = model(detail=True)
    noise = torch.randn(64, *SHAPE)
    x = made.schedule.diffused(torch.full((64, *SHAPE), 0.3), t, noise)
    found = made.denoiser._detail(x, torch.full((64,), t), made.denoiser.noise_shares)
    share = 1 - made.schedule.alpha_bar[t]
    wanted = (8 / 9 * share / (share + 0.02**2)) ** 0.5
    assert found[..., 1:-1, 1:-1].std().item() == pytest.approx(wanted, rel=0.05)
    assert found.shape == x.shape


def test_the_loss_is_measured_at_small_and_at_large_t():
    found = model(trained_steps=100).eval().measurements(images())
    assert found.keys() == {"loss_at_t_1", "loss_at_t_10", "loss_at_t_100"}
    assert all(value.item() > 0 for value in found.values())


def test_attention_may_be_on_more_levels_than_the_lowest():
    def n_attentions(**options):
        return sum(type(part).__name__ == "Attention" for part in model(attention=True, **options).denoiser.modules())

    assert n_attentions() < n_attentions(attention_levels=2) == n_attentions(attention_levels=6)


@pytest.mark.parametrize(
    "options",
    [
        {"steps": 30, "trained_steps": 20},
        {"mode": "full", "trained_steps": 20},
        {"total_steps": 10, "steps": 11},
        {"trained_steps": 200, "total_steps": 100},
    ],
)
def test_steps_that_are_not_learnt_are_refused(options):
    with pytest.raises(RecipeError, match=r"lower model\.steps, raise model\.trained_steps"):
        model(**options)


def test_sides_that_cannot_be_halved_are_refused():
    with pytest.raises(RecipeError, match="4 levels of patches of 1 px take sides that are multiples of 8"):
        PartialDiffusion((1, 20, 20), levels=4)


@pytest.mark.thorough
def test_a_trained_denoiser_takes_noise_away():
    made = model(trained_steps=100, steps=20, mode="no_diffusion", learning_rate=3e-3)
    made.train()
    (optimizer,) = made.optimizers().values()
    flat = torch.full((8, *SHAPE), 0.5)
    for _ in range(40):
        for _, loss in made.losses(flat):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    noisy = (flat[:4] + 0.02 * torch.randn(4, *SHAPE)).clamp(0, 1)
    with torch.no_grad():
        restored = made.eval().reconstruct(noisy).reconstruction
    assert (restored - 0.5).square().mean() < 0.5 * (noisy - 0.5).square().mean()


# Opinions and sizes


def test_the_prior_s_opinion_is_the_noise_that_leads_to_the_image():
    """There and back again by the same steps: with a U-Net that finds the same noise anywhere, exactly."""
    made = model(opinion="prior", mode="diffusion").eval()
    made.average.forward = lambda x, _t: made.noises.expand_as(x)
    with torch.no_grad():
        z = made.reconstruct(images()).latents
    assert torch.allclose(z, made.schedule.diffused(2 * images() - 1, T, made.noises), atol=1e-4)


def test_of_normal_pixels_the_prior_s_noise_is_their_standard_score():
    """Pixels N(0, s²) have the exact ε = √(1 − ᾱ) x_t / (ᾱ s² + 1 − ᾱ), which leads from x to x / s."""
    made, s = model(opinion="prior").eval(), 0.3

    def exact(x, t):
        left = float(made.schedule.alpha_bar[int(t[0])])
        return (1 - left) ** 0.5 * x / (left * s**2 + 1 - left)

    made.average.forward = exact
    with torch.no_grad():
        z = made.reconstruct(images()).latents
    assert torch.allclose(z, (2 * images() - 1) / s, rtol=0.15, atol=0.02)


def test_only_what_is_asked_for_is_computed(monkeypatch):
    calls = []
    for opinion, n in (("none", 10), ("one_step", 11), ("prior", 30)):
        made = model(opinion=opinion).eval()
        monkeypatch.setattr(made, "_found", lambda x, t: calls.append(t) or torch.zeros_like(x))
        calls.clear()
        pair = made.reconstruct(images())
        assert (len(calls), pair.critique is None, pair.latents is None) == (
            n,
            opinion != "one_step",
            opinion != "prior",
        )


def test_the_prior_needs_all_t():
    with pytest.raises(RecipeError, match=r"goes up to T = 1000, but only t up to 50 are learnt"):
        model(opinion="prior", trained_steps=50)


@pytest.mark.parametrize("patch_px", [1, 2])
def test_without_attention_any_size_is_taken(patch_px):
    made = model(patch_px=patch_px).eval()
    assert made.stride_px == 2 * patch_px
    larger = torch.rand(2, 1, 40, 24)
    with torch.no_grad():
        assert made.reconstruct(larger).reconstruction.shape == larger.shape
        assert torch.equal(made._noise_like(larger, 0)[0, :, 16:32, :16], made.noises[0])  # it is repeated
    assert model(attention=True).stride_px == 0


@pytest.mark.thorough
def test_a_detector_learns_from_tiles_and_inspects_whole_images(pictures):
    recipe = Recipe.find("partial-diffusion").with_settings(
        {
            "preprocessing.resize.height": 64,
            "preprocessing.resize.width": 64,
            "tiling.tile_px": 32,
            "tiling.one_pass": True,
        }
        | {"model.width": 8, "model.levels": 2, "model.attention": False, "model.steps": 10}
        | {"score.pooling": "mean", "training.max_epochs": 1, "tiling.n_training_tiles": 2}
    )
    detector = Detector.fit([image[0] for image in pictures(16, 64, 1, seed=0)], recipe)
    found = detector.inspect(pictures(1, 64, 1, seed=3)[0, 0])
    assert found.anomaly_map.shape == found.reconstruction.squeeze().shape == (64, 64)


def test_patches_keep_every_pixel():
    """At its start a U-Net gives almost nothing, so it must be the patches that bring all pixels to their places."""
    made = Denoiser(SHAPE, width=8, levels=2, patch_px=2, attention_levels=0)
    made.network.forward = lambda x, _t, **_: (x,)
    assert torch.equal(made(images(), torch.ones(2)), images())
