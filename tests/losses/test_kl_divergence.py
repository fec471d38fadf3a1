import pytest
import torch
from torch.distributions import Normal
from torch.distributions.kl import kl_divergence as reference

from urushi.losses.kl_divergence import kl_divergence


def test_agrees_with_torch_distributions():
    torch.manual_seed(0)
    mean, log_variance = 3 * torch.randn(5, 7), 2 * torch.randn(5, 7)
    q, p = Normal(mean, torch.exp(0.5 * log_variance)), Normal(torch.zeros(7), torch.ones(7))
    torch.testing.assert_close(kl_divergence(mean, log_variance), reference(q, p).sum(dim=1))


def test_is_zero_for_the_prior_itself():
    assert kl_divergence(torch.zeros(2, 3), torch.zeros(2, 3)).tolist() == [0, 0]


@pytest.mark.parametrize(("mean", "log_variance"), [(0.1, 0.0), (0.0, 0.1), (0.0, -0.1)])
def test_is_positive_for_anything_else(mean, log_variance):
    assert kl_divergence(torch.tensor([[mean]]), torch.tensor([[log_variance]])) > 0


def test_adds_up_over_dimensions_and_not_over_images():
    assert kl_divergence(torch.ones(2, 3), torch.zeros(2, 3)).tolist() == [1.5, 1.5]
