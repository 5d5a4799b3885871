from __future__ import annotations

import pytest
import torch

from labelmend.errors import RunError
from labelmend.selection import easiness as module
from labelmend.selection.easiness import loss_mixture, min_max


def easiness(losses: torch.Tensor, **settings: float) -> torch.Tensor:
    return loss_mixture(losses, **settings).easiness


def two_groups(n: int = 400, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    low = 0.2 + 0.05 * torch.randn(n, generator=generator)
    high = 3.0 + 0.4 * torch.randn(n // 2, generator=generator)
    return torch.cat((low, high))


def test_min_max_by_hand() -> None:
    assert min_max(torch.tensor([3.0, 1.0, 2.0, 5.0])).tolist() == [0.5, 0.0, 0.25, 1.0]
    assert min_max(torch.full((3,), 7.0)).tolist() == [0.0, 0.0, 0.0]
    assert min_max(torch.empty(0)).shape == (0,)


def test_low_losses_are_easy_and_high_ones_are_not() -> None:
    omega = easiness(two_groups())
    assert omega.dtype == torch.float32
    assert bool((omega[:400] > 0.99).all())
    assert bool((omega[400:] < 0.01).all())


def test_posterior_follows_bayes_rule() -> None:
    """With the fitted means, the value where both components are as likely scores one half."""
    losses = torch.cat((torch.linspace(0, 1, 101) ** 2 * 0.4, 1 - torch.linspace(0, 1, 101) ** 2 * 0.4))
    omega = easiness(losses, max_iter=200, tol=1e-8)
    assert torch.allclose(omega[:101], 1 - omega[101:], atol=1e-3)  # the losses mirror about 0.5


def test_scale_and_shift_change_nothing() -> None:
    losses = two_groups().double()
    assert torch.allclose(easiness(losses), easiness(losses * 7 + 3), atol=1e-5)


def test_same_losses_same_bytes() -> None:
    losses = two_groups(5000)
    assert torch.equal(easiness(losses), easiness(losses))


def test_equal_losses_are_all_easy() -> None:
    result = loss_mixture(torch.full((10,), 0.7))
    assert result.collapsed
    assert result.easiness.tolist() == [1.0] * 10


@pytest.mark.parametrize("n", [0, 1])
def test_hardly_any_sample(n: int) -> None:
    assert easiness(torch.ones(n)).tolist() == [1.0] * n


def test_collapsed_means_still_rank_by_loss() -> None:
    """Symmetric losses with heavy tails: a narrow and a wide component about one mean."""
    quantiles = torch.linspace(-0.4999, 0.4999, 4001, dtype=torch.float64)
    losses = torch.tan(torch.pi * quantiles).clamp(-60, 60)
    result = loss_mixture(losses)
    assert result.collapsed, result.mean_gap
    assert torch.allclose(result.easiness, 1 - min_max(losses).float())


def test_large_inputs_are_fitted_on_a_subsample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIT_ALL_UP_TO", 500)
    monkeypatch.setattr(module, "FIT_SUBSAMPLE", 300)
    losses = two_groups()
    sizes: list[int] = []
    whole = module.GaussianMixture.fit
    monkeypatch.setattr(
        module.GaussianMixture, "fit", lambda self, x: (sizes.append(len(x)), whole(self, x))[1]
    )
    omega = easiness(losses)
    assert sizes == [300]
    assert omega.shape == (600,)
    assert bool(((omega > 0.5) == (losses < 1.5)).all())


def test_the_mixture_is_that_of_dividemix(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, object] = {}
    whole = module.GaussianMixture.fit

    def fit(self: module.GaussianMixture, values: object) -> module.GaussianMixture:
        seen.update(self.get_params())
        return whole(self, values)

    monkeypatch.setattr(module.GaussianMixture, "fit", fit)
    loss_mixture(two_groups())
    wanted = {"n_components": 2, "max_iter": 10, "tol": 1e-2, "reg_covar": 5e-4, "random_state": 0}
    assert {name: seen[name] for name in wanted} == wanted


def test_infinite_loss_says_how_many() -> None:
    losses = torch.tensor([1.0, float("nan"), float("inf"), 2.0])
    with pytest.raises(RunError, match="2 of 4 losses"):
        easiness(losses)
