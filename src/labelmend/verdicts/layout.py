"""Features in two dimensions, with anchors between them: the map of the paper's Figure 3."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from labelmend.hallucination.closed_form import closed_form_anchors
from labelmend.hallucination.partners import sample_partners

MOST_ANCHORS = 300
DIMENSIONS = 50
"""That features are brought to before t-SNE, as its authors do."""
STEPS = 400
PERPLEXITY = 30.0
FEWEST = 5
"""Points below which there is nothing to lay out."""

LAMBDA_P = 0.8
"""Where anchors lie between two features, as in the paper's experiments."""


@dataclass(frozen=True)
class FeatureMap:
    """Features of N images and A anchors in the plane.

    Attributes:
        points: float32 (N, 2).
        anchors: float32 (A, 2).
        anchor_labels: int64 (A,), the labels that anchors take from their easy samples.
    """

    points: np.ndarray
    anchors: np.ndarray
    anchor_labels: np.ndarray


def lay_out(
    features: np.ndarray, given_labels: np.ndarray, easy: np.ndarray, *, anchors: bool, seed: int = 0
) -> FeatureMap | None:
    """Bring features, and anchors that are hallucinated between the easy ones, to the plane by t-SNE.

    Args:
        features: float32 (N, d).
        given_labels: int64 (N,).
        easy: bool (N,), the samples that anchors lie between.
        anchors: whether there are anchors at all; at most ``MOST_ANCHORS``, in closed form.
        seed: of all draws.

    Returns:
        The map; None of fewer than ``FEWEST`` images, or where all features are equal.
    """
    if len(features) < FEWEST or not np.ptp(features, axis=0).any():
        return None
    made, labels = np.empty((0, features.shape[1]), dtype=np.float32), np.empty(0, dtype=np.int64)
    if anchors:
        made, labels = _anchors(features, given_labels, easy, seed)
    every = np.concatenate([features, made])
    dimensions = min(DIMENSIONS, *every.shape)
    compact = PCA(dimensions, svd_solver="full", random_state=seed).fit_transform(every)
    perplexity = min(PERPLEXITY, (len(every) - 1) / 3)
    tsne = TSNE(init="pca", max_iter=STEPS, perplexity=perplexity, random_state=seed)
    # One thread sums in one order; and on a busy machine several wait for each other most of the time.
    with threadpool_limits(limits=1):
        placed = tsne.fit_transform(compact)
    return FeatureMap(placed[: len(features)], placed[len(features) :], labels)


def _anchors(
    features: np.ndarray, given_labels: np.ndarray, easy: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """One anchor of each easy sample, or of as many as there is room for."""
    generator = torch.Generator().manual_seed(seed)
    s, labels = torch.from_numpy(features[easy]), torch.from_numpy(given_labels[easy])
    partners = sample_partners(labels, 1, generator)
    if not partners.numel():
        return features[:0], given_labels[:0]
    chosen = torch.randperm(len(s), generator=generator)[:MOST_ANCHORS].sort().values
    made = closed_form_anchors(s[chosen], s[partners[chosen, 0]], LAMBDA_P)
    return made.numpy(), labels[chosen].numpy()
