from __future__ import annotations

import io
import time
import warnings
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from labelmend.data.decode import (
    DecodedOnDemand,
    Header,
    decode_into_memory,
    default_image_size,
    in_threads,
    look_through,
    num_threads,
    read_headers,
)
from labelmend.errors import DataError, LabelmendWarning


def headers(*sizes):
    return [Header(width, height, False) for width, height in sizes]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(28, 28)] * 3, 28),
        ([(8, 8)], 8),
        ([(1, 1)] * 2, 4),  # the least that --image-size allows
        ([(3, 3)], 4),
        ([(64, 64)] * 2, 64),
        ([(65, 65)] * 2, 64),  # above 64 px: rounded to a multiple of 8
        ([(20, 28)] * 2, 32),  # not square: at least 32
        ([(28, 28), (32, 32)], 32),
        ([(100, 50), (90, 60), (300, 70)], 64),  # shorter sides 50, 60, 70 -> 60 -> 64 (7.5 rounds to 8)
        ([(4000, 3000)] * 2, 224),
        ([(100, 100), (140, 120)], 112),  # median 110 -> 13.75 -> 14
    ],
)
def test_default_image_size(sizes, expected):
    assert default_image_size(headers(*sizes)) == expected


def png(array) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def items(tmp_path):
    generator = np.random.default_rng(0)
    arrays = [generator.integers(0, 256, (10 + i % 3, 12, 3), dtype=np.uint8) for i in range(150)]
    items: list = [png(array) for array in arrays]
    items[3] = b"broken"
    items[70] = items[70][:-40]
    file = tmp_path / "a.png"
    file.write_bytes(items[0])
    items[149] = file
    return items


def test_headers_and_reasons(items):
    found = read_headers(items)
    assert found[0] == Header(12, 10, False)
    assert found[3] == "not an image in a known format"
    assert isinstance(found[70], Header)  # its head is whole


def test_memory_and_on_demand_give_the_same_pixels(items):
    pixels, unreadable = decode_into_memory(items, 8, 3)
    assert sorted(unreadable) == [3, 70]
    assert pixels.shape == (148, 8, 8, 3)
    assert look_through(items, 3)[0] == unreadable
    readable = [item for row, item in enumerate(items) if row not in unreadable]
    images = DecodedOnDemand(readable, 8, 3)
    assert images.shape == (148, 8, 8, 3)
    index = torch.tensor([147, 0, 0, 69, 3])
    assert torch.equal(images.gather(index), pixels[index])
    assert images.gather(torch.tensor([], dtype=torch.int64)).shape == (0, 8, 8, 3)


def test_progress_reaches_the_total(items):
    seen = []
    decode_into_memory(items, 8, 3, lambda done, total: seen.append((done, total)))
    assert (seen[0], seen[-1]) == ((0, 150), (150, 150))
    assert seen == sorted(seen)


def test_a_file_that_vanishes_later_is_named(tmp_path):
    file = tmp_path / "gone.png"
    file.write_bytes(png(np.zeros((4, 4, 3), dtype=np.uint8)))
    images = DecodedOnDemand([file], 4, 3)
    file.unlink()
    with pytest.raises(DataError, match=r"gone\.png: could be read at first"):
        images.gather(torch.tensor([0]))


def test_decoding_leaves_warning_filters_alone(items):
    before = list(warnings.filters)
    read_headers(items)
    assert warnings.filters == before


def test_missing_file_is_a_reason():
    assert read_headers([Path("/no/such/file.png")]) == ["No such file or directory"]


def test_work_runs_ahead_by_a_few_chunks_only(items):
    begun = []
    with closing(in_threads(begun.append, [*items] * 10)) as outcomes:
        next(outcomes)
        time.sleep(0.05)
        assert len(begun) <= 32 * (num_threads() + 3)
    time.sleep(0.05)
    assert len(begun) <= 32 * (num_threads() + 3)


def test_our_own_warnings_are_heard_while_images_are_decoded(items):
    with pytest.warns(LabelmendWarning, match="heard"):
        for _ in in_threads(lambda _: None, items[:1]):
            warnings.warn("heard", LabelmendWarning, stacklevel=1)
