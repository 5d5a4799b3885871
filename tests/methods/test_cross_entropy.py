import torch

from labelmend.config import BudgetSettings, NetworkSettings, Settings, TrainingSettings
from labelmend.data.sources import load
from labelmend.methods.cross_entropy import CrossEntropy, CrossEntropySettings
from labelmend.methods.plan import Progress
from labelmend.training.trainer import train


def test_loss_is_cross_entropy_on_weak_views(make_task, logits_network, views):
    method = CrossEntropy(CrossEntropySettings(), make_task([0, 1, 2], logits_network()))
    logits = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    loss = method.loss(views([2, 0], [logits], [-logits]), Progress(1, 0.0))
    assert torch.allclose(loss, torch.nn.functional.cross_entropy(logits, torch.tensor([2, 0])))


def test_learns_clean_digits(digits_test):
    settings = Settings(
        CrossEntropySettings(),
        network=NetworkSettings(widths=[16, 32]),
        budget=BudgetSettings(epochs=25),
        training=TrainingSettings(batch_size=100, lr=0.3),
    )
    trained = train(settings, load("digits"), digits_test)
    assert trained.summary["test_accuracy_last"] > 0.93
    record = trained.record
    assert torch.allclose(record.probabilities.sum(1), torch.ones(len(record.easy)), atol=1e-4)
    assert (record.votes == 0).all()
