import torch

from labelmend.selection.label_quality import label_quality


def test_by_hand():
    p = torch.tensor([[0.8, 0.2], [0.8, 0.2], [0.8, 0.2], [0.8, 0.2]])
    given = torch.tensor([0, 1, 1, 1])
    corrected = torch.tensor([-1, -1, 1, 0])
    share = torch.tensor([0.0, 0.0, 0.6, 0.9])
    assert torch.allclose(label_quality(p, given, corrected, share), torch.tensor([0.8, 0.2, 0.4, 0.15]))
