"""A small separable problem for methods that select and vote, and stubs for losses by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from labelmend.config import TrainingSettings
from labelmend.methods.base import Scores, Task, Uncounted
from labelmend.models.registry import NetworkDescription, build_network
from labelmend.training.optimizers import build_optimizer

CLASSES, DIM = 3, 4
CENTRES = torch.tensor([[1.0, 0, 0, 0.2], [0, 1.0, 0, 0.2], [0, 0, 1.0, 0.2]])


@pytest.fixture
def network():
    description = NetworkDescription("fastnet", 8, 1, CLASSES, CLASSES, {"widths": [DIM], "depth": 1})
    return build_network(description, torch.Generator().manual_seed(0)).eval()


class Added(Uncounted):
    """Keeps what is added to it."""

    def __init__(self):
        self.operations = []

    def add(self, operations):
        self.operations.append(operations)


@pytest.fixture
def make_task():
    def make(given, *networks, averages=None, score=None, trusted=None, num_classes=CLASSES, seed=0):
        given = torch.as_tensor(given)
        return Task(
            given_labels=given,
            trusted=torch.zeros(len(given), dtype=torch.bool) if trusted is None else trusted,
            num_classes=num_classes,
            networks=list(networks),
            averages=list(networks if averages is None else averages),
            score=score,
            batch_size=8,
            label_smoothing=0.0,
            generator=torch.Generator().manual_seed(seed),
            device=torch.device("cpu"),
            learnable=torch.ones(len(given), dtype=torch.bool),
            meter=Added(),
        )

    return make


@pytest.fixture
def with_optimizers():
    """Gives a method the optimisers it asks for, as the training loop does."""

    def give(method):
        for name, plan in method.optimizers(0).items():
            method.task.optimizers[name] = build_optimizer(plan, TrainingSettings(), 0.1, 5e-4)
        return method

    return give


@pytest.fixture
def clusters():
    """Features in three clusters, and the classes they belong to."""

    def make(per_class=20, seed=0):
        true = torch.arange(CLASSES).repeat(per_class)
        noise = 0.05 * torch.rand(len(true), DIM, generator=torch.Generator().manual_seed(seed))
        return CENTRES[true] + noise, true

    return make


@pytest.fixture
def centres():
    return CENTRES


@pytest.fixture
def scores_of():
    """Scores of a network that gives each true class the probability ``sure``."""

    def make(features, true, sure=0.9):
        p = torch.full((len(true), CLASSES), (1 - sure) / (CLASSES - 1))
        return Scores(p.scatter(1, true[:, None], sure), features)

    return make


class Logits(nn.Module):
    """A network whose images are its logits, times a factor."""

    def __init__(self, factor=1.0, outputs=CLASSES):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))
        self.feature_dim = self.num_outputs = outputs

    def features(self, images):
        return images

    def head(self, features):
        return self.factor * features

    def forward(self, images):
        return self.head(self.features(images))


@pytest.fixture
def logits_network():
    return Logits


class Views:
    """A step whose views are handed out in turn."""

    role = ""

    def __init__(self, index, weak, strong=()):
        self.index, self.left = torch.as_tensor(index), {False: list(weak), True: list(strong)}

    def view(self, strong=False):
        return self.left[strong].pop(0)


@pytest.fixture
def views():
    return Views
