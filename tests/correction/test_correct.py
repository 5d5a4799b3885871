from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmend.correction.correct import Corrections, correct

# Samples 1, 3 and 4 are hard, at 0, 90 and 45 degrees; the easy ones, 0, 2 and 5, made the anchors below.
FEATURES = torch.tensor([[9.0, 9.0], [1.0, 0.0], [9.0, 9.0], [0.0, 2.0], [1.0, 1.0], [9.0, 9.0]])
EASY = torch.tensor([True, False, True, False, False, True])
GIVEN = torch.tensor([2, 1, 2, 0, 0, 1])
ANGLES = [0.0, 5.0, 10.0, 81.0, 132.0, 20.0]
LABELS = torch.tensor([2, 2, 1, 0, 0, 1])
SOURCES = torch.tensor([0, 1, 2, 0, 1, 2])


def at(angles: list[float]) -> torch.Tensor:
    radians = torch.deg2rad(torch.tensor(angles))
    return 3 * torch.stack([radians.cos(), radians.sin()], dim=1)


def run(block: int = 2, **changes: object) -> Corrections:
    arguments = {"lambda_conf": 0.0, "surrounding": "strict", "max_votes": 9, **changes}
    anchors = at(ANGLES)
    blocks = zip(anchors.split(block), LABELS.split(block), SOURCES.split(block), strict=True)
    return correct(blocks, len(anchors), FEATURES, EASY, GIVEN, 3, **arguments)  # type: ignore[arg-type]


def same(first: Corrections, second: Corrections) -> bool:
    return all(
        torch.equal(torch.as_tensor(mine), torch.as_tensor(theirs))
        for mine, theirs in zip(vars(first).values(), vars(second).values(), strict=True)
    )


def test_strict_by_hand() -> None:
    """Nearest is sample 1 to the anchors at 0, 5, 10 and 20 degrees, sample 3 to those at 81 and 132."""
    found = run()
    # 0 and 5 degrees vote for class 2 and are nearer to sample 1 than 10 and 20, which vote for 1.
    assert found.corrected.tolist() == [-1, 2, -1, 0, -1, -1]
    assert found.votes.tolist() == [0, 4, 0, 2, 0, 0]
    assert found.vote_share.tolist() == [0, 0.5, 0, 1, 0, 0]
    assert found.given_share.tolist() == [0, 0.5, 0, 1, 0, 0]
    nothing = [-1, -1, -1]
    assert found.sources.tolist() == [nothing, [0, 2, 5], nothing, [0, 2, -1], nothing, nothing]
    assert found.valid_anchors == 6


@pytest.mark.parametrize("surrounding", ["strict", "loose"])
def test_no_anchor_votes_on_a_sample_that_is_together_with_the_one_behind_it(surrounding: str) -> None:
    """Sample 0, which made the anchors at 0 and 81 degrees, is together with the hard sample at 0 degrees."""
    together = torch.tensor([7, 7, 1, 2, 3, 4])
    plain, apart = (run(surrounding=surrounding, together=each) for each in (None, together))
    # Anchor 81 is of sample 0 as well, and votes on the hard sample at 90 degrees as before.
    assert (plain.votes - apart.votes).tolist() == [0, 1, 0, 0, 0, 0]
    assert (plain.corrected[1], apart.corrected[1]) == (2, 1)
    assert 0 in plain.sources[1].tolist()
    assert 0 not in apart.sources[1].tolist()
    assert torch.equal(plain.sources[3], apart.sources[3])
    assert plain.valid_anchors == apart.valid_anchors
    assert same(plain, run(surrounding=surrounding, together=torch.arange(6)))


def test_loose_by_hand() -> None:
    """All are valid down to the one at 42 degrees from its nearest sample: that far an anchor may vote."""
    found = run(surrounding="loose")
    # On sample 4, at 45 degrees: those at 20 and 10 for class 1, 81 for 0, 5 for 2.
    assert found.corrected.tolist() == [-1, 2, -1, 0, 1, -1]
    assert found.votes.tolist() == [0, 4, 0, 2, 4, 0]
    assert found.vote_share.tolist() == [0, 0.5, 0, 1, 0.5, 0]
    assert found.given_share.tolist() == [0, 0.5, 0, 1, 0.25, 0]
    assert found.sources[4].tolist() == [5, 5, 0]
    assert found.valid_anchors == 6


