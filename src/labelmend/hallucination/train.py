"""The hallucinator training phase of section 3.5."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from labelmend.hallucination.hallucinator import Hallucinator
from labelmend.hallucination.loss import hallucination_loss
from labelmend.hallucination.partners import sample_partners


def train_hallucinator(
    hallucinator: Hallucinator,
    optimizer: torch.optim.Optimizer,
    head: Callable[[Tensor], Tensor],
    features: Tensor,
    labels: Tensor,
    lambda_p: float,
    epochs: int,
    batch_size: int = 256,
    *,
    generator: torch.Generator,
) -> float:
    """Minimise eq. 2 over the easy set; gradients reach the hallucinator alone.

    Each epoch pairs every easy sample with one new partner of another class.

    Args:
        hallucinator: h, changed in place.
        optimizer: over the parameters of ``hallucinator``.
        head: g, maps features (B, d) to logits (B, C); not changed.
        features: (M, d), features of the easy samples.
        labels: int64 (M,), their given labels.
        lambda_p: in [0.5, 1].
        epochs: passes over the easy set.
        batch_size: pairs a step.
        generator: source of the partners and of the order.

    Returns:
        Mean loss of the last epoch; NaN when nothing could be trained: no epochs, or fewer than two
        classes among ``labels``.
    """
    features, parameters = features.detach(), list(hallucinator.parameters())
    mean = float("nan")
    for _ in range(epochs):
        partners = sample_partners(labels, 1, generator)
        if partners.numel() == 0:
            break
        order = torch.randperm(len(labels), generator=generator, device=generator.device)
        total = 0.0
        for batch in torch.split(order.to(labels.device), batch_size):
            s_u, s_v = features[batch], features[partners[batch, 0]]
            loss = hallucination_loss(hallucinator(s_u, s_v), s_u, s_v, labels[batch], head, lambda_p)
            optimizer.zero_grad()
            torch.autograd.backward(loss, inputs=parameters)
            optimizer.step()
            total += float(loss.detach()) * len(batch)
        mean = total / len(labels)
    return mean
