from __future__ import annotations

import math

import pytest
import torch

from labelmend.hallucination.loss import hallucination_loss, logit_spread, similarity_loss

S_U = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
S_V = torch.tensor([[0.0, 1.0], [3.0, 0.0]])
ANCHORS = torch.tensor([[5.0, 5.0], [0.0, 1.0]])


def test_similarity_loss_by_hand() -> None:
    # first anchor: both cosines are 1/sqrt(2); second: 1 to s_u, 0 to s_v
    expected = -(1 / math.sqrt(2) + 0.7) / 2
    assert similarity_loss(ANCHORS, S_U, S_V, 0.7).item() == pytest.approx(expected, abs=1e-6)


def test_length_of_anchors_is_free() -> None:
    assert similarity_loss(9 * ANCHORS, S_U, S_V, 0.7).item() == pytest.approx(
        similarity_loss(ANCHORS, S_U, S_V, 0.7).item(), abs=1e-6
    )


def test_hallucination_loss_adds_the_cross_entropy_of_the_head() -> None:
    labels = torch.tensor([1, 0])
    logits = ANCHORS @ torch.tensor([[1.0, 2.0], [0.0, 1.0]])  # (5, 15) and (0, 1)
    entropy = (math.log(1 + math.exp(-10)) + math.log(1 + math.e)) / 2
    loss = hallucination_loss(ANCHORS, S_U, S_V, labels, lambda s: logits, 0.7)
    assert loss.item() == pytest.approx(similarity_loss(ANCHORS, S_U, S_V, 0.7).item() + entropy, abs=1e-5)


def test_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    anchors, s_u, s_v, weight = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in [(4, 3), (4, 3), (4, 3), (3, 5)]
    )
    anchors.requires_grad_()
    labels = torch.tensor([0, 4, 2, 2])
    assert torch.autograd.gradcheck(
        lambda a: hallucination_loss(a, s_u, s_v, labels, lambda s: s @ weight, 0.6), (anchors,)
    )


def test_temperature_and_weight_of_the_classification_term() -> None:
    labels = torch.tensor([1, 0])
    logits = ANCHORS @ torch.tensor([[1.0, 2.0], [0.0, 1.0]])  # (5, 15) and (0, 1)
    entropy = (math.log(1 + math.exp(-20)) + math.log(1 + math.e**2)) / 2
    found = hallucination_loss(ANCHORS, S_U, S_V, labels, lambda s: logits, 0.7, 0.5, 0.25)
    expected = similarity_loss(ANCHORS, S_U, S_V, 0.7).item() + entropy / 4
    assert found.item() == pytest.approx(expected, abs=1e-5)


def test_spread_of_logits() -> None:
    assert logit_spread(torch.tensor([[0.0, 2.0], [1.0, 5.0]])) == pytest.approx(1.5 * math.sqrt(2))
    assert logit_spread(torch.ones(3, 4)) == 1.0
