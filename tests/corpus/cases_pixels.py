"""Bit depths, kinds of arrays, and pictures that occur twice."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import torch

from corpus.build import deep, png, put
from corpus.registry import Source, case

LADDER = np.arange(256).reshape(16, 16)


def levels(job) -> list[int]:
    """Distinct grey levels of the first image."""
    return np.unique(np.asarray(job.train_set.images.gather(torch.tensor([0])))).tolist()


def exactly(expected):
    def check(job):
        assert levels(job) == list(expected)

    return check


def pair(folder, array, suffix="png"):
    """Two classes of two images of the same values, the second upside down."""
    deep(folder / f"a/1.{suffix}", array)
    deep(folder / f"b/2.{suffix}", array[::-1].copy())
    return Source(folder)


@case(check=exactly(range(256)), notes=["0 becomes black and 4095 white.*--pixel-range 0,4095"])
def twelve_bits_in_a_png(folder):
    return pair(folder, (LADDER * 4095 // 255).astype(np.uint16))


@case(check=exactly(range(256)), notes=["0 becomes black and 1023 white"])
def ten_bits_in_a_png(folder):
    return pair(folder, (LADDER * 1023 // 255).astype(np.uint16))


@case(check=exactly(range(256)))
def eight_bits_in_a_tiff_of_sixteen(folder):
    return pair(folder, LADDER.astype(np.uint16), "tiff")


@case(check=exactly(range(256)), notes=["0 becomes black and 65535 white"])
def sixteen_bits(folder):
    return pair(folder, (LADDER * 257).astype(np.uint16))


@case(check=exactly(range(256)))
def floats_up_to_one(folder):
    return pair(folder, (LADDER / 255).astype(np.float32), "tif")


@case(check=exactly(range(256)))
def floats_up_to_255(folder):
    return pair(folder, LADDER.astype(np.float32), "tif")


@case(check=exactly(range(256)), notes=["-1000 becomes black and 3080 white"])
def floats_of_a_scanner(folder):
    return pair(folder, (LADDER * 16 - 1000).astype(np.float32), "tif")


@case(check=exactly(range(256)))
def signed_integers(folder):
    return pair(folder, (LADDER * 16 - 1000).astype(np.int32), "tif")


@case(check=exactly(range(256)))
def floats_that_use_a_hundredth_of_the_range(folder):
    return pair(folder, (LADDER / 25500).astype(np.float32), "tif")


def check_nan(job):
    pixels = np.asarray(job.train_set.images.gather(torch.tensor([0])))[0, ..., 0]
    assert pixels[0, :3].tolist() == [0, 255, 0]  # NaN, infinity, minus infinity
    assert pixels[0, 3:].tolist() == list(range(3, 16))


@case(check=check_nan)
def floats_with_nan(folder):
    values = (LADDER / 255).astype(np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    deep(folder / "a/1.tif", values)
    deep(folder / "b/2.tif", (LADDER / 255).astype(np.float32))
    return Source(folder)


def check_missing(job):
    pixels = np.asarray(job.train_set.images.gather(torch.tensor([0])))[0, ..., 0]
    assert pixels[:2].tolist() == [[0] * 16] * 2
    assert pixels[2:].ravel().tolist() == list(range(32, 256))


@case(check=check_missing, notes=["pixels of '?-9999'? count as missing and are black"])
def a_number_that_stands_for_no_value(folder):
    values = (LADDER / 255).astype(np.float32)
    values[:2] = -9999
    deep(folder / "a/1.tif", values)
    deep(folder / "a/3.tif", np.full((16, 16), -9999, np.float32))
    deep(folder / "b/2.tif", (LADDER / 255).astype(np.float32))
    return Source(folder)


@case(check=exactly(range(256)), notes=["-9999 becomes black and 201 white"])
def depths_below_the_sea_are_values(folder):
    return pair(folder, (LADDER * 40 - 9999).astype(np.float32), "tif")


@case(labels=["a", "b"], skipped=["a/0.tif: no pixel has a finite value"])
def an_image_of_nan_only(folder):
    deep(folder / "a/0.tif", np.full((16, 16), np.nan, np.float32))
    return pair(folder, (LADDER / 255).astype(np.float32), "tif")


def check_hot_pixel(job):
    assert len(levels(job)) > 200


@case(check=check_hot_pixel)
def a_hot_pixel_does_not_darken_the_rest(folder):
    values = np.tile(LADDER * 4095 // 255, (5, 5)).astype(np.uint16)
    values[3, 3] = 65535
    return pair(folder, values)


def check_one_scale(job):
    train, test = (np.asarray(s.images.gather(torch.arange(len(s)))) for s in (job.train_set, job.test_set))
    assert train[:, 0, 0, 0].tolist() == [0, 255]
    assert test[0, 0, 0, 0] == 128  # by its own range it would be white


@case(check=check_one_scale)
def train_and_test_have_one_scale(folder):
    for name, value in (("train/a/1", 0), ("train/b/2", 4000), ("test/a/3", 2008)):
        deep(folder / f"{name}.png", np.full((8, 8), value, np.uint16))
    return Source(folder)


@case(values=[0, 51], check=lambda job: job.train_set.pixel_range == (0, 1000))
def a_range_that_is_given(folder):
    deep(folder / "a/1.png", np.full((8, 8), 0, np.uint16))
    deep(folder / "b/2.png", np.full((8, 8), 200, np.uint16))
    return Source(folder, {"pixel_range": [0, 1000]})


@case(error="--pixel-range is .* but must be two values, the lower first")
def a_range_upside_down(folder):
    put(folder, "a/1.png", "b/2.png")
    return Source(folder, {"pixel_range": [5, 1]})


@case(notes=["1 of 3 images have 8 bits, the others more"])
def eight_and_sixteen_bits_together(folder):
    put(folder, "a/0.png")
    return pair(folder, (LADDER * 257).astype(np.uint16))


def png16(values: np.ndarray) -> bytes:
    """A PNG of 16-bit colours, which Pillow cannot write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@case(check=exactly(range(256)), notes=["0 becomes black and 4095 white"])
