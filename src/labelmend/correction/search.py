"""The most similar rows of a collection: exact, or by an index where there are very many pairs."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from labelmend.errors import LabelmendWarning

# A tile of the similarity matrix that stays in a processor's cache between product and maximum.
TILE_ROWS, TILE_COLUMNS = 512, 4096

# Numbers that are held at a time (64 MB): similarities, neighbours.
BLOCK = 2**24

# Pairs above which a processor takes an index: some minutes of exact search on two cores.
LARGE = 10**11

# Cells of an index, in square roots of its rows, those that a query looks into, and the rows that each is
# learned from.
CELLS, CELLS_LOOKED_INTO, LEARNED_FROM = 4, 32, 40

Search = Callable[[Tensor, int], tuple[Tensor, Tensor]]
"""From queries, float32 (Q, d), and k to similarities (Q, k), best first, and indices of rows, int64 (Q, k).

Where an index found fewer than k rows, similarity -inf and index 0 stand for the rest.
"""

Visit = Callable[[Tensor, int, int], None]


def make_search(references: Tensor, queries: int) -> Search:
    """What finds the rows of ``references`` most similar to a query, by inner product.

    Exact up to ``LARGE`` pairs, and on accelerators at any size; above, an index of FAISS (inverted lists)
    that misses some, where FAISS is installed. benchmarks/scale.py measures how many.

    Args:
        references: float32 (M, d); rows of length 1, or 0.
        queries: how many queries there will be in all, about.

    Warns:
        LabelmendWarning: Once, if an index would be taken, but FAISS is missing.
    """
    if takes_index(queries, len(references), references.device):
        return index_search(references)
    return exact_search(references)


def takes_index(queries: int, references: int, device: torch.device) -> bool:
    """Whether ``make_search`` takes an index."""
    return queries * references > LARGE and device.type == "cpu" and _has_faiss()


@cache
def _has_faiss() -> bool:
    if find_spec("faiss") is not None:
        return True
    warnings.warn(
        "nearest samples are searched one by one, which takes long for so many; "
        "pip install 'labelmend[large]' searches an index instead",
        LabelmendWarning,
        stacklevel=2,
    )
    return False


def exact_search(references: Tensor) -> Search:
    """Search by all similarities, a block at a time; ties for the single best go to the smaller index."""
    buffer = tile_buffer(references.device)

    @torch.no_grad()
    def search(queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        if k == 1:
            return nearest_by_tiles(queries, references, buffer)
        rows = max(BLOCK // (len(references) + k), 1)
        found = [(block @ references.T).topk(k, dim=1) for block in queries.split(rows)]
        return torch.cat([values for values, _ in found]), torch.cat([index for _, index in found])

    return search


def unit(features: Tensor) -> Tensor:
    """Features (N, d) as float32 of length 1; zero vectors stay."""
    return functional.normalize(features.float(), dim=1)


def tile_buffer(device: torch.device) -> Tensor:
    """Room for one tile."""
    return torch.empty(TILE_ROWS * TILE_COLUMNS, device=device)


@torch.no_grad()
def nearest_by_tiles(
    queries: Tensor, references: Tensor, buffer: Tensor, visit: Visit | None = None
) -> tuple[Tensor, Tensor]:
    """The most similar row of ``references`` (M, d) for each query (Q, d): a running maximum over tiles.

    Args:
        queries: float32.
        references: float32.
        buffer: room for ``TILE_ROWS * TILE_COLUMNS`` numbers.
        visit: given each tile before the next takes its place: similarities of some queries, those from the
            first number on, to some references, those from the second on.

    Returns:
        Similarities float32 (Q, 1), -inf where M is 0, and indices int64 (Q, 1); ties go to the smaller.
    """
    best = torch.full((len(queries), 1), -torch.inf, device=references.device)
    nearest = torch.zeros((len(queries), 1), dtype=torch.int64, device=references.device)
    for top in range(0, len(queries), TILE_ROWS):
        rows = queries[top : top + TILE_ROWS]
        row_best, row_nearest = best[top : top + TILE_ROWS], nearest[top : top + TILE_ROWS]
        for left in range(0, len(references), TILE_COLUMNS):
            columns = references[left : left + TILE_COLUMNS]
            tile = buffer[: len(rows) * len(columns)].view(len(rows), len(columns))
            torch.matmul(rows, columns.T, out=tile)
            if visit is not None:
                visit(tile, top, left)
            value, index = tile.max(dim=1, keepdim=True)
            better = value > row_best
            row_best.copy_(torch.where(better, value, row_best))
            row_nearest.copy_(torch.where(better, index + left, row_nearest))
    return best, nearest


def index_search(references: Tensor) -> Search:
    """Search by an index of FAISS: only rows in the cells around a query are looked at.

    The same rows give the same index: its cells are those of a seeded k-means.

    Args:
        references: float32 (M, d) on the CPU, M at least 1.
    """
    import faiss

    faiss.omp_set_num_threads(torch.get_num_threads())
    count, dim = references.shape
    cells = max(min(round(CELLS * math.sqrt(count)), count // LEARNED_FROM), 1)
    index: Any = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, cells, faiss.METRIC_INNER_PRODUCT)
    index.cp.spherical, index.cp.seed, index.cp.niter = True, 0, 10
    rows = references.numpy()
    # Evenly spread: samples often stand in the order of their classes.
    index.train(rows[:: max(count // (LEARNED_FROM * cells), 1)])
    index.add(rows)
    index.nprobe = CELLS_LOOKED_INTO

    def search(queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        similarity, found = index.search(np.ascontiguousarray(queries.numpy()), k)
        missing = torch.from_numpy(found < 0)
        values = torch.from_numpy(similarity).masked_fill_(missing, -torch.inf)
        return values, torch.from_numpy(found).masked_fill_(missing, 0)

    return search
