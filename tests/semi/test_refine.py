from __future__ import annotations

import torch

from labelmend.semi.refine import label_weights, refine_labels
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


def test_weights_of_labelled_samples_by_hand() -> None:
    """Kept, confirmed by more and by less than its easiness, corrected twice, trusted."""
    given = torch.tensor([0, 0, 1, 0, 1, 2])
    easiness = torch.tensor([0.9, 0.2, 0.4, 0.3, 0.8, 0.1])
    corrected = torch.tensor([-1, 0, 1, 1, 0, 1])
    share = torch.tensor([0.0, 0.8, 0.1, 0.6, 0.5, 0.7])
    trusted = torch.arange(6) == 5
    found = label_weights(easiness, corrected, share, given, trusted)
    assert torch.allclose(found, torch.tensor([0.9, 0.8, 0.4, 0.6, 0.5, 1.0]))
