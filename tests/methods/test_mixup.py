import torch
from torch import nn

from labelmend.methods.mixup import mixup_loss


class Fixed:
    """A task whose network returns its input."""

    networks = (nn.Identity(),)

    def __init__(self):
        self.generator = torch.Generator().manual_seed(0)


def test_without_mixing_it_is_cross_entropy():
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    targets = torch.eye(2)
    expected = nn.functional.cross_entropy(logits, torch.tensor([0, 1]))
    assert torch.allclose(mixup_loss(Fixed(), logits, targets, 0.0), expected)


def test_mixing_two_samples_by_hand():
    logits, targets = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.eye(2)
    found = float(mixup_loss(Fixed(), logits, targets, 1.0))

    def loss(weight, permutation):
        x = weight * logits + (1 - weight) * logits[permutation]
        q = weight * targets + (1 - weight) * targets[permutation]
        return float(-(q * x.log_softmax(1)).sum(1).mean())

    grid = torch.linspace(0.5, 1, 10_001)
    candidates = [loss(w, p) for w in grid for p in ([0, 1], [1, 0])]
    assert min(abs(found - c) for c in candidates) < 1e-3
