from __future__ import annotations

import torch

from labelmend.semi.refine import refine_labels
from labelmend.semi.sharpen import sharpen

GUESS = torch.tensor([[0.6, 0.4], [0.6, 0.4], [0.6, 0.4]])
LABELS = torch.tensor([1, 1, 1])


def test_weight_moves_from_the_guess_to_the_label() -> None:
    refined = refine_labels(LABELS, torch.tensor([0.0, 0.5, 1.0]), GUESS, 1.0)
    assert torch.allclose(refined, torch.tensor([[0.6, 0.4], [0.3, 0.7], [0.0, 1.0]]))


def test_then_it_is_sharpened() -> None:
    weight = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    assert torch.allclose(
        refine_labels(LABELS, weight, GUESS, 0.5), sharpen(refine_labels(LABELS, weight, GUESS, 1.0), 0.5)
    )
    assert refine_labels(LABELS, weight, GUESS, 0.5).dtype == GUESS.dtype
