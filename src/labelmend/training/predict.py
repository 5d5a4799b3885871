"""Class probabilities and features of images from the network of a finished run."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from labelmend.data.image_set import Images
from labelmend.models.classifier import Classifier
from labelmend.models.ensemble import Ensemble
from labelmend.training.arithmetic import Arithmetic, find_device
from labelmend.training.scoring import Probabilities, View, passes, score_images
from labelmend.training.views import Normalisation, mean_view


def predict_probabilities(
    network: Classifier | Ensemble,
    description: dict[str, Any],
    images: Images,
    probabilities: Probabilities,
    device: str = "auto",
) -> np.ndarray:
    """Class probabilities of images of the network's size and channels, or of their features.

    Computed in float32 whatever the network was trained in, so that they do not depend on the machine.

    Args:
        network: with its weights loaded; moved to the device.
        description: of the run: ``flip_average``, and of networks of pixels ``mean`` and ``std``.
        images: N images.
        probabilities: of the method that trained the network, from its outputs.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Returns:
        float32 array of shape (N, C); rows sum to 1.
    """
    view, arithmetic = _ready(network, description, device)
    scores = score_images(network, images, view, arithmetic, probabilities, description["flip_average"])
    return scores.probabilities.numpy()


def network_features(
    network: Classifier | Ensemble, description: dict[str, Any], images: Images, device: str = "auto"
) -> np.ndarray:
    """What the head of a network sees of images; arguments as of ``predict_probabilities``.

    Returns:
        float32 array of shape (N, d).
    """
    view, arithmetic = _ready(network, description, device)
    found = [each.features.float().cpu() for each in passes(network, images, view, arithmetic)]
    return torch.cat(found).numpy() if found else np.empty((0, network.feature_dim), dtype=np.float32)


def _ready(
    network: Classifier | Ensemble, description: dict[str, Any], device: str
) -> tuple[View, Arithmetic]:
    """The network on its device, and what prepares images for it."""
    arithmetic = Arithmetic(find_device(device), "float32", "channels_last")
    arithmetic.place_module(network)
    if "mean" not in description:
        return mean_view, arithmetic
    return Normalisation(tuple(description["mean"]), tuple(description["std"])), arithmetic
