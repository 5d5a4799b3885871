"""The trainable part of a network whose backbone is frozen: heads on features that are cached."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import Tensor, nn

from labelmend.models.classifier import FeatureExtractor

FOLDS = 5

STRENGTHS = (1.0, 3.0, 10.0, 30.0)
"""Inverse strengths of the penalty (scikit-learn's C) that ``refit`` tries, for features about 1 long."""

ITERATIONS = 200

COPIED = 2**30
"""Bytes of features that fits side by side copy at most, if it is more than one."""

ABSENT = -20.0
"""Logit of a class that no sample of a fit has, before the others."""

Fit = tuple[LogisticRegression, float]
"""A fitted model, and how many operations that took, about."""

NEAR_ZERO = 1e-3
"""Added to features before their root is taken: the slope of a root has no bound near 0."""


def root(features: Tensor) -> Tensor:
    """``sqrt(x + NEAR_ZERO)`` of features that are 0 or more; any below, of an unlike image, count as 0."""
    return (features.clamp(min=0) + NEAR_ZERO).sqrt()


class StandardFeatures(FeatureExtractor):
    """Features in units of their own spread over the training images, about 1 long.

    Where none is negative, as behind a ReLU, their roots take their place: a few large values would decide
    otherwise ("power normalisation", Perronnin et al., ECCV 2010). docs/LOG.md has what that gives.

    Args:
        dim: d, of the cached features.
    """

    rooted: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.feature_dim = dim
        self.register_buffer("rooted", torch.tensor(False))
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))
        self.register_load_state_dict_pre_hook(_of_older_versions)  # type: ignore[no-untyped-call]

    def prepare(self, images: Tensor) -> None:
        """Take mean and spread from the features (M, d) of training images; constant ones become 0."""
        self.rooted.copy_(images.min() >= 0)
        std, mean = torch.std_mean(self._maybe_rooted(images.double()), 0, correction=0)
        varies = std > 1e-6 * std.max().clamp(min=1e-12)
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(varies, 1 / (std * math.sqrt(self.feature_dim)), 0))

    def _maybe_rooted(self, images: Tensor) -> Tensor:
        return torch.where(self.rooted, root(images), images)

    def forward(self, images: Tensor) -> Tensor:
        """Cached features (B, d) to features (B, d)."""
        return (self._maybe_rooted(images) - self.mean) * self.scale


