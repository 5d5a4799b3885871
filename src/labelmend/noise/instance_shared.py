"""Instance-dependent noise with one projection for all classes: the label files of the CAL repository."""

from __future__ import annotations

import numpy as np

from labelmend.noise.inputs import check_labels, check_pixels, check_rate
from labelmend.noise.pixels import affine, vectors
from labelmend.noise.record import NoiseRecord
from labelmend.noise.sampling import categorical, flip_to_scores, random_state

NAME = "instance-shared"
SPREAD = 0.1
BLOCK = 1_000_000


def instance_shared(
    true: np.ndarray, pixels: np.ndarray, num_classes: int, rate: float, seed: int
) -> tuple[np.ndarray, NoiseRecord]:
    """Flip n with probability q_n to a class drawn from ``softmax(x_n W)`` without the true class.

    The generator of CORES2 (Cheng et al. 2021) with which the files ``IDN_*_C10.pt`` of CAL (Zhu et al.
    2021) were made, known as "IDN" and as "PTD". With seed 0 and the original CIFAR-10 pixels it gives
    those files exactly at rates 0.2 and 0.4. ``RandomState(seed)`` draws in this order: q (normals of mean r
    and standard deviation 0.1 in blocks of 1,000,000, those inside (0, 1) kept, the first N used), W (one
    standard normal matrix, pixels x C), then one uniform a sample. Vectors are raw 0-255 pixels, CHW,
    in float64.

    Warning:
        Nearly all flips go to one class. Raw pixels make the softmax one-hot, and as all images share
        a large positive mean, x W has nearly the same argmax for all: class 2 takes 87 % of all flips
        on CIFAR-10 with seed 0. A class-balanced selection undoes much of it by itself.

    Args:
        true: int64 (N,), values in [0, C).
        pixels: uint8 (N, height, width, channels), in the order of the labels.
        num_classes: C, at least 2.
        rate: r in [0, 1]; 0 returns the labels unchanged. The realised rate is the mean of the truncated
            normal: .129 at .1, .2055 at .2, .400 at .4.
        seed: of the draws.

    Returns:
        The given labels, int64 (N,), and their record.

    Raises:
        DataError: If a label is out of range or the images do not fit the labels.
        SettingsError: If the rate is out of range.
    """
    labels, rate = check_labels(true, num_classes), check_rate(rate)
    images = check_pixels(pixels, len(labels))
    given = labels.copy()
    if rate > 0:
        state = random_state(seed)
        flip_rates = _flip_rates(len(labels), rate, state)
        projection = state.normal(0, 1, (int(np.prod(images.shape[1:])), num_classes))
        uniform = state.random_sample(len(labels))
        for index, x in vectors(images, np.arange(len(labels)), "chw", *affine(images, "raw")):
            probabilities = flip_to_scores(x @ projection, labels[index], flip_rates[index])
            given[index] = categorical(probabilities, uniform[index])
    record = NoiseRecord.of(
        NAME,
        labels,
        given,
        num_classes,
        parameters={"layout": "chw", "scaling": "raw", "image_shape": list(images.shape[1:])},
        seed=seed,
        nominal_rate=rate,
    )
    return given, record


def _flip_rates(num_samples: int, rate: float, state: np.random.RandomState) -> np.ndarray:
    kept: list[np.ndarray] = []
    while sum(map(len, kept)) < num_samples:
        draws = state.normal(rate, SPREAD, BLOCK)
        kept.append(draws[(draws > 0) & (draws < 1)])
    return np.concatenate(kept)[:num_samples]
