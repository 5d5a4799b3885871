import pytest
import torch

from labelmend.transition.noise_rate import implied_noise_rate


def test_by_hand():
    transition = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.5, 0.3], [0.0, 0.0, 1.0]])
    # Given labels 0, 0, 1, 1, 2.
    expected = 1 - (2 * 0.9 + 2 * 0.5 + 1.0) / 5
    assert implied_noise_rate(transition, torch.tensor([0, 0, 1, 1, 2])) == pytest.approx(expected, abs=1e-6)


def test_the_identity_has_no_noise_even_where_a_class_has_no_sample():
    assert implied_noise_rate(torch.eye(3), torch.tensor([0, 0, 1])) == 0
