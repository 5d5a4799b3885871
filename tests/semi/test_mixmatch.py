from __future__ import annotations

from itertools import permutations

import pytest
import torch

from labelmend.semi.mixmatch import equal_parts, mixmatch_batch, parts_by_size


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


LABELLED = torch.tensor([False, True, False, True])
VIEWS = [torch.tensor([[10.0], [11.0], [12.0], [13.0]]), torch.tensor([[20.0], [21.0], [22.0], [23.0]])]
TARGETS = torch.tensor([[0.25, 0.75], [1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])


def test_labelled_rows_of_all_views_come_first() -> None:
    inputs, targets, count = mixmatch_batch(VIEWS, TARGETS, LABELLED, 0.0, generator())
    assert inputs[:, 0].tolist() == [11, 13, 21, 23, 10, 12, 20, 22]
    assert torch.equal(targets, TARGETS[[1, 3, 1, 3, 0, 2, 0, 2]])
    assert count == 4


def test_each_row_is_mixed_with_another_and_its_target_alike() -> None:
    """With a coefficient of one half, which a huge alpha gives."""
    inputs, targets, count = mixmatch_batch(VIEWS[:1], TARGETS, LABELLED, 1e9, generator(1))
    x, q = torch.tensor([[11.0], [13.0], [10.0], [12.0]]), TARGETS[[1, 3, 0, 2]]
    fitting = [
        order
        for order in permutations(range(4))
        if torch.allclose(inputs, (x + x[list(order)]) / 2, atol=1e-3)
        and torch.allclose(targets, (q + q[list(order)]) / 2, atol=1e-3)
    ]
    assert len(fitting) == 1
    assert fitting != [(0, 1, 2, 3)]
    assert count == 2


@pytest.mark.parametrize("alpha", [0.2, 4.0])
def test_views_of_one_batch_share_coefficient_and_permutation(alpha: float) -> None:
    """All rows lie on the way to their partner by the same share, across views and parts."""
    seen = set()
    for seed in range(20):
        inputs, _, _ = mixmatch_batch(VIEWS, TARGETS, LABELLED, alpha, generator(seed))
        own = torch.tensor([11.0, 13, 21, 23, 10, 12, 20, 22])
        shift = inputs[:, 0] - own
        assert float(shift.sum()) == pytest.approx(0, abs=1e-3)  # a permutation moves nothing on average
        seen |= {round(float(value), 4) for value in shift}
    assert len(seen) > 20


@pytest.mark.parametrize(("labelled", "count"), [(torch.ones(4).bool(), 8), (torch.zeros(4).bool(), 0)])
def test_one_part_alone_keeps_its_order(labelled: torch.Tensor, count: int) -> None:
    inputs, targets, found = mixmatch_batch(VIEWS, TARGETS, labelled, 0.0, generator())
    assert found == count
    assert torch.equal(inputs, torch.cat(VIEWS))
    assert torch.equal(targets, TARGETS.repeat(2, 1))


def every(samples: int) -> torch.Tensor:
    return torch.ones(samples, dtype=torch.bool)


def test_equal_parts_take_as_many_unlabelled_as_labelled() -> None:
    labelled = torch.arange(30) < 20
    steps = equal_parts(labelled, every(30), 8, generator())
    assert steps is not None
    assert [len(first) for first, _ in steps] == [4] * 5
    assert all(len(first) == len(second) for first, second in steps)
    assert torch.cat([first for first, _ in steps]).sort().values.tolist() == list(range(20))
    seen = torch.cat([second for _, second in steps])
    assert torch.bincount(seen, minlength=30)[20:].tolist() == [2] * 10
    assert seen[:10].tolist() != seen[10:].tolist()


def test_equal_parts_of_few_labelled_samples_leave_unlabelled_ones_out() -> None:
    labelled = torch.arange(30) < 5
    steps = equal_parts(labelled, every(30), 4, generator())
    assert steps is not None
    assert [len(first) for first, _ in steps] == [2, 2, 1]
    seen = torch.cat([second for _, second in steps])
    assert len(set(seen.tolist())) == 5
    assert not labelled[seen].any()


def test_equal_parts_hold_only_what_may_be_learned() -> None:
    labelled, learnable = torch.arange(30) < 20, torch.arange(30) % 2 == 0
    steps = equal_parts(labelled, learnable, 8, generator())
    assert steps is not None
    assert [(len(first), len(second)) for first, second in steps] == [(4, 4), (4, 4), (2, 2)]
    assert torch.cat([first for first, _ in steps]).sort().values.tolist() == list(range(0, 20, 2))
    assert set(torch.cat([second for _, second in steps]).tolist()) == set(range(20, 30, 2))
    assert equal_parts(labelled, labelled, 8, generator()) is None


def test_parts_by_size_hold_only_what_may_be_learned() -> None:
    labelled, learnable = torch.arange(100) < 70, torch.arange(100) % 2 == 0
    learnable[70:80] = False
    parts = parts_by_size(labelled, learnable, 9, generator())
    # 35 labelled and 10 others may be learned: five steps, two ninths of each are of the others.
    assert [(len(some), len(rest)) for some, rest in parts] == [(7, 2)] * 5
    assert torch.cat([some for some, _ in parts]).sort().values.tolist() == list(range(0, 70, 2))
    assert torch.cat([rest for _, rest in parts]).sort().values.tolist() == list(range(80, 100, 2))


def test_equal_parts_are_the_generators() -> None:
    labelled = torch.arange(30) % 3 == 0
    first, again, other = (equal_parts(labelled, every(30), 8, generator(seed)) for seed in (1, 1, 2))
    assert first is not None and again is not None and other is not None
    assert all(torch.equal(torch.cat(a), torch.cat(b)) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(torch.cat(a), torch.cat(b)) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("value", [True, False])
def test_equal_parts_need_both(value: bool) -> None:
    assert equal_parts(torch.full((30,), value), every(30), 8, generator()) is None


def test_the_smallest_step_has_one_of_each() -> None:
    steps = equal_parts(torch.tensor([True, False]), every(2), 1, generator())
    assert [(a.tolist(), b.tolist()) for a, b in steps or []] == [([0], [1])]
    for batch_size in (1, 2, 3):
        steps = equal_parts(torch.arange(6) < 3, every(6), batch_size, generator())
        assert [len(first) for first, _ in steps or []] == [1, 1, 1]


@pytest.mark.parametrize(("labelled", "per_step"), [(70, (14, 6)), (50, (10, 10)), (20, (10, 10))])
def test_parts_have_the_sizes_of_the_sets_with_at_most_half_unlabelled(labelled, per_step):
    mask = torch.arange(100) < labelled
    parts = parts_by_size(mask, every(100), 20, torch.Generator().manual_seed(0))
    assert len(parts) == 5
    assert {(len(some), len(rest)) for some, rest in parts} == {per_step}
    assert all(mask[some].all() and not mask[rest].any() for some, rest in parts)
    # Each pass has every sample once before any comes again.
    seen = torch.cat([some for some, _ in parts])
    counts = torch.bincount(seen, minlength=100)[:labelled]
    assert counts.max() - counts.min() <= 1


def test_fewer_samples_than_a_step_takes_are_one_step():
    assert len(parts_by_size(torch.arange(10) < 5, every(10), 20, generator())) == 1


@pytest.mark.parametrize("place", [0, 1])
def test_parts_by_size_are_the_generators(place):
    first, again, other = (
        torch.cat(
            [part[place] for part in parts_by_size(torch.arange(100) < 50, every(100), 20, generator(seed))]
        )
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("labelled", [0, 100])
def test_one_kind_may_be_missing(labelled):
    parts = parts_by_size(torch.arange(100) < labelled, every(100), 20, torch.Generator().manual_seed(0))
    assert [len(some) for some, _ in parts] == [20 if labelled else 0] * 5
    assert [len(rest) for _, rest in parts] == [0 if labelled else 20] * 5
    assert torch.cat([torch.cat(part) for part in parts]).sort().values.tolist() == list(range(100))
