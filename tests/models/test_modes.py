import pytest
import torch
from torch import nn

from labelmend.models.modes import evaluating


@pytest.fixture
def mixed():
    """A whole in training mode with a frozen part."""
    module = nn.Sequential(nn.BatchNorm1d(2), nn.Sequential(nn.Dropout(0.5))).train()
    module[0].eval()
    return module


def modes(module):
    return [part.training for part in module.modules()]


def test_all_parts_evaluate_inside_and_go_back_to_their_own_modes(mixed):
    with evaluating(mixed):
        assert modes(mixed) == [False] * 4
    assert modes(mixed) == [True, False, True, True]


def test_they_go_back_after_an_error_too(mixed):
    with pytest.raises(KeyboardInterrupt), evaluating(mixed):
        raise KeyboardInterrupt
    assert modes(mixed) == [True, False, True, True]


def test_statistics_stay(mixed):
    mixed[0].train()
    before = mixed[0].running_mean.clone()
    with evaluating(mixed):
        mixed(torch.ones(3, 2))
    assert torch.equal(mixed[0].running_mean, before)
