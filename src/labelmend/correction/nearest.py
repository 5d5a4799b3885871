"""The nearest hard sample of every anchor, without ever holding all similarities."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from labelmend.correction.loose import Around
from labelmend.correction.search import make_search, unit
from labelmend.hallucination.anchors import AnchorBlock


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
    search = make_search(unit(hard), len(anchors))
    return _nearest(anchors, lambda unit_anchors: search(unit_anchors, 1), hard)


def match_anchors(
    blocks: Iterable[AnchorBlock], hard: Tensor, number: int, around: Around | None = None
) -> Matches:
    """Nearest hard sample of each anchor (section 3.3), for anchors that come in blocks.

    Beside a block and a normalised copy of ``hard`` it holds one tile of the similarity matrix
    (8 MB), or an index of very many hard samples, and 28 bytes an anchor.

    Args:
        blocks: anchors, some at a time; they can be made as they are asked for.
        hard: (H, d), features of the hard samples.
        number: of all anchors.
        around: of the same hard samples, to meet the anchors on the way.

    Returns:
        The matches, anchors in the order of the blocks, on the device of ``hard``.
    """
    search = make_search(unit(hard) if around is None else around.hard, number)

    def look(anchors: Tensor) -> tuple[Tensor, Tensor]:
        return search(anchors, 1) if around is None else around.meet(anchors, search)

    none = torch.empty(0, dtype=torch.int64, device=hard.device)
    found = [(none, none.float(), none, none)]
    for features, labels, source in blocks if around is None else around.joined(blocks):
        nearest, similarity = _nearest(features, look, hard)
        found.append((nearest, similarity, labels.to(hard.device), source.to(hard.device)))
    return Matches(*(torch.cat(parts) for parts in zip(*found, strict=True)))


@torch.no_grad()
def _nearest(
    anchors: Tensor, look: Callable[[Tensor], tuple[Tensor, Tensor]], hard: Tensor
) -> tuple[Tensor, Tensor]:
    """Index and similarity of the nearest hard sample of each anchor, which ``look`` finds."""
    if not len(hard):
        none = torch.full((len(anchors),), -1, device=hard.device)
        return none, none.float()
    similarity, nearest = look(unit(anchors.to(hard.device)))
    return nearest[:, 0], similarity[:, 0].clamp(-1, 1)
