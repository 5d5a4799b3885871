"""The hallucinator training phase of section 3.5."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from labelmend.hallucination.hallucinator import Hallucinator
from labelmend.hallucination.loss import (
    CLASSIFICATION_WEIGHT,
    SHARPNESS,
    Head,
    hallucination_loss,
    logit_spread,
)
from labelmend.hallucination.partners import sample_partners

TRAINING_BATCH = 256

NEGATIVE = 0.1
"""Share of the squared length of features in negative values from which anchors can have negative values too:
an anchor without them reaches a cosine of sqrt(1 - share). Features behind a GELU have next to none."""


@torch.enable_grad()
def train_hallucinator(
    hallucinator: Hallucinator,
    optimizer: torch.optim.Optimizer,
    head: Head,
    features: Tensor,
    labels: Tensor,
    lambda_p: float,
    steps: int,
    batch_size: int = TRAINING_BATCH,
    *,
    generator: torch.Generator,
    sharpness: float = SHARPNESS,
    weight: float = CLASSIFICATION_WEIGHT,
) -> float:
    """Minimise eq. 2 over pairs of easy samples; gradients reach the hallucinator alone.

    Steps, not passes over the easy set: what the hallucinator needs does not depend on the number of images.
    Before its first step it is told whether features are often negative.

    Args:
        hallucinator: h, changed in place.
        optimizer: over the parameters of ``hallucinator``.
        head: g, maps features (B, d) to logits (B, C); not changed.
        features: (M, d), features of the easy samples.
        labels: int64 (M,), their given labels.
        lambda_p: in [0.5, 1].
        steps: how many; each takes ``batch_size`` pairs.
        batch_size: pairs a step.
        generator: source of the partners and of the order.
        sharpness: temperature of the classification term, in spreads of the logits of ``features``.
        weight: of the classification term.

    Returns:
        Mean loss of the last tenth of the steps; NaN when nothing could be trained: no steps, or fewer than
        two classes among ``labels``.
    """
    features, parameters = features.detach(), list(hallucinator.parameters())
    if not optimizer.state and features.clamp(max=0).norm() ** 2 > NEGATIVE * features.norm() ** 2:
        hallucinator.allow_negative()
    with torch.no_grad():
        temperature = sharpness * logit_spread(head(features))
    losses: list[Tensor] = []
    for own, partner in _pairs(labels, steps, batch_size, generator):
        s_u, s_v = features[own], features[partner]
        anchors = hallucinator(s_u, s_v)
        loss = hallucination_loss(anchors, s_u, s_v, labels[own], head, lambda_p, temperature, weight)
        optimizer.zero_grad()
        torch.autograd.backward(loss, inputs=parameters)
        optimizer.step()
        losses.append(loss.detach())
    last = losses[-max(len(losses) // 10, 1) :]
    return float(torch.stack(last).mean()) if last else float("nan")


def training_operations(feature_dim: int, hidden_dim: int, num_classes: int, samples: int, steps: int) -> int:
    """Floating-point operations of ``train_hallucinator``, forward and backward.

    Inputs need no gradient, nor do the weights of the head.

    Args:
        feature_dim: d.
        hidden_dim: width of the hallucinator.
        num_classes: C.
        samples: M.
        steps: how many.
    """
    passes, rest = divmod(steps, -(-samples // TRAINING_BATCH))
    pairs = passes * samples + min(rest * TRAINING_BATCH, samples)
    hidden, output, head = 2 * feature_dim * hidden_dim, hidden_dim * feature_dim, feature_dim * num_classes
    return 2 * pairs * (2 * hidden + 3 * output + 2 * head)


def _pairs(
    labels: Tensor, steps: int, batch_size: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Positions of easy samples and of partners of other classes, ``steps`` times; new ones in each pass."""
    done = 0
    while done < steps:
        partners = sample_partners(labels, 1, generator)
        if partners.numel() == 0:
            return
        order = torch.randperm(len(labels), generator=generator, device=generator.device)
        for batch in torch.split(order.to(labels.device), batch_size)[: steps - done]:
            yield batch, partners[batch, 0]
            done += 1