def _of_older_versions(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Weights written before there were roots have none."""
    if prefix + "mean" in state:
        state.setdefault(prefix + "rooted", torch.tensor(False))


class FoldedHeads(nn.Module):
    """Linear heads, each of which is kept from one part ("fold") of the training samples.

    A head that has learned a label cannot judge it; the one that has not seen the sample can.

    Args:
        feature_dim: d.
        num_outputs: K.
        folds: number of heads, two or more.

    Attributes:
        which: the head in use; an int64 tensor (B,) of one for each sample; or None for the mean of all,
            which is for samples that none has seen.
    """

    which: int | Tensor | None

    def __init__(self, feature_dim: int, num_outputs: int, folds: int = FOLDS) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(feature_dim, num_outputs) for _ in range(folds))
        self.which = None

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, d) to logits (B, K) of the heads in use."""
        if isinstance(self.which, int):
            logits: Tensor = self.heads[self.which](features)
            return logits
        every = torch.stack([head(features) for head in self.heads])
        if self.which is None:
            return every.mean(0)
        return every[self.which.to(every.device), torch.arange(len(features), device=every.device)]


def use_heads(network: nn.Module, which: int | Tensor | None) -> None:
    """Choose the head of every ``FoldedHeads`` in a network; see its attribute ``which``."""
    for module in network.modules():
        if isinstance(module, FoldedHeads):
            module.which = which


def known_classes(labels: Tensor, fold_of: Tensor, num_classes: int) -> Tensor:
    """Which classes the head that is kept from each sample can learn, bool (N, C).

    Args:
        labels: int64 (N,), -1 for samples that are left out.
        fold_of: int64 (N,), the head that is kept from each sample.
        num_classes: C.
    """
    folds, kept = int(fold_of.max()) + 1, labels >= 0
    held = torch.bincount(fold_of[kept] * num_classes + labels[kept], minlength=folds * num_classes)
    counts = held.view(folds, num_classes)
    return (counts.sum(0) > counts)[fold_of]


def refit(heads: FoldedHeads, features: Tensor, labels: Tensor, fold_of: Tensor) -> float:
    """Fit each head anew by logistic regression on the samples outside its fold.

    The strength of the penalty is the one of ``STRENGTHS`` under which the first head that can be fitted
    finds the labels of its own fold most likely.

    Args:
        heads: their weights are replaced; a head stays whose samples have fewer than two classes, and all do
            where none can be judged by its own fold.
        features: (N, d), about 1 long, as the heads see them.
        labels: int64 (N,), -1 for samples that are left out.
        fold_of: int64 (N,), the head that is kept from each sample.

    Returns:
        Operations of it, about: two products of features and weights an iteration.
    """
    rows, known = features.float().cpu().numpy(), labels.cpu().numpy()
    fold = fold_of.cpu().numpy()

    def fittable(head: int) -> bool:
        return len(np.unique(known[(known >= 0) & (fold != head)])) > 1

    def fitted(head: int, strength: float) -> Fit | None:
        if not fittable(head):
            return None
        among = (known >= 0) & (fold != head)
        model = LogisticRegression(C=strength, max_iter=ITERATIONS).fit(rows[among], known[among])
        passes = int(model.n_iter_.max()) * int(among.sum())
        return model, 4.0 * passes * rows.shape[1] * len(model.classes_)

    folds = range(len(heads.heads))
    judges = [f for f in folds if ((known >= 0) & (fold == f)).any() and fittable(f)]
    if not judges:
        return 0.0
    first, *_ = judges
    judged = (known >= 0) & (fold == first)
    workers = min(torch.get_num_threads(), max(COPIED // rows.nbytes, 1))
    # Side by side, each on one thread: one after another on all threads fits take several times as long.
    with threadpool_limits(limits=1), ThreadPoolExecutor(workers) as pool:
        tried = [fit for fit in pool.map(partial(fitted, first), STRENGTHS) if fit is not None]
        best = max(tried, key=lambda fit: _log_likelihood(fit[0], rows[judged], known[judged]))
        rest = [f for f in folds if f != first]
        others = dict(zip(rest, pool.map(partial(fitted, strength=best[0].C), rest), strict=True))
    for number, head in enumerate(heads.heads):
        fit = best if number == first else others[number]
        if fit is not None:
            _take(head, fit[0])
    return sum(fit[1] for fit in [*tried, *others.values()] if fit is not None)


def _log_likelihood(model: LogisticRegression, features: np.ndarray, labels: np.ndarray) -> float:
    """Mean over samples, in nats; a class that the model does not know counts as all but impossible."""
    column = np.searchsorted(model.classes_, labels).clip(max=len(model.classes_) - 1)
    known = model.classes_[column] == labels
    logs = model.predict_log_proba(features)[np.arange(len(labels)), column]
    return float(np.where(known, logs, ABSENT).clip(min=ABSENT).mean())


@torch.no_grad()
def _take(head: nn.Module, model: LogisticRegression) -> None:
    """Give a linear head the weights of a fitted model; two classes have one row of weights there."""
    assert isinstance(head, nn.Linear)
    weight, bias = torch.from_numpy(model.coef_), torch.from_numpy(model.intercept_)
    if len(model.classes_) == 2:
        weight, bias = torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
    head.weight.zero_()
    head.bias.fill_(float(bias.min()) + ABSENT)
    classes = torch.from_numpy(model.classes_)
    head.weight[classes] = weight.to(head.weight)
    head.bias[classes] = bias.to(head.bias)
