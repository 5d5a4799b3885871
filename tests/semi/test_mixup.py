from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from labelmend.semi.mixup import mixup, mixup_coefficients


@pytest.mark.parametrize("alpha", [0.5, 4.0])
def test_coefficient_has_the_folded_beta_distribution(alpha: float) -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = [mixup_coefficients(alpha, generator) for _ in range(3000)]
    assert min(drawn) >= 0.5
    beta = stats.beta(alpha, alpha)
    assert stats.kstest(drawn, lambda x: 2 * beta.cdf(np.asarray(x)) - 1).pvalue > 0.01


def test_coefficient_is_the_generators() -> None:
    first, again = (mixup_coefficients(4, torch.Generator().manual_seed(1)) for _ in range(2))
    assert first == again
    generator = torch.Generator().manual_seed(1)
    assert mixup_coefficients(4, generator) != mixup_coefficients(4, generator)


def test_alpha_zero_mixes_nothing() -> None:
    assert mixup_coefficients(0, torch.Generator()) == 1.0


def test_mixup_by_hand() -> None:
    inputs = torch.tensor([[[0.0]], [[4.0]], [[8.0]]])
    targets = torch.eye(3)
    mixed, soft = mixup(inputs, targets, 0.75, torch.tensor([1, 2, 0]))
    assert mixed.flatten().tolist() == [1.0, 5.0, 6.0]
    assert soft.tolist() == [[0.75, 0.25, 0.0], [0.0, 0.75, 0.25], [0.25, 0.0, 0.75]]


def test_coefficient_one_changes_nothing() -> None:
    inputs, targets = torch.rand(4, 3, 2, 2), torch.rand(4, 5)
    mixed, soft = mixup(inputs, targets, 1.0, torch.tensor([3, 2, 1, 0]))
    assert torch.equal(mixed, inputs)
    assert torch.equal(soft, targets)
