import pytest
import torch
from torch import nn

from labelmend.methods.base import Progress
from labelmend.methods.mixup import Mixup, MixupSettings, mixup_loss


class Fixed:
    """A task whose network returns its input."""

    networks = (nn.Identity(),)

    given_labels = torch.tensor([0, 1])
    num_classes = 2
    label_smoothing = 0.0
    device = torch.device("cpu")

    def __init__(self):
        self.generator = torch.Generator().manual_seed(0)


class Views:
    """A batch whose strong views give the right class, and whose weak ones the wrong one."""

    index = torch.tensor([0, 1])

    def view(self, strong=False):
        return 5 * (torch.eye(2) if strong else torch.eye(2).flip(0))


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


@pytest.mark.parametrize("strong", [False, True])
def test_learns_on_the_views_that_are_set(strong):
    loss = Mixup(MixupSettings(alpha=0, strong_views=strong), Fixed()).loss(Views(), Progress(1, 0.0))
    expected = nn.functional.cross_entropy(Views().view(strong), Views.index)
    assert torch.allclose(loss, expected)


@pytest.mark.parametrize("share", [0.0, 0.39, 0.4, 1.0])
def test_the_warmup_has_weak_views_and_an_alpha_of_one(monkeypatch, share):
    drawn = []
    monkeypatch.setattr(
        "labelmend.methods.mixup.mixed_at_random",
        lambda images, targets, alpha, generator: (drawn.append(alpha), (images, targets))[1],
    )
    method = Mixup(MixupSettings(alpha=0.2, strong_views=True, warmup=0.4), Fixed())
    loss = method.loss(Views(), Progress(1, share))
    warming = share < 0.4
    assert drawn == [1.0 if warming else 0.2]
    expected = nn.functional.cross_entropy(Views().view(strong=not warming), Views.index)
    assert torch.allclose(loss, expected)
