from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmend.hallucination.partners import sample_partners


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(0, 9), st.integers(0, 50))
def test_partners_are_of_other_classes_and_cover_them(labels: list[int], per_sample: int, seed: int) -> None:
    tensor = torch.tensor(labels)
    partners = sample_partners(tensor, per_sample, generator(seed))
    others = len(set(labels)) - 1
    if others == 0:
        assert partners.shape == (len(labels), 0)
        return
    assert partners.shape == (len(labels), per_sample)
    assert partners.dtype == torch.int64
    for own, row in zip(labels, tensor[partners].tolist(), strict=True):
        assert own not in row
        assert len(set(row[:others])) == min(per_sample, others)


def test_choice_is_uniform_over_classes_and_within_them() -> None:
    labels = torch.tensor([0, 1, 1, 2, 2, 2, 2])
    drawn = torch.cat([sample_partners(labels, 1, generator(seed))[0] for seed in range(4000)])
    share = torch.bincount(drawn, minlength=7) / len(drawn)
    expected = torch.tensor([0, 1 / 4, 1 / 4, 1 / 8, 1 / 8, 1 / 8, 1 / 8])
    assert torch.allclose(share, expected, atol=0.03)


def test_further_partners_are_drawn_at_random() -> None:
    labels = torch.tensor([0, 1, 2])
    drawn = torch.stack([sample_partners(labels, 5, generator(seed))[0] for seed in range(500)])
    assert bool((drawn[:, 0] != drawn[:, 1]).all())
    for further in drawn[:, 2:].T:
        assert 0.4 < (further == 1).float().mean() < 0.6
        assert 0.4 < (further == drawn[:, 0]).float().mean() < 0.6


def test_same_generator_same_partners_and_the_global_one_is_left_alone() -> None:
    labels = torch.arange(100) % 7
    before = torch.get_rng_state()
    first, again = sample_partners(labels, 4, generator(1)), sample_partners(labels, 4, generator(1))
    assert torch.equal(first, again)
    assert not torch.equal(first, sample_partners(labels, 4, generator(2)))
    assert torch.equal(torch.get_rng_state(), before)


def test_no_samples() -> None:
    assert sample_partners(torch.empty(0, dtype=torch.int64), 3, generator()).shape == (0, 0)


def test_samples_of_one_class_have_partners_of_different_classes() -> None:
    labels = torch.arange(5).repeat(80)
    partners = labels[sample_partners(labels, 1, generator())[:, 0]]
    for own in range(5):
        counts = torch.bincount(partners[labels == own], minlength=5)
        assert counts[own] == 0
        assert (counts[torch.arange(5) != own] >= 8).all()
