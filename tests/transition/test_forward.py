from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from labelmend.transition.forward import forward_loss

T = torch.tensor([[0.8, 0.2], [0.3, 0.7]])


def test_by_hand() -> None:
    logits = torch.tensor([[math.log(3), 0.0], [0.0, math.log(4)]])  # (3/4, 1/4) and (1/5, 4/5)
    expected = [-math.log(0.75 * 0.8 + 0.25 * 0.3), -math.log(0.2 * 0.2 + 0.8 * 0.7)]
    assert forward_loss(logits, torch.tensor([0, 1]), T).tolist() == pytest.approx(expected)


def test_the_identity_gives_cross_entropy() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, labels = 3 * torch.randn(50, 5, generator=generator), torch.randint(5, (50,), generator=generator)
    expected = functional.cross_entropy(logits, labels, reduction="none")
    assert torch.allclose(forward_loss(logits, labels, torch.eye(5)), expected, atol=1e-6)


def test_rows_are_true_classes_and_columns_given_ones() -> None:
    sure = torch.tensor([[50.0, 0.0]])  # of class 0, which is given 1 one time in five
    assert forward_loss(sure, torch.tensor([1]), T).item() == pytest.approx(-math.log(0.2))


def test_an_underflowed_probability_still_has_a_gradient() -> None:
    logits = torch.tensor([[-300.0, 0.0]], requires_grad=True)
    loss = forward_loss(logits, torch.tensor([0]), torch.eye(2))
    loss.sum().backward()
    assert loss.item() == pytest.approx(300)
    assert logits.grad.tolist() == [pytest.approx([-1, 1])]


def test_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    transition = torch.rand(3, 3, generator=generator, dtype=torch.float64).softmax(1).requires_grad_()
    labels = torch.tensor([0, 1, 2, 0])
    assert torch.autograd.gradcheck(lambda z, t: forward_loss(z, labels, t), (logits, transition))
