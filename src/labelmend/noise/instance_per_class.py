"""Instance-dependent noise with one projection for each true class (the generator of Xia et al. 2020)."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from labelmend.noise.inputs import check_labels, check_pixels, check_rate, require_option
from labelmend.noise.pixels import Layout, Scaling, affine, vectors
from labelmend.noise.record import NoiseRecord
from labelmend.noise.sampling import categorical, flip_to_scores, random_state

NAME = "instance-per-class"
SPREAD = 0.1
Centre = Literal["location", "mean"]


def instance_per_class(
    true: np.ndarray,
    pixels: np.ndarray,
    num_classes: int,
    rate: float,
    seed: int,
    layout: Layout = "chw",
    scaling: Scaling = "raw",
    centre: Centre = "location",
) -> tuple[np.ndarray, NoiseRecord]:
    """Flip n with probability q_n to a class drawn from ``softmax(x_n W[y_n])`` without the true class.

    ``get_instance_noisy_label`` of Xia et al. (NeurIPS 2020), also used by PES and DISC.
    ``RandomState(seed)`` draws in this order: q (normal of standard deviation 0.1 truncated to [0, 1], by
    inverse CDF), W (C x pixels x C standard normals), then one uniform a sample. float64.

    The scaling of the pixels changes the noise: with ``raw`` or ``unit`` each class has a favourite
    target that takes a third to all of its flips, with ``standardised`` (DISC) flips spread. The record
    has both.

    Args:
        true: int64 (N,), values in [0, C).
        pixels: uint8 (N, height, width, channels), in the order of the labels.
        num_classes: C, at least 2.
        rate: r in [0, 1]; 0 returns the labels unchanged.
        seed: of the draws.
        layout: order of the flattened pixels; ``chw`` as in the authors' repository, ``hwc`` as in PES.
        scaling: ``raw`` (0-255, the authors'), ``unit`` ([0, 1]) or ``standardised`` (by channel).
        centre: what of the distribution of q equals r. ``location`` is the published generator: truncation
            lifts the mean, so the realised rate is .129 at .1, .2055 at .2 and .400 at .4. ``mean``
            moves the location so that the expected rate is r.

    Returns:
        The given labels, int64 (N,), and their record.

    Raises:
        DataError: If a label is out of range or the images do not fit the labels.
        SettingsError: If the rate, layout, scaling or centre is out of range.
    """
    labels, rate = check_labels(true, num_classes), check_rate(rate)
    images = check_pixels(pixels, len(labels))
    require_option(layout in get_args(Layout), "layout", layout, "chw or hwc")
    require_option(scaling in get_args(Scaling), "scaling", scaling, "raw, unit or standardised")
    require_option(centre in get_args(Centre), "centre", centre, "location or mean")
    given = labels.copy()
    if rate > 0:
        state = random_state(seed)
        location = rate if centre == "location" else location_of_mean(rate)
        flip_rates = truncated_normal(state.random_sample(len(labels)), location)
        size = int(np.prod(images.shape[1:]))
        shift, scale = affine(images, scaling)
        scores = np.zeros((len(labels), num_classes))
        # One class at a time: the stream of one draw of (C, pixels, C), at 1/C of its memory.
        for label in range(num_classes):
            projection = state.normal(0, 1, (size, num_classes))
            for index, x in vectors(images, np.flatnonzero(labels == label), layout, shift, scale):
                scores[index] = x @ projection
        probabilities = flip_to_scores(scores, labels, flip_rates)
        given = categorical(probabilities, state.random_sample(len(labels)))
    record = NoiseRecord.of(
        NAME,
        labels,
        given,
        num_classes,
        parameters={
            "layout": layout,
            "scaling": scaling,
            "centre": centre,
            "image_shape": list(images.shape[1:]),
        },
        seed=seed,
        nominal_rate=rate,
    )
    return given, record


def truncated_normal(uniform: np.ndarray, location: float, spread: float = SPREAD) -> np.ndarray:
    """Inverse CDF of the normal (location, spread) truncated to [0, 1], at ``uniform`` in [0, 1)."""
    low, high = ndtr(-location / spread), ndtr((1 - location) / spread)
    values: np.ndarray = np.clip(location + spread * ndtri(low + uniform * (high - low)), 0.0, 1.0)
    return values


def truncated_mean(location: float, spread: float = SPREAD) -> float:
    """Mean of the normal (location, spread) truncated to [0, 1]."""
    a, b = -location / spread, (1 - location) / spread
    density = (np.exp(-(a**2) / 2) - np.exp(-(b**2) / 2)) / np.sqrt(2 * np.pi)
    return float(location + spread * density / (ndtr(b) - ndtr(a)))


def location_of_mean(mean: float) -> float:
    """Location whose truncated normal on [0, 1] has this mean, from .02 to .98.

    Raises:
        SettingsError: If the mean is outside that range, where the normal would be all tail.
    """
    require_option(0.02 <= mean <= 0.98, "rate", mean, "from 0.02 to 0.98 with centre=mean")
    return float(brentq(lambda location: truncated_mean(location) - mean, -0.6, 1.6, xtol=1e-12))
