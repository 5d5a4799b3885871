from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from labelmend.data.image_file import square_pixels
from labelmend.data.image_set import MemoryImages
from labelmend.data.margins import side_with_margin, with_margins
from labelmend.data.sources import read_listing
from labelmend.errors import DataError

EMBEDDER = SimpleNamespace(size=28, crop=0.875, interpolation="bicubic", keep_aspect=True)


@pytest.fixture
def folder(tmp_path):
    generator = np.random.default_rng(0)
    for number in range(4):
        file = tmp_path / "ab"[number % 2] / f"{number}.png"
        file.parent.mkdir(exist_ok=True)
        small = generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(small).resize((80, 60), Image.Resampling.BICUBIC).save(file)
    return tmp_path


def test_the_middle_is_what_the_backbone_looks_at(folder):
    listing = read_listing(folder)
    images, rows, skipped = with_margins(listing, EMBEDDER)
    assert (images.shape, rows, skipped) == ((4, 32, 32, 3), [0, 1, 2, 3], [])
    seen = square_pixels(listing.items[1], 28, 3, 0.875, "bicubic")
    middle = images.gather(torch.tensor([1]))[0, 2:30, 2:30].numpy()
    assert np.abs(middle.astype(int) - seen).max() <= 1
    plain = square_pixels(listing.items[1], 32, 3)
    assert np.abs(middle.astype(int) - plain[2:30, 2:30]).max() > 1


def test_without_proportions_nothing_is_cut_off(folder):
    squashed = SimpleNamespace(**{**vars(EMBEDDER), "keep_aspect": False})
    listing = read_listing(folder)
    found = with_margins(listing, squashed)[0].gather(torch.tensor([0]))[0].numpy()
    assert np.array_equal(found, square_pixels(listing.items[0], 32, 3, 1.0, "bicubic", False))


def test_images_beyond_the_memory_are_the_same_ones(folder):
    listing = read_listing(folder)
    held, streamed = (with_margins(listing, EMBEDDER, memory_limit=limit)[0] for limit in (2**20, 1))
    assert (held.in_memory, streamed.in_memory) == (True, False)
    every = torch.arange(4)
    assert torch.equal(held.gather(every), streamed.gather(every))


def test_decoded_images_are_resized(folder):
    pixels = torch.randint(0, 256, (3, 10, 10, 1), dtype=torch.uint8)
    listing = replace(read_listing(folder).take(range(3)), images=MemoryImages(pixels), items=[])
    images, rows, _ = with_margins(listing, EMBEDDER)
    assert (images.shape, rows) == ((3, 32, 32, 3), [0, 1, 2])


@pytest.mark.parametrize("limit", [2**20, 1])
def test_unreadable_images_are_left_out_and_named(folder, limit):
    (folder / "a" / "0.png").write_bytes(b"none")
    listing = read_listing(folder)
    images, rows, skipped = with_margins(listing, EMBEDDER, memory_limit=limit)
    assert (images.shape[0], rows, len(skipped)) == (3, [1, 2, 3], 1)
    assert "0.png" in skipped[0].path
    for number in range(1, 4):
        (folder / "ab"[number % 2] / f"{number}.png").write_bytes(b"none")
    with pytest.raises(DataError, match="none of the 4 images can be read"):
        with_margins(read_listing(folder), EMBEDDER, memory_limit=limit)


def test_a_backbone_that_looks_at_everything_has_no_margin():
    assert side_with_margin(SimpleNamespace(size=160, crop=1.0)) == 160
    assert side_with_margin(SimpleNamespace(size=160, crop=0.95)) == 168
