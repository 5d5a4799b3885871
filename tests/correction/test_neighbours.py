from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cosine_similarity

from labelmend.correction import neighbours as module
from labelmend.correction import search
from labelmend.correction.neighbours import neighbour_lists, neighbour_shares


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
        lists = neighbour_lists(features, neighbours)
        by_lists = neighbour_shares(features, easy, labels, 3, neighbours, lists)
    assert torch.allclose(by_lists, shares)
    centred = features - features.mean(0)
    for i in range(count):
        cosines = cosine_similarity(centred, centred[i][None], dim=1)
        others = [j for j in cosines.argsort(descending=True).tolist() if easy[j] and j != i][:neighbours]
        wanted = [
            sum(int(labels[j]) == c for j in others) / len(others) if others else 1 / 3 for c in range(3)
        ]
        assert shares[i].tolist() == pytest.approx(wanted)


def test_lists_name_the_nearest_others_in_order() -> None:
    features = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    centred = features - features.mean(0)
    lists = neighbour_lists(features, 2)
    assert lists.dtype == torch.int32
    for i in range(40):
        cosines = cosine_similarity(centred, centred[i][None], dim=1)
        others = [j for j in cosines.argsort(descending=True).tolist() if j != i]
        assert lists[i].tolist() == others[: 2 * module.LISTED]
    assert neighbour_lists(features[:5], 2).shape == (5, 4)
    assert neighbour_lists(features[:1], 2).shape == (1, 0)


def test_only_samples_with_too_few_easy_ones_listed_are_searched(monkeypatch) -> None:
    features = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    # The last sample is easy: -1 must not be taken for it.
    labels, easy = torch.arange(60) % 3, torch.arange(60) % 2 == 1
    lists = neighbour_lists(features, 5)
    lists[7] = -1  # as of an index that found none
    lists[8, :5] = torch.tensor([3, 9, 15, 21, 27])  # easy ones, all of class 0
    asked = []

    def make_search(references, queries):
        asked.append(queries)
        return search.make_search(references, queries)

    wanted = neighbour_shares(features, easy, labels, 3, 5)
    monkeypatch.setattr(module, "make_search", make_search)
    few = [i for i in range(60) if (easy[lists[i].long()] & (lists[i] >= 0)).sum() < 5]
    found = neighbour_shares(features, easy, labels, 3, 5, lists)
    assert 7 in few
    assert asked == [len(few)]
    others = [i for i in range(60) if i != 8]
    assert torch.allclose(found[others], wanted[others])
    assert found[8].tolist() == [1, 0, 0]


def test_own_label_is_no_evidence() -> None:
    features = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.9, 0.1], [-1.0, 0.0], [-1.0, 0.1]])
    labels, easy = torch.tensor([1, 0, 0, 1, 1]), torch.ones(5, dtype=torch.bool)
    assert neighbour_shares(features, easy, labels, 2, 2)[0].tolist() == [1, 0]


@pytest.mark.parametrize("easy", [[False, False, False], [True, False, False]])
def test_uniform_where_there_is_no_other_easy_sample(easy: list[bool]) -> None:
    shares = neighbour_shares(torch.eye(3), torch.tensor(easy), torch.tensor([1, 1, 0]), 2, 5)
    assert shares.tolist() == [[0, 1] if any(easy) and i else [0.5, 0.5] for i in range(3)]


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(1, 8), st.integers(1, 40), st.integers(0, 99))
def test_samples_that_belong_together_do_not_speak_for_each_other(
    count: int, neighbours: int, block: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(count, 4, generator=generator)
    labels = torch.randint(3, (count,), generator=generator)
    together = 7 * torch.randint(8, (count,), generator=generator)
    easy = torch.rand(count, generator=generator) < 0.6
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ROWS", block)
        patch.setattr(module, "BLOCK", 3 * block)
        shares = neighbour_shares(features, easy, labels, 3, neighbours, None, together)
        lists = neighbour_lists(features, neighbours)
        by_lists = neighbour_shares(features, easy, labels, 3, neighbours, lists, together)
    assert torch.allclose(by_lists, shares)
    centred = features - features.mean(0)
    for i in range(count):
        order = cosine_similarity(centred, centred[i][None], dim=1).argsort(descending=True).tolist()
        others = [j for j in order if easy[j] and together[j] != together[i]][:neighbours]
        wanted = [
            sum(int(labels[j]) == c for j in others) / len(others) if others else 1 / 3 for c in range(3)
        ]
        assert shares[i].tolist() == pytest.approx(wanted)
