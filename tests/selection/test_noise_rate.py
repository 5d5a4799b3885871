import pytest
import torch

from labelmend.selection.noise_rate import estimate_noise_rate


def test_by_hand():
    # Class means of the own probability: (0.9 + 0.7 + 0.2) / 3 = 0.6 and (0.8 + 0.6) / 2 = 0.7.
    p = torch.tensor([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.2, 0.8], [0.4, 0.6]])
    given = torch.tensor([0, 0, 0, 1, 1])
    # Counted: samples 0, 1 (class 0), 2 and 3 (class 1); sample 4 reaches neither threshold.
    assert estimate_noise_rate(p, given) == pytest.approx(1 / 4)


def test_a_sure_model_on_its_own_labels_finds_no_noise():
    given = torch.arange(30) % 3
    p = torch.nn.functional.one_hot(given, 3) * 0.94 + 0.02
    assert estimate_noise_rate(p, given) == 0


def test_a_class_that_is_never_given_attracts_nothing():
    p = torch.tensor([[0.4, 0.1, 0.5], [0.1, 0.4, 0.5]])
    assert estimate_noise_rate(p, torch.tensor([0, 1])) == 0


def test_a_label_given_once_counts_at_its_own_probability():
    # Class means of the own probability: (0.8 + 0.45 + 0.2) / 3 = 0.483 and 0.7, which sample 2 just reaches.
    p = torch.tensor([[0.8, 0.2], [0.45, 0.55], [0.3, 0.7], [0.2, 0.8]])
    # Counted: samples 0 (class 0), 2 and 3 (class 1).
    assert estimate_noise_rate(p, torch.tensor([0, 0, 1, 0])) == pytest.approx(1 / 3)


def test_of_no_samples_none_is_wrong():
    assert estimate_noise_rate(torch.empty(0, 2), torch.empty(0, dtype=torch.int64)) == 0
