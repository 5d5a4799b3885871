from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cosine_similarity, normalize

from labelmend.hallucination.closed_form import closed_form_anchors, similarity_bound
from labelmend.hallucination.loss import similarity_loss


def pairs(seed: int, n: int = 20, d: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, d, generator=generator).double(), torch.rand(n, d, generator=generator).double()


def test_orthogonal_features_by_hand() -> None:
    s_u, s_v = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 4.0]])
    anchor = closed_form_anchors(s_u, s_v, 0.6)
    # direction (0.6, 0.4) / sqrt(0.52), length (2 + 4) / 2
    assert torch.allclose(anchor, torch.tensor([[0.6, 0.4]]) * 3 / math.sqrt(0.52))
    assert similarity_bound(s_u, s_v, 0.6).item() == pytest.approx(-math.sqrt(0.52))


@settings(deadline=None)
@given(st.integers(0, 100), st.floats(0.5, 1.0))
def test_anchors_reach_the_bound(seed: int, lambda_p: float) -> None:
    s_u, s_v = pairs(seed)
    loss = similarity_loss(closed_form_anchors(s_u, s_v, lambda_p), s_u, s_v, lambda_p)
    assert loss.item() == pytest.approx(similarity_bound(s_u, s_v, lambda_p).mean().item(), abs=1e-9)


@settings(deadline=None)
@given(st.integers(0, 100), st.floats(0.5, 1.0))
def test_no_anchor_is_below_the_bound(seed: int, lambda_p: float) -> None:
    s_u, s_v = pairs(seed)
    other = closed_form_anchors(s_u, s_v, lambda_p)
    other = other + 0.3 * torch.randn(other.shape, generator=torch.Generator().manual_seed(seed)).double()
    own = lambda_p * cosine_similarity(other, s_u) + (1 - lambda_p) * cosine_similarity(other, s_v)
    assert bool((-own >= similarity_bound(s_u, s_v, lambda_p) - 1e-12).all())


def test_half_is_midway() -> None:
    s_u, s_v = pairs(1)
    anchor = closed_form_anchors(s_u, s_v, 0.5)
    assert torch.allclose(cosine_similarity(anchor, s_u), cosine_similarity(anchor, s_v))


def test_one_is_the_sample_itself() -> None:
    s_u, s_v = pairs(2)
    assert torch.allclose(normalize(closed_form_anchors(s_u, s_v, 1.0)), normalize(s_u))
    assert torch.allclose(similarity_bound(s_u, s_v, 1.0), -torch.ones(20).double())


def test_length_is_the_mean_length() -> None:
    s_u, s_v = pairs(3)
    length = closed_form_anchors(s_u, 3 * s_v, 0.7).norm(dim=1)
    assert torch.allclose(length, (s_u.norm(dim=1) + 3 * s_v.norm(dim=1)) / 2)


def test_opposite_features_stay_finite() -> None:
    s_u = torch.tensor([[1.0, 0.0]])
    assert closed_form_anchors(s_u, -s_u, 0.5).isfinite().all()
    assert similarity_bound(s_u, -s_u, 0.5).item() == 0
