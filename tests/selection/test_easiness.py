from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from labelmend.errors import RunError
from labelmend.selection import easiness as module
from labelmend.selection.easiness import given_label_losses, loss_mixture, min_max


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
    fitted: list[np.ndarray] = []
    whole = module.GaussianMixture.fit
    monkeypatch.setattr(
        module.GaussianMixture, "fit", lambda self, x: (fitted.append(x[:, 0]), whole(self, x))[1]
    )
    omega = easiness(losses)
    easiness(losses)
    monkeypatch.setattr(module, "FIT_ALL_UP_TO", 600)
    easiness(losses)
    first, again, all_of_them = fitted
    assert len(np.unique(first)) == len(first) == 300
    assert np.array_equal(first, again)
    assert len(all_of_them) == 600
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


def test_two_losses_are_two_groups() -> None:
    result = loss_mixture(torch.tensor([2.0, 5.0]))
    assert not result.collapsed
    assert result.easiness.tolist() == pytest.approx([1, 0], abs=1e-6)
    assert result.mean_gap == pytest.approx(1)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_one_group_has_no_gap(n: int) -> None:
    result = loss_mixture(torch.ones(n))
    assert (result.collapsed, result.mean_gap) == (True, 0)


@pytest.mark.parametrize(("gap", "collapsed"), [(0.011, True), (0.012, False)])
def test_means_closer_than_half_the_smallest_deviation_have_collapsed(
    monkeypatch: pytest.MonkeyPatch, gap: float, collapsed: bool
) -> None:
    """The root of 5e-4 is 0.0224."""

    class Fitted:
        def __init__(self, *_: object, **__: object) -> None:
            self.means_ = np.array([[0.5 + gap], [0.5]])

        def fit(self, values: np.ndarray) -> None: ...

        def predict_proba(self, values: np.ndarray) -> np.ndarray:
            return np.tile([0.75, 0.25], (len(values), 1))

    monkeypatch.setattr(module, "GaussianMixture", Fitted)
    result = loss_mixture(torch.tensor([1.0, 2.0, 3.0]))
    assert result.collapsed == collapsed
    assert result.mean_gap == pytest.approx(gap)
    # Of two components the one with the lower mean, here the second, is the easy one.
    assert result.easiness.tolist() == ([1, 0.5, 0] if collapsed else [0.25] * 3)


@pytest.mark.parametrize("subsample", [100, 300])
def test_the_order_of_the_samples_changes_nothing(monkeypatch: pytest.MonkeyPatch, subsample: int) -> None:
    monkeypatch.setattr(module, "FIT_ALL_UP_TO", subsample)
    monkeypatch.setattr(module, "FIT_SUBSAMPLE", subsample)
    generator = torch.Generator().manual_seed(0)
    losses = torch.randn(300, generator=generator).abs()
    order = torch.randperm(300, generator=generator)
    assert torch.equal(easiness(losses[order]), easiness(losses)[order])


def test_the_loss_of_a_given_label_is_minus_the_logarithm_of_its_probability():
    probabilities = torch.tensor([[0.5, 0.5], [0.2, 0.8], [1.0, 0.0], [1.0, 0.0]])
    losses = given_label_losses(probabilities, torch.tensor([1, 0, 0, 1]))
    # 12 log 10 for a label of no probability at all.
    assert losses.tolist() == pytest.approx([math.log(2), math.log(5), 0.0, 27.6310211], rel=1e-6)
