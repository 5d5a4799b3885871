from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cosine_similarity

from labelmend.correction import search as module
from labelmend.correction.nearest import match_anchors, nearest_hard


def test_by_hand() -> None:
    hard = torch.tensor([[1.0, 0.0], [0.0, 5.0], [1.0, 1.0]])
    anchors = torch.tensor([[9.0, 1.0], [0.0, 0.1], [3.0, 4.0]])
    nearest, similarity = nearest_hard(anchors, hard)
    assert nearest.tolist() == [0, 1, 2]
    assert similarity.tolist() == pytest.approx([9 / 82**0.5, 1.0, 7 / (5 * 2**0.5)])


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(1, 40), st.integers(1, 5), st.integers(0, 100))
def test_tiles_equal_the_whole_matrix(anchors: int, hard: int, dim: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    s_a, s_h = (
        torch.randn(anchors, dim, generator=generator),
        torch.randn(hard, dim, generator=generator),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "TILE_ROWS", 7)
        patch.setattr(module, "TILE_COLUMNS", 5)
        nearest, similarity = nearest_hard(s_a, s_h)
    whole = cosine_similarity(s_a[:, None], s_h[None], dim=2)
    assert nearest.dtype == torch.int64
    assert similarity.dtype == torch.float32
    assert torch.allclose(similarity, whole.amax(dim=1), atol=1e-6)
    found = whole.gather(1, nearest[:, None])[:, 0]
    assert torch.allclose(found, whole.amax(dim=1), atol=1e-6)


def test_ties_go_to_the_smaller_index_across_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TILE_COLUMNS", 2)
    hard = torch.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 0.0], [1.0, 0.0], [0.0, 3.0]])
    nearest, _ = nearest_hard(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), hard)
    assert nearest.tolist() == [1, 0]


def test_opposite_anchor_and_zero_vectors() -> None:
    nearest, similarity = nearest_hard(torch.tensor([[-1.0, 0.0], [0.0, 0.0]]), torch.tensor([[1.0, 0.0]]))
    assert nearest.tolist() == [0, 0]
    assert similarity.tolist() == [-1.0, 0.0]


def test_no_hard_samples() -> None:
    nearest, similarity = nearest_hard(torch.ones(2, 3), torch.empty(0, 3))
    assert nearest.tolist() == [-1, -1]
    assert similarity.tolist() == [-1.0, -1.0]


def test_similarity_is_a_cosine_whatever_the_rounding() -> None:
    features = torch.rand(300, 64, generator=torch.Generator().manual_seed(0))
    nearest, similarity = nearest_hard(3 * features, features)
    assert torch.equal(nearest, torch.arange(300))
    assert float(similarity.max()) <= 1.0


def test_blocks_are_joined_in_order() -> None:
    generator = torch.Generator().manual_seed(0)
    anchors, hard = torch.rand(50, 8, generator=generator), torch.rand(20, 8, generator=generator)
    labels, source = torch.arange(50) % 3, torch.arange(50) + 100
    blocks = ((anchors[i : i + 12], labels[i : i + 12], source[i : i + 12]) for i in range(0, 50, 12))
    matches = match_anchors(blocks, hard, 50)
    nearest, similarity = nearest_hard(anchors, hard)
    assert torch.equal(matches.nearest, nearest)
    assert torch.allclose(matches.similarity, similarity)
    assert torch.equal(matches.labels, labels)
    assert torch.equal(matches.source, source)


def test_no_blocks() -> None:
    matches = match_anchors([], torch.rand(4, 3), 0)
    assert matches.nearest.shape == matches.similarity.shape == matches.labels.shape == (0,)


def test_half_precision_and_gradients_are_left_outside() -> None:
    anchors = torch.rand(4, 3, requires_grad=True)
    nearest, similarity = nearest_hard(anchors, anchors.detach().bfloat16())
    assert nearest.tolist() == [0, 1, 2, 3]
    assert not similarity.requires_grad
