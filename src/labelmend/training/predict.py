"""Class probabilities of new images from a finished run."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelmend.data.image_set import Images
from labelmend.models.classifier import Classifier
from labelmend.models.ensemble import Ensemble
from labelmend.training.arithmetic import Arithmetic, find_device
from labelmend.training.scoring import Probabilities, View, score_images
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
    arithmetic = Arithmetic(find_device(device), "float32", "channels_last")
    arithmetic.place_module(network)
    view: View = mean_view
    if "mean" in description:
        view = Normalisation(tuple(description["mean"]), tuple(description["std"]))
    scores = score_images(network, images, view, arithmetic, probabilities, description["flip_average"])
    return scores.probabilities.numpy()
