import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labelmend.selection.small_loss import exchanged_mean, keep_share, small_loss, small_loss_set


def nothing(count):
    return torch.zeros(count, dtype=torch.bool)


def test_the_smallest_come_first_by_hand():
    losses = torch.tensor([0.5, 0.1, 0.9, 0.3, 0.7])
    assert small_loss(losses, 0.6, nothing(len(losses))).tolist() == [1, 3, 0]
    assert small_loss(losses, 1.0, nothing(len(losses))).tolist() == [1, 3, 0, 4, 2]
    # int(0.79 * 5) is 3: a part of a sample is left out.
    assert small_loss(losses, 0.79, nothing(len(losses))).tolist() == [1, 3, 0]

    # 1 - 0.8 is 0.19999999999999996.
    assert len(small_loss(torch.arange(10.0), keep_share(1.0, 0.8, 0.0), nothing(10))) == 2


def test_at_least_one_is_kept():
    assert small_loss(torch.tensor([0.5, 0.1]), 0.0, nothing(2)).tolist() == [1]


def test_trusted_ones_are_kept_beside_the_smallest_by_hand():
    losses, trusted = torch.tensor([0.5, 0.1, 0.9, 0.3, 0.7]), torch.tensor([False, True, True, False, False])
    assert small_loss(losses, 0.4, trusted).tolist() == [1, 3, 2]
    assert small_loss(losses, 1.0, trusted).tolist() == [1, 3, 0, 4, 2]
    first, second = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([7.0, 3.0, 5.0])
    # The first learns 1 and the trusted 2, the second 0 and 2.
    assert float(exchanged_mean(first, second, 0.4, torch.arange(3) == 2)) == (2 + 4) / 2 + (7 + 5) / 2


def test_ties_go_by_position_and_gradients_do_not_matter():
    losses = torch.tensor([0.2, 0.1, 0.1, 0.2], requires_grad=True)
    assert small_loss(losses, 0.75, nothing(len(losses))).tolist() == [1, 2, 0]
    # Few equal values stay in order whatever the way they are sorted; thousands do not.
    assert small_loss(torch.arange(5000.0) % 2, 0.5, nothing(5000)).tolist() == list(range(0, 5000, 2))


@given(st.lists(st.floats(0, 9, width=32), min_size=1, max_size=40), st.floats(0, 1))
def test_no_loss_left_out_is_smaller_than_one_kept(values, share):
    kept = small_loss(torch.tensor(values), share, nothing(len(values))).tolist()
    assert len(kept) == 1 or len(kept) <= share * len(values) + 1e-9
    assert share * len(values) < len(kept) + 1
    left = [value for i, value in enumerate(values) if i not in kept]
    assert max(values[i] for i in kept) <= min(left, default=float("inf"))


@pytest.mark.parametrize(
    ("share", "rate", "ramp", "kept"),
    [
        (0.0, 0.4, 0.1, 1.0),
        (0.05, 0.4, 0.1, 0.8),
        (0.1, 0.4, 0.1, 0.6),
        (0.9, 0.4, 0.1, 0.6),
        (0.0, 0.4, 0.0, 0.6),
        (0.5, 0.0, 0.1, 1.0),
    ],
)
def test_share_that_is_kept_by_hand(share, rate, ramp, kept):
    assert keep_share(share, rate, ramp) == pytest.approx(kept)


def test_each_network_has_the_picks_of_the_other_by_hand():
    first, second = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([7.0, 3.0, 5.0])
    # The first learns samples 1 and 2, the second samples 0 and 1.
    assert float(exchanged_mean(first, second, 0.7, nothing(3))) == (2 + 4) / 2 + (7 + 3) / 2
    assert float(exchanged_mean(first, second, 1.0, nothing(3))) == pytest.approx(7 / 3 + 5)


def test_of_all_samples_the_smallest_and_the_trusted_are_kept():
    losses, trusted = torch.tensor([0.5, 0.1, 0.9, 0.3]), torch.tensor([False, False, True, False])
    assert small_loss_set(losses, 0.5, trusted).tolist() == [False, True, True, True]
    assert trusted.tolist() == [False, False, True, False]
