from __future__ import annotations

import numpy as np
import pytest
import torch

from labelmend.data import MemoryImages, Subset
from labelmend.data.image_file import square_pixels
from labelmend.data.resize import Resized, resize


def random_images(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(("size", "channels"), [(6, 3), (20, 1), (12, 1)])
def test_every_image_is_that_of_its_own_resizing(size, channels):
    x = random_images(300, 10, 12, 3)
    images = MemoryImages(torch.from_numpy(x))
    done = []
    held = resize(images, size, channels, 10**6, lambda *counts: done.append(counts))
    expected = np.stack([square_pixels(image, size, channels) for image in x])
    assert isinstance(held, MemoryImages)
    np.testing.assert_array_equal(held.pixels.numpy(), expected)
    assert done == [(256, 300), (300, 300)]
    lazy = resize(images, size, channels, 0)
    assert isinstance(lazy, Resized)
    assert lazy.shape == held.shape
    index = torch.tensor([7, 299, 7])
    assert torch.equal(lazy.gather(index), held.gather(index))
    assert lazy.gather(torch.arange(0)).shape == (0, size, size, channels)


def test_what_fits_is_the_same_object():
    images = Subset(MemoryImages(torch.zeros(3, 8, 8, 1, dtype=torch.uint8)), torch.tensor([2]))
    assert resize(images, 8, 1, 0) is images
