from __future__ import annotations

import pytest
import torch

from labelmend.hallucination import anchors as module
from labelmend.hallucination.anchors import anchor_blocks

FEATURES = torch.tensor([[1.0], [2.0], [3.0], [4.0], [5.0]])
LABELS = torch.tensor([7, 8, 9, 7, 8])
PARTNERS = torch.tensor([[1, 2], [0, 3], [4, 0], [1, 1], [2, 3]])


def difference(s_u: torch.Tensor, s_v: torch.Tensor) -> torch.Tensor:
    return 10 * s_u + s_v


def test_by_hand() -> None:
    ((made, labels, source),) = anchor_blocks(FEATURES, LABELS, PARTNERS, difference)
    assert made[:, 0].tolist() == [12, 13, 21, 24, 35, 31, 42, 42, 53, 54]
    assert labels.tolist() == [7, 7, 8, 8, 9, 9, 7, 7, 8, 8]
    assert source.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


@pytest.mark.parametrize(("size", "rows"), [(4, [4, 4, 2]), (5, [4, 4, 2]), (1, [2] * 5), (100, [10])])
def test_blocks_hold_whole_samples_and_the_same_anchors(
    monkeypatch: pytest.MonkeyPatch, size: int, rows: list[int]
) -> None:
    whole = next(iter(anchor_blocks(FEATURES, LABELS, PARTNERS, difference)))
    monkeypatch.setattr(module, "BLOCK", size)
    blocks = list(anchor_blocks(FEATURES, LABELS, PARTNERS, difference))
    assert [len(made) for made, _, _ in blocks] == rows
    for joined, expected in zip(zip(*blocks, strict=True), whole, strict=True):
        assert torch.equal(torch.cat(joined), expected)


def test_without_partners_there_are_no_anchors() -> None:
    assert list(anchor_blocks(FEATURES, LABELS, PARTNERS[:, :0], difference)) == []


def test_anchors_are_made_as_they_are_asked_for_and_without_gradients() -> None:
    asked = []

    def make(s_u: torch.Tensor, s_v: torch.Tensor) -> torch.Tensor:
        asked.append(len(s_u))
        return s_u * torch.nn.Parameter(torch.ones(1))

    blocks = anchor_blocks(FEATURES, LABELS, PARTNERS, make)
    assert asked == []
    made, _, _ = next(blocks)
    assert asked == [10]
    assert not made.requires_grad
