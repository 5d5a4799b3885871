from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from labelmend.correction import loose, search
from labelmend.correction.nearest import match_anchors
from labelmend.correction.neighbours import neighbour_shares
from labelmend.correction.search import exact_search, index_search, make_search, takes_index
from labelmend.errors import LabelmendWarning


def clusters(count: int, seed: int = 0, classes: int = 8, dim: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    """Features around the centres of classes, which come one after the other, and their classes."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, dim, generator=torch.Generator().manual_seed(99))
    labels = torch.arange(count) * classes // count
    return centres[labels] + 0.7 * torch.randn(count, dim, generator=generator), labels


def recall(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """Share of the wanted indices of each row that were found."""
    return float((found[:, :, None] == wanted[:, None]).any(1).float().mean())


@pytest.fixture
def everything_is_large(monkeypatch):
    pytest.importorskip("faiss", reason="needs labelmend[large]")
    monkeypatch.setattr(search, "LARGE", 0)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_exact_search_in_blocks(monkeypatch, k):
    monkeypatch.setattr(search, "BLOCK", 30)
    monkeypatch.setattr(search, "TILE_COLUMNS", 3)
    generator = torch.Generator().manual_seed(0)
    references, queries = torch.randn(11, 4, generator=generator), torch.randn(7, 4, generator=generator)
    similarity, index = exact_search(references)(queries, k)
    expected = (queries @ references.T).topk(k, dim=1)
    assert torch.equal(index, expected.indices)
    assert torch.allclose(similarity, expected.values)


def test_an_index_is_taken_for_very_many_pairs_on_processors(monkeypatch):
    monkeypatch.setattr(search, "_has_faiss", lambda: True)
    monkeypatch.setattr(search, "LARGE", 100)
    cpu = torch.device("cpu")
    assert not takes_index(10, 10, cpu)
    assert takes_index(10, 11, cpu)
    assert not takes_index(10, 11, torch.device("cuda"))


def test_without_faiss_the_search_stays_exact_and_says_so_once(monkeypatch):
    monkeypatch.setattr(search, "find_spec", lambda name: None)
    monkeypatch.setattr(search, "LARGE", 0)
    search._has_faiss.cache_clear()
    references = normalize(clusters(50)[0], dim=1)
    with pytest.warns(LabelmendWarning, match=r"pip install 'labelmend\[large\]'") as warned:
        for _ in range(2):
            _, index = make_search(references, 50)(references, 1)
    assert len(warned) == 1
    assert index[:, 0].tolist() == list(range(50))
    search._has_faiss.cache_clear()


def test_small_searches_never_ask_for_faiss(monkeypatch, recwarn):
    monkeypatch.setattr(search, "find_spec", lambda name: None)
    search._has_faiss.cache_clear()
    make_search(torch.eye(3), 3)
    assert not recwarn.list
    search._has_faiss.cache_clear()


def test_an_index_finds_nearly_all_and_the_same_each_time(everything_is_large):
    references = normalize(clusters(4000)[0], dim=1)
    queries = normalize(clusters(300, seed=1)[0], dim=1)
    similarity, index = make_search(references, 300)(queries, 10)
    _, wanted = exact_search(references)(queries, 10)
    assert recall(index, wanted) > 0.9
    assert torch.allclose((queries[:, None] * references[index]).sum(2), similarity, atol=1e-5)
    assert (similarity.diff(dim=1) <= 0).all()
    again = make_search(references, 300)(queries, 10)
    assert torch.equal(similarity, again[0])
    assert torch.equal(index, again[1])


def test_threads_do_not_change_an_index(everything_is_large):
    references = normalize(clusters(4000)[0], dim=1)
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(index_search(references)(references[:200], 5))
    torch.set_num_threads(1)
    assert torch.equal(found[0][1], found[1][1])


def test_an_index_that_finds_too_few_says_so(everything_is_large):
    similarity, index = index_search(torch.eye(3))(torch.eye(3), 5)
    assert similarity.isneginf().sum(1).tolist() == [2, 2, 2]
    assert index[:, 0].tolist() == [0, 1, 2]
    assert (index >= 0).all()


def test_neighbours_by_an_index(everything_is_large, monkeypatch):
    features, labels = clusters(3000)
    easy = torch.rand(3000, generator=torch.Generator().manual_seed(2)) < 0.6
    found = neighbour_shares(features, easy, labels, 8, 20)
    monkeypatch.setattr(search, "LARGE", 10**11)
    exact = neighbour_shares(features, easy, labels, 8, 20)
    assert float((found - exact).abs().mean()) < 0.01
    assert torch.allclose(found.sum(1), torch.ones(3000))


@pytest.mark.parametrize("held", [2**28, 16 * 700])
def test_votes_by_an_index(everything_is_large, monkeypatch, held):
    """Anchors are indexed in parts where they are too many to hold."""
    monkeypatch.setattr(loose, "INDEXED", held)
    anchors, labels = clusters(3000)
    hard, _ = clusters(200, seed=1)
    blocks = [(anchors[i : i + 128], labels[i : i + 128], labels[i : i + 128]) for i in range(0, 3000, 128)]

    def found():
        around = loose.Around(hard, 9, 3000)
        matches = match_anchors(blocks, hard, 3000, around)
        return matches, loose.loose_votes(around, matches.labels, 0.3, 8)

    nearest, votes = found()
    monkeypatch.setattr(search, "LARGE", 10**11)
    exact, wanted = found()
    assert float((nearest.nearest == exact.nearest).float().mean()) > 0.9
    assert torch.equal(nearest.labels, exact.labels)
    assert float((votes.top == wanted.top).float().mean()) > 0.9
    assert float((votes.label == wanted.label).float().mean()) > 0.97
