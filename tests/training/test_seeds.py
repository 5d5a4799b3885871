import torch

from labelmend.training.seeds import Purpose, stream


def draws(seed, purpose):
    return torch.rand(4, generator=stream(seed, purpose)).tolist()


def test_the_same_seed_and_purpose_give_the_same_draws():
    assert draws(5, Purpose.METHOD) == draws(5, Purpose.METHOD)


def test_no_two_seeds_or_purposes_share_a_stream():
    seeds = (0, 1, 2, 3, 2**32, 2**63 - 1)
    found = {tuple(draws(seed, purpose)) for seed in seeds for purpose in Purpose}
    assert len(found) == len(seeds) * len(Purpose)
