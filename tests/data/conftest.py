from __future__ import annotations

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def save_image():
    """Writes a one-colour image whose red channel is ``value``."""

    def save(path, value: int = 0, size: int = 8, mode: str = "RGB"):
        path.parent.mkdir(parents=True, exist_ok=True)
        colour = (value, 100, 50) if mode == "RGB" else value
        Image.new(mode, (size, size), colour).save(path)
        return path

    return save


@pytest.fixture
def red():
    """Red channel of each image, from its first pixel."""

    def read(images) -> list[int]:
        import torch

        pixels = images.gather(torch.arange(images.shape[0]))
        return np.asarray(pixels[:, 0, 0, 0]).tolist()

    return read
