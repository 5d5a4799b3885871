from __future__ import annotations

import torch

from labelmend.semi.guess import average_guess


def test_by_hand() -> None:
    views = [torch.tensor([[1.0, 0.0], [0.5, 0.5]]), torch.tensor([[0.5, 0.5], [0.25, 0.75]])]
    assert average_guess(views).tolist() == [[0.75, 0.25], [0.375, 0.625]]
    assert torch.equal(average_guess(views[:1]), views[0])
