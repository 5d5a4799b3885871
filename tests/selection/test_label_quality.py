import torch

from labelmend.selection.label_quality import label_quality


def test_by_hand():
    p = torch.tensor([[0.8, 0.2], [0.8, 0.2], [0.8, 0.2], [0.8, 0.2]])
    given = torch.tensor([0, 1, 1, 1])
    corrected = torch.tensor([-1, -1, 1, 0])
    given_share = torch.tensor([0.0, 0.0, 0.6, 0.1])
    found = label_quality(p, given, corrected, given_share)
    assert torch.allclose(found, torch.tensor([0.8, 0.2, 0.4, 0.15]))


def test_votes_for_a_third_class_do_not_support_the_given_label():
    # Anchors vote 4 to 3 to 2 for classes 0, 2 and the given label, 1.
    p = torch.full((1, 3), 1 / 3)
    found = label_quality(p, torch.tensor([1]), torch.tensor([0]), torch.tensor([2 / 9]))
    assert torch.allclose(found, torch.tensor([(1 / 3 + 2 / 9) / 2]))
