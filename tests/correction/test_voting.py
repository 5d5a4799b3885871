from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from labelmend.correction.voting import Votes, accept, validity_threshold, vote
from labelmend.errors import SettingsError


def valid_anchors(similarity, lambda_conf):
    return similarity > validity_threshold(similarity, lambda_conf)


def majority(ballots: list[tuple[float, int, int]], max_votes: int) -> tuple[int, int, float, list[int]]:
    """The vote on one hard sample in plain Python; ballots are (similarity, label, anchor)."""
    kept = sorted(ballots, key=lambda b: (-b[0], b[2]))[:max_votes]
    if not kept:
        return -1, 0, 0.0, [-1] * 3
    tallies: dict[int, tuple[int, float]] = {}
    for similarity, label, _ in kept:
        count, total = tallies.get(label, (0, 0.0))
        tallies[label] = (count + 1, total + similarity)
    label = min(tallies, key=lambda c: (-tallies[c][0], -tallies[c][1], c))
    top = [anchor for _, _, anchor in kept][:3]
    return label, len(kept), tallies[label][0] / len(kept), top + [-1] * (3 - len(top))


@st.composite
def elections(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor, Tensor, int, int, int]:
    anchors, hard, classes = draw(st.integers(0, 40)), draw(st.integers(1, 5)), draw(st.integers(1, 4))
    # Similarities in eighths: their sums are exact, so that ties are ties.
    columns = [
        draw(st.lists(values, min_size=anchors, max_size=anchors))
        for values in (
            st.integers(-1, hard - 1),
            st.integers(-8, 8),
            st.integers(0, classes - 1),
            st.booleans(),
        )
    ]
    nearest, eighths, labels = (torch.tensor(c, dtype=torch.int64) for c in columns[:3])
    valid = torch.tensor(columns[3], dtype=torch.bool)
    return nearest, eighths / 8, labels, valid, hard, classes, draw(st.integers(1, 6))


@settings(deadline=None)
@given(elections())
def test_vote_equals_plain_python(case: tuple) -> None:
    nearest, similarity, labels, valid, hard, _, max_votes = case
    votes = vote(*case)
    assert votes.label.dtype == votes.top.dtype == torch.int64
    assert votes.votes.dtype == torch.int32
    assert votes.share.dtype == torch.float32
    for h in range(hard):
        ballots = [
            (similarity[a].item(), int(labels[a]), a)
            for a in range(len(labels))
            if valid[a] and nearest[a] == h
        ]
        label, count, share, top = majority(ballots, max_votes)
        assert (votes.label[h], votes.votes[h]) == (label, count)
        assert votes.share[h].item() == pytest.approx(share)
        assert votes.top[h].tolist() == top


def test_by_hand() -> None:
    nearest = torch.tensor([0, 0, 0, 2, 2, 2, 2])
    similarity = torch.tensor([0.9, 0.6, 0.8, 0.9, 0.5, 0.8, 0.7])
    labels = torch.tensor([4, 1, 1, 0, 2, 2, 0])
    valid = torch.tensor([True, True, True, True, True, True, False])
    votes = vote(nearest, similarity, labels, valid, 3, 5, 5)
    # sample 2: classes 0 (0.9) and 2 (0.8 + 0.5): two votes to one
    assert votes.label.tolist() == [1, -1, 2]
    assert votes.votes.tolist() == [3, 0, 3]
    assert votes.share.tolist() == pytest.approx([2 / 3, 0, 2 / 3])
    assert votes.top.tolist() == [[0, 2, 1], [-1, -1, -1], [3, 5, 4]]
    # with K = 2 both samples tie and the larger summed similarity wins
    assert vote(nearest, similarity, labels, valid, 3, 5, 2).label.tolist() == [4, -1, 0]


def test_ties_go_to_summed_similarity_then_to_the_smaller_class() -> None:
    nearest, valid = torch.zeros(4, dtype=torch.int64), torch.ones(4, dtype=torch.bool)
    labels = torch.tensor([3, 1, 1, 3])
    assert vote(nearest, torch.tensor([0.5, 0.5, 0.25, 0.5]), labels, valid, 1, 4, 9).label.item() == 3
    assert vote(nearest, torch.tensor([0.5, 0.5, 0.25, 0.25]), labels, valid, 1, 4, 9).label.item() == 1