def twelve_bits_of_colour(folder):
    values = np.repeat((LADDER * 4095 // 255)[..., None], 3, axis=2)
    for name, array in (("a/1.png", values), ("b/2.png", values[::-1])):
        (folder / name).parent.mkdir()
        (folder / name).write_bytes(png16(array))
    return Source(folder)


def arrays(values) -> Source:
    return Source((np.stack([values, values[::-1]]), ["a", "b"]))


@case(check=exactly(range(256)))
def an_array_of_floats_up_to_255(folder):
    return arrays(LADDER.astype(np.float64))


@case(check=exactly(range(256)))
def an_array_of_floats_up_to_one(folder):
    return arrays((LADDER / 255).astype(np.float32))


@case(check=exactly(range(256)), notes=["4095 white"])
def an_array_of_twelve_bits(folder):
    return arrays((LADDER * 4095 // 255).astype(np.uint16))


@case(check=exactly([0, 255]))
def an_array_of_bools(folder):
    return arrays(LADDER > 99)


@case(check=exactly(range(256)))
def an_array_of_int64(folder):
    return arrays(LADDER.astype(np.int64))


@case(check=exactly(range(256)), notes=["-2 becomes black and 2 white"])
def an_array_that_is_normalised(folder):
    return arrays(LADDER / 255 * 4 - 2)


def check_half(job):
    assert levels(job)[0] == 0
    assert levels(job)[-1] == 255


@case(check=check_half)
def a_tensor_of_bfloat16(folder):
    values = torch.from_numpy(LADDER / 255).to(torch.bfloat16)
    return Source((torch.stack([values, values.flip(0)]), torch.tensor([0, 1])))


@case(error="images are of type complex128; expected numbers")
def an_array_of_complex_numbers(folder):
    return arrays(LADDER.astype(complex))


def check_conflict(job):
    assert job.train_set.same_pictures == [[0, 3], [1, 2]]
    assert job.train_set.conflicts() == [[0, 3]]
    assert job.train_set.subset([3, 2, 0]).conflicts() == [[0, 2]]


@case(
    check=check_conflict,
    notes=[r"1 picture stands under more than one label, first cat/1.png \(cat\) and dog/1.png"],
)
def one_picture_under_two_labels(folder):
    put(folder, "cat/1.png", "cat/2.png", "dog/1.png")
    (folder / "cat/3.png").write_bytes(png(20))
    (folder / "dog/1.png").write_bytes(png(10))
    (folder / "cat/2.png").write_bytes(png(20))
    return Source(folder)


@case(notes=["1 picture stands under more than one label"])
def one_picture_in_two_formats(folder):
    put(folder, "cat/1.png", "dog/2.png")
    from PIL import Image

    with Image.open(folder / "cat/1.png") as image:
        image.save(folder / "dog/copy.bmp")
    return Source(folder)
