from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from labelmend.semi.losses import (
    mse_loss,
    negative_entropy,
    prior_penalty,
    ramp_up,
    semi_loss,
    soft_cross_entropy,
    uniform_prior,
    weighted_cross_entropy,
)

LOGITS = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]])  # probabilities (3/4, 1/4) and (1/2, 1/2)


def random_case() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    return logits.requires_grad_(), torch.softmax(torch.randn(6, 4, generator=generator).double(), dim=1)


def test_soft_cross_entropy_by_hand() -> None:
    targets = torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    expected = ((math.log(4 / 3) + math.log(4)) / 2 + math.log(2)) / 2
    assert soft_cross_entropy(LOGITS, targets).item() == pytest.approx(expected)


def test_soft_cross_entropy_of_hard_targets_is_cross_entropy() -> None:
    logits, _ = random_case()
    labels = torch.tensor([0, 3, 1, 1, 2, 0])
    soft = soft_cross_entropy(logits, functional.one_hot(labels, 4).double())
    assert torch.allclose(soft, functional.cross_entropy(logits, labels))


def test_mse_by_hand() -> None:
    targets = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    # squares 1/16, 1/16, 1/4, 1/4, mean over samples and classes
    assert mse_loss(LOGITS, targets).item() == pytest.approx(0.15625)


def test_semi_loss_is_the_weighted_sum_of_its_parts() -> None:
    logits, targets = random_case()
    expected = soft_cross_entropy(logits[:4], targets[:4]) + 5 * mse_loss(logits[4:], targets[4:])
    assert torch.allclose(semi_loss(logits, targets, 4, 5.0), expected)


@pytest.mark.parametrize("num_labelled", [1, 5])
def test_a_part_of_one_sample_counts(num_labelled: int) -> None:
    logits, targets = random_case()
    first, rest = (
        (logits[:num_labelled], targets[:num_labelled]),
        (logits[num_labelled:], targets[num_labelled:]),
    )
    expected = soft_cross_entropy(*first) + 5 * mse_loss(*rest)
    assert torch.allclose(semi_loss(logits, targets, num_labelled, 5.0), expected)


def test_semi_loss_of_empty_parts() -> None:
    logits, targets = random_case()
    assert torch.allclose(semi_loss(logits, targets, 6, 5.0), soft_cross_entropy(logits, targets))
    assert torch.allclose(semi_loss(logits, targets, 0, 5.0), 5 * mse_loss(logits, targets))
    assert semi_loss(logits[:0], targets[:0], 0, 5.0).item() == 0


def test_gradients() -> None:
    logits, targets = random_case()
    assert torch.autograd.gradcheck(lambda z: semi_loss(z, targets, 3, 5.0), (logits,))
    assert torch.autograd.gradcheck(
        lambda z: prior_penalty(z, torch.full((logits.shape[1],), 1 / logits.shape[1])), (logits,)
    )


def test_gradient_of_soft_cross_entropy_is_p_minus_q() -> None:
    logits, targets = random_case()
    (gradient,) = torch.autograd.grad(soft_cross_entropy(logits, targets), logits)
    assert torch.allclose(gradient, (torch.softmax(logits, dim=1) - targets) / 6)


@pytest.mark.parametrize(
    ("step", "value"), [(0, 0.0), (10, 0.0), (14, 0.25), (18.5, 0.53125), (26, 1.0), (100, 1.0)]
)
def test_ramp_up(step: float, value: float) -> None:
    assert ramp_up(step, 10, 16) == pytest.approx(value)


def test_ramp_up_without_length_jumps() -> None:
    assert [ramp_up(step, 3, 0) for step in (2.9, 3, 4)] == [0.0, 1.0, 1.0]


def test_prior_penalty_by_hand() -> None:
    # mean prediction (5/8, 3/8)
    expected = 0.5 * math.log(0.5 / 0.625) + 0.5 * math.log(0.5 / 0.375)
    assert prior_penalty(LOGITS, torch.tensor([0.5, 0.5])).item() == pytest.approx(expected)
    assert prior_penalty(LOGITS, torch.tensor([0.625, 0.375])).item() == pytest.approx(0, abs=1e-6)
    assert prior_penalty(LOGITS, torch.tensor([1.0, 0.0])).item() == pytest.approx(math.log(1.6))


def test_classes_that_no_sample_is_given_have_no_part_in_the_prior() -> None:
    assert uniform_prior(torch.tensor([0, 3, 3, 0, 0]), 5).tolist() == [0.5, 0, 0, 0.5, 0]
    assert torch.equal(uniform_prior(torch.arange(7), 7), torch.full((7,), 1 / 7))


def test_prior_penalty_of_a_forgotten_class_is_finite() -> None:
    logits = torch.tensor([[0.0, -500.0]], requires_grad=True)
    penalty = prior_penalty(logits, torch.tensor([0.5, 0.5]))
    penalty.backward()
    assert penalty.isfinite()
    assert bool(logits.grad.isfinite().all())


def test_weighted_cross_entropy_by_hand():
    logits = torch.tensor([[0.0, 0.0], [0.0, 0.0], [2.0, 0.0]])
    targets = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    last = float(torch.log1p(torch.exp(torch.tensor(2.0))))
    expected = (2 * 0.6931472 + 0.25 * last) / 3
    assert float(weighted_cross_entropy(logits, targets, 2, 0.25)) == pytest.approx(expected, rel=1e-5)
    assert float(weighted_cross_entropy(logits, targets, 3, 9.0)) == pytest.approx(
        (2 * 0.6931472 + last) / 3, rel=1e-5
    )
    assert float(weighted_cross_entropy(logits[2:], targets[2:], 1, 9.0)) == pytest.approx(last, rel=1e-5)


def test_negative_entropy_by_hand():
    assert negative_entropy(torch.zeros(3, 4)).item() == pytest.approx(-math.log(4))
    p = torch.tensor([[0.5, 0.25, 0.25], [1 / 3, 1 / 3, 1 / 3]])
    expected = (0.5 * math.log(0.5) + 0.5 * math.log(0.25) - math.log(3)) / 2
    assert negative_entropy(p.log()).item() == pytest.approx(expected, abs=1e-6)
    assert negative_entropy(torch.tensor([[200.0, 0.0]])).item() == pytest.approx(0, abs=1e-6)