@settings(deadline=None)
@given(elections(), st.randoms(use_true_random=False))
def test_order_of_the_anchors_does_not_matter(case: tuple, random: object) -> None:
    nearest, similarity, labels, valid, *sizes = case
    order = list(range(len(labels)))
    random.shuffle(order)  # type: ignore[attr-defined]
    similarity = similarity + torch.arange(len(labels)) / 1024  # no ties for the last of K places
    votes = vote(nearest, similarity, labels, valid, *sizes)
    again = vote(nearest[order], similarity[order], labels[order], valid[order], *sizes)
    assert torch.equal(votes.label, again.label)
    assert torch.equal(votes.share, again.share)


def test_many_classes_need_no_dense_table() -> None:
    """A table of hard samples by classes would hold 10^12 numbers here."""
    nearest = torch.tensor([999_999, 5])
    votes = vote(
        nearest, torch.tensor([0.5, 0.5]), torch.tensor([7, 999_999]), nearest > 0, 1_000_000, 1_000_000, 5
    )
    assert (votes.label[999_999], votes.label[5], int((votes.label >= 0).sum())) == (7, 999_999, 2)


def test_no_hard_samples_and_no_anchors() -> None:
    none = torch.empty(0, dtype=torch.int64)
    votes = vote(none, none.float(), none, none.bool(), 0, 3, 5)
    assert votes.label.shape == (0,)
    assert votes.top.shape == (0, 3)
    lost = vote(torch.tensor([-1]), torch.tensor([-1.0]), torch.tensor([0]), torch.tensor([True]), 0, 3, 5)
    assert lost.label.shape == (0,)


def test_the_nearest_anchors_are_valid() -> None:
    similarity = torch.tensor([0.4, 0.1, 0.3, 0.2])
    assert valid_anchors(similarity, 0.5).tolist() == [True, False, True, False]
    assert valid_anchors(similarity, 0.0).all()
    assert valid_anchors(similarity, 0.99).tolist() == [True, False, False, False]
    ties = torch.tensor([0.1, 0.3, 0.3, 0.3])
    assert valid_anchors(ties, 0.5).tolist() == [False, True, True, True]
    assert valid_anchors(torch.full((5,), 0.3), 0.9).all()
    assert valid_anchors(torch.empty(0), 0.5).shape == (0,)


@settings(deadline=None)
@given(
    st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=50, unique=True),
    st.floats(0, 1, exclude_max=True),
)
def test_that_share_of_anchors_is_dropped(values: list[float], share: float) -> None:
    similarity = torch.tensor(values)
    assert int((~valid_anchors(similarity, share)).sum()) == int(share * len(values))


@pytest.mark.parametrize("value", [1.0, -0.1])
def test_bad_lambda_conf_names_the_flag(value: float) -> None:
    with pytest.raises(SettingsError, match=f"^--lambda-conf is {value}, but must be from 0 to below 1$"):
        validity_threshold(torch.rand(3), value)


def test_without_anchors_none_is_near_enough() -> None:
    assert validity_threshold(torch.empty(0), 0.5) == 1


def test_accept() -> None:
    votes = Votes(
        torch.tensor([2, -1, 0, 1]),
        torch.tensor([1, 0, 5, 4], dtype=torch.int32),
        torch.tensor([1.0, 0.0, 0.6, 0.5]),
        torch.full((4, 3), -1),
    )
    assert accept(votes).tolist() == [True, False, True, True]
    assert accept(votes, min_votes=2).tolist() == [False, False, True, True]
    assert accept(votes, min_votes=2, min_agreement=0.6).tolist() == [False, False, True, False]
    assert accept(votes, min_votes=0).tolist() == [True, False, True, True]


@settings(deadline=None)
@given(elections(), st.integers(0, 99))
def test_share_for_a_label_equals_plain_python(case: tuple, seed: int) -> None:
    nearest, similarity, labels, valid, hard, classes, max_votes = case
    wanted = torch.randint(classes, (hard,), generator=torch.Generator().manual_seed(seed))
    found = vote(*case).share_for(wanted)
    assert found.dtype == torch.float32
    for h in range(hard):
        voting = [a for a in range(len(labels)) if valid[a] and nearest[a] == h]
        kept = sorted(voting, key=lambda a: (-similarity[a].item(), a))[:max_votes]
        share = sum(int(labels[a]) == int(wanted[h]) for a in kept) / len(kept) if kept else 0
        assert found[h].item() == pytest.approx(share)
