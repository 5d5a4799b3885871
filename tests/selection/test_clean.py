import pytest
import torch

from labelmend.selection.clean import implausible, implausible_share, looks_clean


def test_share_by_hand():
    p = torch.tensor([[0.9, 0.1], [0.76, 0.24], [0.2, 0.8], [0.5, 0.5]])
    assert implausible_share(p, torch.tensor([0, 1, 0, 1])) == pytest.approx(0.5)
    assert implausible_share(p, torch.tensor([0, 0, 1, 1])) == 0


def test_few_implausible_labels_look_clean():
    p = torch.tensor([[0.96, 0.02, 0.02]]).repeat(100, 1)
    given = torch.zeros(100, dtype=torch.int64)
    given[:3] = 1
    assert looks_clean(p, given)
    given[:10] = 1
    assert not looks_clean(p, given)


def test_a_network_that_has_learned_nothing_finds_nothing_clean():
    p = torch.tensor([[0.36, 0.34, 0.3], [0.34, 0.36, 0.3], [0.32, 0.32, 0.36]]).repeat(100, 1)
    given = (torch.arange(300) % 3 + torch.arange(300) // 3 % 2) % 3
    assert implausible_share(p, given) == 0
    assert not looks_clean(p, given)


def test_half_of_chance_is_still_plausible():
    p = torch.tensor([[0.75, 0.25], [0.76, 0.24]])
    assert implausible(p, torch.tensor([1, 1])).tolist() == [False, True]


def test_clean_labels_stay_below_both_limits():
    implausible_ones = torch.tensor([[0.96, 0.02, 0.02]]).repeat(100, 1)
    assert not looks_clean(implausible_ones, (torch.arange(100) < 4).long())
    # 3 of 20 labels are doubted, as the estimate says, and none is implausible.
    doubted = torch.tensor([[0.7, 0.3]]).repeat(20, 1)
    assert looks_clean(doubted, (torch.arange(20) < 2).long())
    assert not looks_clean(doubted, (torch.arange(20) < 3).long())
