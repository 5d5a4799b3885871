import numpy as np
import torch

from labelmend.methods.cross_entropy import smooth


def test_smoothed_targets_by_hand():
    assert torch.allclose(smooth(torch.tensor([1]), 4, 0.2), torch.tensor([[0.05, 0.85, 0.05, 0.05]]))
    assert smooth(torch.tensor([2, 0]), 3, 0.0).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_learns_clean_digits(digits_test):
    from labelmend.training.loop import train

    from labelmend.config import BudgetSettings, NetworkSettings, Settings, TrainingSettings
    from labelmend.data.sources import load
    from labelmend.methods import METHODS

    settings = Settings(
        METHODS["ce"].Settings(),
        network=NetworkSettings(widths=[16, 32]),
        budget=BudgetSettings(epochs=25),
        training=TrainingSettings(batch_size=100, lr=0.3),
    )
    trained = train(settings, load("digits"), digits_test)
    assert trained.summary["test_accuracy_last"] > 0.93
    verdicts = trained.verdicts
    assert np.allclose(verdicts.probabilities.sum(1), 1, atol=1e-4)
    assert (verdicts.votes == 0).all()
