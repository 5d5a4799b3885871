import pytest
import torch

from labelmend.methods.base import Selection
from labelmend.training.quality import selection_quality


def test_by_hand():
    true = torch.tensor([0, 0, 1, 1, 2, 2]).numpy()
    given = torch.tensor([0, 1, 1, 0, 2, 0]).numpy()  # wrong at 1, 3, 5
    selection = Selection(
        easy=torch.tensor([True, True, False, False, False, False]),
        corrected=torch.tensor([-1, -1, 1, 1, -1, 1]),
        label_quality=torch.tensor([0.9, 0.1, 0.8, 0.2, 0.7, 0.6]),
    )
    found = selection_quality(selection, given, true)
    assert found["easy_purity"] == 0.5
    assert found["kept_accuracy"] == 1
    assert found["corrected_accuracy"] == 0.5
    assert found["detection_ap"] == 1


def test_undefined_shares_are_left_out():
    labels = torch.tensor([0, 1]).numpy()
    selection = Selection(torch.ones(2, dtype=torch.bool), torch.full((2,), -1), torch.ones(2))
    assert selection_quality(selection, labels, labels) == pytest.approx({"easy_purity": 1.0})
