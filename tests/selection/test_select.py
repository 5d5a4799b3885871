import pytest
import torch

from labelmend.selection.easiness import given_label_losses, loss_mixture
from labelmend.selection.select import select

GIVEN = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
OWN = torch.tensor([0.95, 0.9, 0.1, 0.05, 0.9, 0.85, 0.92, 0.1, 0.05, 0.08])
NONE = torch.zeros(10, dtype=torch.bool)


@pytest.fixture
def probabilities():
    p = torch.empty(10, 2)
    p[torch.arange(10), GIVEN] = OWN
    p[torch.arange(10), 1 - GIVEN] = 1 - OWN
    return p


def test_equal_shares_of_the_classes_by_hand(probabilities):
    # 40 % of 10 over 2 classes: the 2 of each class with the smallest loss.
    found = select(probabilities, GIVEN, NONE, rule="balanced", percent=40)
    assert found.easy.nonzero()[:, 0].tolist() == [0, 1, 4, 6]
    assert torch.equal(found.easiness, loss_mixture(given_label_losses(probabilities, GIVEN)).easiness)
    assert not found.collapsed


def test_the_mixture_by_hand(probabilities):
    found = select(probabilities, GIVEN, NONE, rule="gmm", percent=1)
    assert found.easy.tolist() == (OWN > 0.5).tolist()


@pytest.mark.parametrize("rule", ["balanced", "gmm"])
def test_trusted_samples_are_easy(probabilities, rule):
    trusted = torch.arange(10) == 3
    without = select(probabilities, GIVEN, NONE, rule=rule, percent=40)
    found = select(probabilities, GIVEN, trusted, rule=rule, percent=40)
    assert torch.equal(found.easy, without.easy | trusted)


def test_equal_losses_collapse():
    even = torch.full((10, 2), 0.5)
    assert select(even, GIVEN, NONE, rule="balanced", percent=40).collapsed
