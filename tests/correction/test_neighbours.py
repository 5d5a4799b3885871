from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cosine_similarity

from labelmend.correction import neighbours as module
from labelmend.correction import search
from labelmend.correction.neighbours import neighbour_shares


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(1, 8), st.integers(1, 40), st.integers(0, 99))
def test_equals_sorting_all_similarities(count: int, neighbours: int, block: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(count, 4, generator=generator)
    labels = torch.randint(3, (count,), generator=generator)
    easy = torch.rand(count, generator=generator) < 0.6
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ROWS", block)
        patch.setattr(search, "BLOCK", block)
        shares = neighbour_shares(features, easy, labels, 3, neighbours)
    centred = features - features.mean(0)
    for i in range(count):
        cosines = cosine_similarity(centred, centred[i][None], dim=1)
        others = [j for j in cosines.argsort(descending=True).tolist() if easy[j] and j != i][:neighbours]
        wanted = [
            sum(int(labels[j]) == c for j in others) / len(others) if others else 1 / 3 for c in range(3)
        ]
        assert shares[i].tolist() == pytest.approx(wanted)


def test_own_label_is_no_evidence() -> None:
    features = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.9, 0.1], [-1.0, 0.0], [-1.0, 0.1]])
    labels, easy = torch.tensor([1, 0, 0, 1, 1]), torch.ones(5, dtype=torch.bool)
    assert neighbour_shares(features, easy, labels, 2, 2)[0].tolist() == [1, 0]


@pytest.mark.parametrize("easy", [[False, False, False], [True, False, False]])
def test_uniform_where_there_is_no_other_easy_sample(easy: list[bool]) -> None:
    shares = neighbour_shares(torch.eye(3), torch.tensor(easy), torch.tensor([1, 1, 0]), 2, 5)
    assert shares.tolist() == [[0, 1] if any(easy) and i else [0.5, 0.5] for i in range(3)]
