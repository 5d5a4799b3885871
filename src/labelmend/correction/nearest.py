"""The nearest hard sample of every anchor, without ever holding all similarities."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from labelmend.hallucination.anchors import AnchorBlock

# A tile of the similarity matrix that stays in a processor's cache between product and maximum.
TILE_ROWS, TILE_COLUMNS = 512, 4096


@dataclass(frozen=True)
class Matches:
    """The nearest hard sample of each of A anchors.

    Attributes:
        nearest: int64 (A,), index of the hard sample; -1 when there are none.
        similarity: float32 (A,), its cosine similarity, in [-1, 1], high = near; -1 when there are none.
        labels: int64 (A,), label of the anchor.
        source: int64 (A,), index of the easy sample behind the anchor.
    """

    nearest: Tensor
    similarity: Tensor
    labels: Tensor
    source: Tensor


def nearest_hard(anchors: Tensor, hard: Tensor) -> tuple[Tensor, Tensor]:
    """Nearest hard sample of each anchor, ``s_r = argmax_n <s_a, s_n>`` (section 3.3).

    Ties go to the smaller index. A zero vector has similarity 0 with everything.

    Args:
        anchors: (A, d).
        hard: (H, d), features of the hard samples.

    Returns:
        Indices int64 (A,) and cosine similarities float32 (A,); -1 and -1 when H is 0.
    """
    unit = functional.normalize(hard.float(), dim=1)
    return _search(anchors, unit, _tile_buffer(hard))


def match_anchors(blocks: Iterable[AnchorBlock], hard: Tensor) -> Matches:
    """Nearest hard sample of each anchor (section 3.3), for anchors that come in blocks.

    Beside a block and a normalised copy of ``hard`` it holds one tile of the similarity matrix
    (8 MB) and 28 bytes an anchor.

    Args:
        blocks: anchors, some at a time; they can be made as they are asked for.
        hard: (H, d), features of the hard samples.

    Returns:
        The matches, anchors in the order of the blocks, on the device of ``hard``.
    """
    unit, buffer = functional.normalize(hard.float(), dim=1), _tile_buffer(hard)
    none = torch.empty(0, dtype=torch.int64, device=hard.device)
    found = [(none, none.float(), none, none)]
    for features, labels, source in blocks:
        nearest, similarity = _search(features, unit, buffer)
        found.append((nearest, similarity, labels.to(hard.device), source.to(hard.device)))
    return Matches(*(torch.cat(parts) for parts in zip(*found, strict=True)))


def _tile_buffer(like: Tensor) -> Tensor:
    return torch.empty(TILE_ROWS * TILE_COLUMNS, dtype=torch.float32, device=like.device)


@torch.no_grad()
def _search(anchors: Tensor, unit_hard: Tensor, buffer: Tensor) -> tuple[Tensor, Tensor]:
    """Running maximum over tiles of the product of normalised anchors and hard features."""
    best = torch.full((len(anchors),), -1.0, device=unit_hard.device)
    nearest = torch.full((len(anchors),), -1, dtype=torch.int64, device=unit_hard.device)
    for top in range(0, len(anchors), TILE_ROWS):
        rows = functional.normalize(anchors[top : top + TILE_ROWS].to(unit_hard.device).float(), dim=1)
        row_best, row_nearest = best[top : top + TILE_ROWS], nearest[top : top + TILE_ROWS]
        for left in range(0, len(unit_hard), TILE_COLUMNS):
            columns = unit_hard[left : left + TILE_COLUMNS]
            tile = buffer[: len(rows) * len(columns)].view(len(rows), len(columns))
            value, index = torch.matmul(rows, columns.T, out=tile).max(dim=1)
            better = (value > row_best) | (row_nearest < 0)
            row_best.copy_(torch.where(better, value, row_best))
            row_nearest.copy_(torch.where(better, index + left, row_nearest))
    return nearest, best.clamp_(-1, 1)
