from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmend.transition.volume import first_weight, log_volume, volume_transition


def at_start(classes: int) -> torch.Tensor:
    return volume_transition(torch.full((classes, classes), first_weight(classes), dtype=torch.float64))


def test_by_hand() -> None:
    weights = torch.tensor([[9.0, 0.0], [math.log(3), -9.0]])  # sigmoids 1/2 and 3/4; no diagonal
    expected = torch.tensor([[1 / 1.5, 0.5 / 1.5], [0.75 / 1.75, 1 / 1.75]])
    assert torch.allclose(volume_transition(weights), expected)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_type_and_device_are_those_of_the_weights(device: str) -> None:
    found = volume_transition(torch.zeros(2, 2, dtype=torch.bfloat16, device=device))
    assert (found.dtype, found.device.type) == (torch.bfloat16, device)


@pytest.mark.parametrize(("classes", "diagonal"), [(10, 0.482), (100, 0.479)])
def test_start_is_as_published(classes: int, diagonal: float) -> None:
    transition = at_start(classes)
    assert torch.allclose(transition.diagonal(), torch.tensor(diagonal).double(), atol=4e-3)
    assert torch.allclose(transition.sum(1), torch.ones(classes).double())


def test_first_weights_are_as_published() -> None:
    assert first_weight(10) == pytest.approx(-2)
    assert first_weight(100) == pytest.approx(-4.5, abs=0.1)
    assert first_weight(3) == first_weight(2) == pytest.approx(-2)
    # Off-diagonal entries of twenty classes sum to as much as those of ten.
    entry = 9 / 19 / (1 + math.exp(2))
    assert first_weight(20) == pytest.approx(math.log(entry / (1 - entry)))


@pytest.mark.parametrize("classes", [2, 3, 10, 100, 1000])
def test_the_diagonal_dominates_at_the_start(classes: int) -> None:
    transition = at_start(classes)
    others = transition - torch.diag(transition.diagonal())
    assert bool((transition.diagonal() > 0.45).all())
    assert bool((transition.diagonal() > others.amax(1)).all())
    assert bool(log_volume(transition).isfinite())
    assert float(log_volume(transition)) < 0


@settings(deadline=None)
@given(st.integers(2, 8), st.integers(0, 500), st.floats(0.1, 6))
def test_rows_sum_to_one_and_the_volume_is_at_most_one(classes: int, seed: int, spread: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    weights = spread * torch.randn(classes, classes, generator=generator, dtype=torch.float64)
    transition = volume_transition(weights)
    assert torch.allclose(transition.sum(1), torch.ones(classes).double())
    assert bool((transition > 0).all())
    assert bool((transition.diagonal() >= transition.amax(1)).all())
    assert float(log_volume(transition)) <= 1e-12


def test_volume_by_hand() -> None:
    assert float(log_volume(torch.eye(4))) == 0
    transition = torch.tensor([[0.2, 0.8], [0.7, 0.3]])  # determinant -0.5
    assert float(log_volume(transition)) == pytest.approx(math.log(0.5))


def test_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(4, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: log_volume(volume_transition(w)), (weights,))
