from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cosine_similarity

from labelmend.correction import loose, search
from labelmend.correction.loose import Around, first_of_highest, loose_votes
from labelmend.correction.nearest import match_anchors
from labelmend.correction.voting import validity_threshold, vote


def votes_around(blocks, hard, threshold, num_classes, max_votes, number):
    around = Around(hard, max_votes, number)
    matches = match_anchors(blocks, hard, number, around)
    return loose_votes(around, matches.labels, threshold, num_classes)


@settings(deadline=None)
@given(
    st.integers(0, 40),
    st.integers(0, 12),
    st.integers(1, 6),
    st.integers(1, 15),
    st.floats(-1, 1),
    st.integers(0, 99),
)
def test_equals_sorting_all_similarities(
    anchors: int, hard: int, max_votes: int, block: int, threshold: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    s_a, s_h = torch.randn(anchors, 4, generator=generator), torch.randn(hard, 4, generator=generator)
    labels = torch.randint(3, (anchors,), generator=generator)
    blocks = [
        (s_a[i : i + block], labels[i : i + block], labels[i : i + block]) for i in range(0, anchors, block)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "TILE_ROWS", 4)
        patch.setattr(search, "TILE_COLUMNS", 5)
        votes = votes_around(blocks, s_h, threshold, 3, max_votes, anchors)
    for h in range(hard):
        cosines = cosine_similarity(s_a, s_h[h][None], dim=1)
        near = [a for a in cosines.argsort(descending=True).tolist() if cosines[a] > threshold][:max_votes]
        assert int(votes.votes[h]) == len(near)
        assert votes.top[h].tolist() == (near + [-1] * 3)[:3]
        ranks = [
            ((labels[near] == c).sum().item(), cosines[near][labels[near] == c].sum().item())
            for c in range(3)
        ]
        assert int(votes.label[h]) == (ranks.index(max(ranks)) if near else -1)


def test_loose_corrects_what_strict_does_not() -> None:
    hard = torch.tensor([[1.0, 0.0], [1.0, 0.2], [0.0, 1.0]])
    anchors = torch.tensor([[1.0, -0.1], [1.0, -0.05]])
    blocks = [(anchors, torch.tensor([1, 1]), torch.tensor([0, 1]))]
    matches = match_anchors(blocks, hard, 2)
    valid = matches.similarity > 0.9
    strict = vote(matches.nearest, matches.similarity, matches.labels, valid, 3, 2, 5)
    assert strict.label.tolist() == [1, -1, -1]
    assert votes_around(blocks, hard, 0.9, 2, 5, 2).label.tolist() == [1, 1, -1]


def test_only_valid_anchors_vote() -> None:
    """An anchor more similar to any hard sample than the threshold is valid by its nearest one."""
    generator = torch.Generator().manual_seed(0)
    anchors, hard = torch.rand(60, 5, generator=generator), torch.rand(20, 5, generator=generator)
    labels = torch.randint(4, (60,), generator=generator)
    blocks = [(anchors, labels, labels)]
    similarity = match_anchors(blocks, hard, 60).similarity
    threshold = validity_threshold(similarity, 0.5)
    votes = votes_around(blocks, hard, threshold, 4, 3, 60)
    voters = votes.top[votes.top >= 0]
    assert len(voters) > 0
    assert bool((similarity[voters] > threshold).all())


@pytest.mark.parametrize(
    ("indexed", "sizes", "joined"),
    [
        (False, [2, 5, 1], [2, 5, 1]),
        (True, [3, 3, 3, 3], [6, 6]),
        (True, [2, 2, 2, 2, 2], [6, 4]),
        (True, [7, 1], [7, 1]),
        (True, [6, 5, 1], [6, 6]),
        (True, [], []),
    ],
)
def test_an_index_is_made_of_many_anchors_at_a_time(
    monkeypatch: pytest.MonkeyPatch, indexed: bool, sizes: list[int], joined: list[int]
) -> None:
    """Of 6 here: 13 numbers, of which an anchor has 2."""
    monkeypatch.setattr(loose, "INDEXED", 13)
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(
        loose, "takes_index", lambda anchors, hard, _: (asked.append((anchors, hard)), indexed)[1]
    )
    around = Around(torch.rand(4, 2), 3, 50)
    assert asked == [(50, 4)]
    number = torch.arange(sum(sizes))
    blocks = [(part[:, None].expand(-1, 2).float(), part, -part) for part in number.split(sizes)]
    found = list(around.joined(iter(blocks if sizes else [])))
    assert [len(labels) for _, labels, _ in found] == joined
    if sizes:
        features, labels, source = (torch.cat(parts) for parts in zip(*found, strict=True))
        assert torch.equal(labels, number)
        assert torch.equal(source, -number)
        assert torch.equal(features, number[:, None].expand(-1, 2).float())


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(1, 30), st.integers(1, 30), st.integers(0, 99))
def test_of_equal_values_the_first_are_taken(rows: int, count: int, k: int, seed: int) -> None:
    values = torch.randint(4, (rows, count), generator=torch.Generator().manual_seed(seed)).float()
    highest, index = first_of_highest(values, min(k, count))
    for row in range(rows):
        order = sorted(range(count), key=lambda i: (-values[row, i], i))[:k]
        assert index[row].tolist() == order
        assert torch.equal(highest[row], values[row, order])


@pytest.mark.parametrize("block", [1, 9, 20, 600])
def test_equally_similar_anchors_vote_in_the_order_in_which_they_are_met(block: int) -> None:
    anchors, labels = torch.ones(600, 4), (torch.arange(600) >= 9).long()
    blocks = [
        (anchors[i : i + block], labels[i : i + block], labels[i : i + block]) for i in range(0, 600, block)
    ]
    around = Around(torch.ones(2, 4), 9, 600)
    match_anchors(blocks, torch.ones(2, 4), 600, around)
    assert around.anchors.tolist() == [list(range(9))] * 2