@pytest.mark.parametrize(
    ("surrounding", "conf", "votes", "valid"),
    [
        ("strict", 0.2, [0, 4, 0, 1, 0, 0], 5),  # without that at 42 degrees
        ("loose", 0.2, [0, 4, 0, 1, 0, 0], 5),  # of which none is within 20 degrees of sample 4
        ("strict", 0.5, [0, 2, 0, 1, 0, 0], 3),  # without those at 42, 20 and 10 degrees
        ("loose", 0.5, [0, 2, 0, 1, 0, 0], 3),
        ("loose", 0.9, [0, 1, 0, 0, 0, 0], 1),
    ],
)
def test_a_share_of_the_anchors_is_not_valid(
    surrounding: str, conf: float, votes: list[int], valid: int
) -> None:
    found = run(surrounding=surrounding, lambda_conf=conf)
    assert found.votes.tolist() == votes
    assert found.valid_anchors == valid


@pytest.mark.parametrize("surrounding", ["strict", "loose"])
def test_at_most_k_vote(surrounding: str) -> None:
    found = run(surrounding=surrounding, max_votes=3)
    assert (found.votes[1], found.corrected[1]) == (3, 2)
    assert float(found.vote_share[1]) == pytest.approx(2 / 3)
    assert int(run(surrounding=surrounding, max_votes=1).votes.max()) == 1


@pytest.mark.parametrize("surrounding", ["strict", "loose"])
def test_votes_that_are_not_taken_are_still_reported(surrounding: str) -> None:
    every = run(surrounding=surrounding)
    for changes, taken in (
        ({"min_votes": 3}, every.votes >= 3),
        ({"min_votes": 5}, every.votes >= 5),
        ({"min_agreement": 0.6}, every.vote_share >= 0.6),
        ({"min_votes": 3, "min_agreement": 0.6}, torch.zeros(6, dtype=torch.bool)),
    ):
        found = run(surrounding=surrounding, **changes)
        expected = replace(every, corrected=torch.where(taken, every.corrected, -1))
        assert same(found, expected)


@pytest.mark.parametrize("surrounding", ["strict", "loose"])
@pytest.mark.parametrize("block", [1, 4, 6])
def test_the_size_of_the_blocks_does_not_matter(surrounding: str, block: int) -> None:
    assert same(run(block, surrounding=surrounding), run(surrounding=surrounding))


@pytest.mark.parametrize("together", [None, torch.tensor([7, 7, 1, 2, 3, 4])])
@pytest.mark.parametrize("surrounding", ["strict", "loose"])
def test_without_anchors_or_hard_samples_there_are_no_votes(
    surrounding: str, together: torch.Tensor | None
) -> None:
    settings = {"lambda_conf": 0.5, "surrounding": surrounding, "max_votes": 3, "together": together}
    anchors = [(at(ANGLES), LABELS, SOURCES)]
    for blocks, easy in (([], EASY), (anchors, torch.ones_like(EASY))):
        found = correct(blocks, 6, FEATURES, easy, GIVEN, 3, **settings)  # type: ignore[arg-type]
        assert (found.corrected == -1).all()
        assert (found.votes == 0).all()
        assert (found.vote_share == 0).all()
        assert (found.given_share == 0).all()
        assert (found.sources == -1).all()


@settings(deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["strict", "loose"]), st.booleans())
def test_commutes_with_a_permutation_of_the_samples(seed: int, surrounding: str, picky: bool) -> None:
    """Given the anchors, which the samples behind them made: their number among the easy ones changes."""
    draw = torch.Generator().manual_seed(seed)
    features, labels_given = torch.randn(14, 3, generator=draw), torch.randint(4, (14,), generator=draw)
    easy = torch.rand(14, generator=draw) < 0.5
    order = torch.randperm(14, generator=draw)
    place = order.argsort()
    if not easy.any():
        return
    members = easy.nonzero()[:, 0]
    behind = torch.randint(len(members), (30,), generator=draw)
    anchors, labels = torch.randn(30, 3, generator=draw), torch.randint(4, (30,), generator=draw)
    renumbered = easy[order].cumsum(0)[place[members[behind]]] - 1
    options = {"lambda_conf": 0.3, "surrounding": surrounding, "max_votes": 4}
    options |= {"min_votes": 2, "min_agreement": 0.6} if picky else {}

    plain = correct([(anchors, labels, behind)], 30, features, easy, labels_given, 4, **options)  # type: ignore[arg-type]
    moved = correct(
        [(anchors, labels, renumbered)],
        30,
        features[order],
        easy[order],
        labels_given[order],
        4,
        **options,  # type: ignore[arg-type]
    )
    for name in ("corrected", "votes", "vote_share", "given_share"):
        assert torch.equal(getattr(plain, name)[order], getattr(moved, name))
    sources = torch.where(plain.sources >= 0, place[plain.sources.clamp(min=0)], -1)
    assert torch.equal(sources[order], moved.sources)
    assert plain.valid_anchors == moved.valid_anchors
