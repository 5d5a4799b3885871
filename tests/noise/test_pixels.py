from __future__ import annotations

import numpy as np
import torch

from labelmend.data.image_set import MemoryImages
from labelmend.noise.pixels import affine, channel_moments, reduced_pixels, vectors


def test_small_images_stay_bit_for_bit() -> None:
    pixels = np.random.RandomState(0).randint(0, 256, (7, 8, 32, 3), dtype=np.uint8)
    np.testing.assert_array_equal(reduced_pixels(MemoryImages(torch.from_numpy(pixels))), pixels)


def test_large_images_become_rounded_area_means() -> None:
    pixels = np.zeros((2, 64, 32, 1), dtype=np.uint8)
    pixels[0, 0:2, 0, 0] = [10, 21]
    pixels[1, 62:64, 31, 0] = [255, 254]
    found = reduced_pixels(MemoryImages(torch.from_numpy(pixels)))
    assert found.shape == (2, 32, 32, 1)
    assert found[0, 0, 0, 0] == 16
    assert found[1, 31, 31, 0] == 254
    assert found.sum() == 270


def test_layouts_and_scalings_by_hand() -> None:
    pixels = np.array([[[[0, 10], [20, 30]]], [[[40, 50], [60, 70]]]], dtype=np.uint8)

    def flat(layout, scaling):
        return next(vectors(pixels, np.array([1]), layout, *affine(pixels, scaling)))[1][0].tolist()

    assert flat("hwc", "raw") == [40, 50, 60, 70]
    assert flat("chw", "raw") == [40, 60, 50, 70]
    assert flat("hwc", "unit") == [40 / 255, 50 / 255, 60 / 255, 70 / 255]
    deviation = np.sqrt(500.0)
    np.testing.assert_allclose(
        flat("chw", "standardised"), np.array([40 - 30, 60 - 30, 50 - 40, 70 - 40]) / deviation
    )


def test_moments_are_those_of_numpy_and_a_flat_channel_has_deviation_one() -> None:
    pixels = np.random.RandomState(0).randint(0, 256, (20, 5, 4, 3), dtype=np.uint8)
    pixels[..., 2] = 9
    means, deviations = channel_moments(pixels)
    np.testing.assert_allclose(means, pixels.mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(deviations[:2], pixels.std(axis=(0, 1, 2))[:2])
    assert deviations[2] == 1
