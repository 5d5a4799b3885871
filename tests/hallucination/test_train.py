from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from labelmend.hallucination.closed_form import similarity_bound
from labelmend.hallucination.hallucinator import Hallucinator
from labelmend.hallucination.loss import CLASSIFICATION_WEIGHT, hallucination_loss, similarity_loss
from labelmend.hallucination.partners import sample_partners
from labelmend.hallucination.train import train_hallucinator, training_operations


def easy_features(classes: int = 4, n: int = 400, d: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % classes
    centres = 3 * torch.rand(classes, d, generator=generator)
    return torch.relu(centres[labels] + 0.3 * torch.randn(n, d, generator=generator)), labels


def no_head(features: torch.Tensor) -> torch.Tensor:
    """Logits that leave nothing to learn, so that the similarity loss alone is trained."""
    return torch.zeros(len(features), 4)


def test_similarity_loss_alone_approaches_its_bound() -> None:
    features, labels = easy_features()
    generator = torch.Generator().manual_seed(1)
    h = Hallucinator(16, 64, generator=generator)
    optimizer = torch.optim.Adam(h.parameters(), 3e-3)
    loss = train_hallucinator(h, optimizer, no_head, features, labels, 0.6, 420, 64, generator=generator)
    partners = sample_partners(labels, 1, generator)[:, 0]
    bound = similarity_bound(features, features[partners], 0.6).mean().item()
    reached = similarity_loss(h(features, features[partners]), features, features[partners], 0.6).item()
    assert bound <= reached < bound + 0.02
    assert abs(loss - CLASSIFICATION_WEIGHT * math.log(4) - reached) < 0.02


@pytest.mark.parametrize("often", [True, False])
def test_anchors_of_features_that_are_often_negative_approach_the_bound_too(often: bool) -> None:
    """Kept at 0 or more they would end 0.2 above it. Features of a GELU, hardly below 0, are not meant."""
    generator = torch.Generator().manual_seed(1)
    features, labels = easy_features()
    if often:
        centres = 3 * torch.randn(4, 16, generator=generator)
        features = centres[labels] + torch.randn(400, 16, generator=generator)
    else:
        features = features - 0.05
    h = Hallucinator(16, 64, generator=generator)
    optimizer = torch.optim.Adam(h.parameters(), 3e-3)
    train_hallucinator(h, optimizer, no_head, features, labels, 0.6, 210, 64, generator=generator)
    assert bool(h.signed) is often
    train_hallucinator(h, optimizer, no_head, -features, labels, 0.6, 0, generator=generator)
    assert bool(h.signed) is often  # it was decided before the first step
    train_hallucinator(h, optimizer, no_head, features, labels, 0.6, 210, 64, generator=generator)
    partners = sample_partners(labels, 1, generator)[:, 0]
    bound = similarity_bound(features, features[partners], 0.6).mean().item()
    assert similarity_loss(h(features, features[partners]), features, features[partners], 0.6) < bound + 0.02


def test_anchors_take_the_class_of_their_sample() -> None:
    features, labels = easy_features()
    generator = torch.Generator().manual_seed(1)
    head = nn.Linear(16, 4)
    with torch.no_grad():
        centres = torch.stack([features[labels == c].mean(0) for c in range(4)])
        head.weight.copy_(2 * (centres - centres.mean(0)))
        head.bias.copy_(-head.weight @ centres.mean(0))
    h = Hallucinator(16, generator=generator)
    optimizer = torch.optim.Adam(h.parameters(), 3e-3)
    first = train_hallucinator(h, optimizer, head, features, labels, 0.6, 10, 64, generator=generator)
    last = train_hallucinator(h, optimizer, head, features, labels, 0.6, 300, 64, generator=generator)
    assert last < first
    partners = sample_partners(labels, 1, generator)[:, 0]
    predicted = head(h(features, features[partners])).argmax(1)
    assert (predicted == labels).float().mean() > 0.95


def test_gradients_reach_the_hallucinator_alone() -> None:
    features, labels = easy_features(n=40)
    features.requires_grad_()
    generator = torch.Generator().manual_seed(1)
    head, h = nn.Linear(16, 4), Hallucinator(16, generator=generator)
    before, start = head.weight.clone(), h.output.weight.clone()
    optimizer = torch.optim.Adam(h.parameters(), 1e-3)
    train_hallucinator(h, optimizer, head, features, labels, 0.6, 1, generator=generator)
    assert head.weight.grad is None and head.bias.grad is None and features.grad is None
    assert head.weight.requires_grad
    assert torch.equal(head.weight, before)
    assert not torch.equal(h.output.weight, start)


def test_same_seed_same_weights() -> None:
    features, labels = easy_features(n=40)
    weights = []
    for _ in range(2):
        generator = torch.Generator().manual_seed(5)
        h = Hallucinator(16, generator=generator)
        optimizer = torch.optim.Adam(h.parameters(), 1e-3)
        train_hallucinator(h, optimizer, no_head, features, labels, 0.6, 2, 16, generator=generator)
        weights.append(h.output.weight.detach())
    assert torch.equal(*weights)


def test_one_class_trains_nothing() -> None:
    features, labels = easy_features(classes=1, n=10)
    generator = torch.Generator().manual_seed(5)
    h = Hallucinator(16, generator=generator)
    start = h.output.weight.clone()
    optimizer = torch.optim.Adam(h.parameters(), 1e-3)
    loss = train_hallucinator(h, optimizer, no_head, features, labels, 0.6, 2, generator=generator)
    assert math.isnan(loss)
    assert torch.equal(h.output.weight, start)


class Counting(torch.optim.SGD):
    """Counts its steps."""

    steps = 0

    def step(self, closure=None):
        self.steps += 1
        return super().step(closure)


@pytest.mark.parametrize("steps", [0, 1, 7, 25])
def test_as_many_steps_as_asked_for_whatever_the_number_of_images(steps: int) -> None:
    features, labels = easy_features(n=40)
    generator = torch.Generator().manual_seed(5)
    h = Hallucinator(16, generator=generator)
    optimizer = Counting(h.parameters(), 1e-3)
    train_hallucinator(h, optimizer, no_head, features, labels, 0.6, steps, 16, generator=generator)
    assert optimizer.steps == steps


def test_the_loss_is_that_of_sharpened_logits_in_units_of_their_spread() -> None:
    features, labels = easy_features(n=40)
    generator = torch.Generator().manual_seed(5)
    head, h = nn.Linear(16, 4), Hallucinator(16, generator=generator)
    start = copy.deepcopy(h)
    frozen = torch.optim.SGD(h.parameters(), 0.0)
    state = generator.get_state()
    loss = train_hallucinator(
        h, frozen, head, features, labels, 0.7, 1, 40, generator=generator, sharpness=0.5, weight=0.25
    )
    generator.set_state(state)
    partners = sample_partners(labels, 1, generator)[:, 0]
    with torch.no_grad():
        spread = head(features).std(dim=1).mean()
        anchors = start(features, features[partners])
        wanted = hallucination_loss(
            anchors, features, features[partners], labels, head, 0.7, 0.5 * spread, 0.25
        )
    assert loss == pytest.approx(wanted.item(), abs=1e-5)


@pytest.mark.parametrize(("samples", "steps"), [(300, 1), (300, 2), (300, 5), (512, 3), (40, 2)])
def test_operations_are_those_that_run(samples: int, steps: int) -> None:
    features, labels = easy_features(n=samples)
    generator = torch.Generator().manual_seed(5)
    head, h = nn.Linear(16, 4), Hallucinator(16, 24, generator=generator)
    optimizer = torch.optim.SGD(h.parameters(), 0.1)
    with FlopCounterMode(display=False) as counter:
        train_hallucinator(h, optimizer, head, features, labels, 0.6, steps, generator=generator)
    of_the_spread = 2 * samples * 16 * 4
    expected = training_operations(16, 24, 4, samples, steps) + of_the_spread
    assert counter.get_total_flops() == expected
