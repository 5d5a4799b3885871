from __future__ import annotations

import pytest
import torch

from labelmend.semi.sharpen import sharpen


def test_by_hand() -> None:
    p = torch.tensor([[0.6, 0.3, 0.1]])
    assert sharpen(p, 0.5)[0].tolist() == pytest.approx([0.36 / 0.46, 0.09 / 0.46, 0.01 / 0.46])
    assert torch.allclose(sharpen(p, 1.0), p)


def test_zeros_stay_zero_and_certainty_stays_certain() -> None:
    p = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.5, 0.5]])
    assert torch.allclose(sharpen(p, 0.5), p)


@pytest.mark.parametrize("temperature", [0.01, 0.5, 2.0])
def test_rows_sum_to_one(temperature: float) -> None:
    p = torch.softmax(5 * torch.randn(20, 7, generator=torch.Generator().manual_seed(0)), dim=1)
    q = sharpen(p, temperature)
    assert torch.allclose(q.sum(1), torch.ones(20))
    assert torch.equal(q.argmax(1), p.argmax(1))
    assert bool((q.amax(1) >= p.amax(1)).all()) == (temperature < 1)
