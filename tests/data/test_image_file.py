from __future__ import annotations

import io
import os
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from labelmend.data.image_file import is_grey, square_pixels


def encode(image: Image.Image, format: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def test_pixels_of_the_right_size_are_untouched():
    pixels = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    np.testing.assert_array_equal(square_pixels(encode(Image.fromarray(pixels)), 9, 3), pixels)
    np.testing.assert_array_equal(square_pixels(pixels, 9, 3), pixels)


def test_grey_becomes_rgb_and_back():
    pixels = np.arange(16, dtype=np.uint8).reshape(4, 4)
    data = encode(Image.fromarray(pixels))
    np.testing.assert_array_equal(square_pixels(data, 4, 1), pixels[..., None])
    np.testing.assert_array_equal(square_pixels(data, 4, 3), np.repeat(pixels[..., None], 3, axis=2))


def test_transparency_is_laid_over_white():
    image = Image.new("RGBA", (2, 2), (10, 20, 30, 255))
    image.putpixel((0, 0), (10, 20, 30, 0))
    pixels = square_pixels(encode(image), 2, 3)
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[1, 1].tolist() == [10, 20, 30]
    grey = Image.new("LA", (2, 2), (50, 0))
    assert square_pixels(encode(grey), 2, 1)[0, 0, 0] == 255


def test_palette_with_and_without_transparency():
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    tall = image.resize((2, 2), Image.Resampling.NEAREST)
    assert square_pixels(encode(tall), 2, 3)[0].tolist() == [[255, 0, 0], [0, 0, 255]]
    clear = square_pixels(encode(tall, transparency=0), 2, 3)
    assert clear[0].tolist() == [[255, 255, 255], [0, 0, 255]]
    assert not is_grey(tall)
    greys = Image.new("P", (2, 2))
    greys.putpalette([0, 0, 0, 9, 9, 9])
    assert is_grey(greys)


def test_16_bit_grey_is_divided_by_257():
    values = np.array([[0, 257], [257 * 128, 65535]], dtype=np.uint16)
    data = encode(Image.fromarray(values))
    assert square_pixels(data, 2, 1)[..., 0].tolist() == [[0, 1], [128, 255]]


def test_float_images_in_unit_range_and_in_255():
    unit = Image.fromarray(np.array([[0, 0.5], [1, 0.2]], dtype=np.float32))
    assert square_pixels(encode(unit, "TIFF"), 2, 1)[..., 0].tolist() == [[0, 128], [255, 51]]
    wide = Image.fromarray(np.array([[0, 7], [255, 300]], dtype=np.float32))
    assert square_pixels(encode(wide, "TIFF"), 2, 1)[..., 0].tolist() == [[0, 7], [255, 255]]


def test_exif_rotation_is_applied():
    image = Image.new("RGB", (2, 2), "black")
    image.putpixel((0, 0), (255, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise
    pixels = square_pixels(encode(image, exif=exif), 2, 3)
    assert pixels[0, 1].tolist() == [255, 0, 0]
    assert pixels[0, 0].tolist() == [0, 0, 0]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_does_not_cost_the_image():
    data = encode(Image.new("RGB", (8, 8), "red"), "JPEG", exif=b"Exif\x00\x00MM\x00*garbage!!")
    assert square_pixels(data, 8, 3).shape == (8, 8, 3)


def test_centre_crop_of_a_wide_image():
    pixels = np.zeros((4, 12, 3), dtype=np.uint8)
    pixels[:, 4:8] = 200
    np.testing.assert_array_equal(square_pixels(pixels, 4, 3), np.full((4, 4, 3), 200))


def test_cropping_first_is_the_same_as_scaling_the_shorter_side_first():
    pixels = np.random.default_rng(1).integers(0, 256, (24, 60, 3), dtype=np.uint8)
    scaled = Image.fromarray(pixels).resize((20, 8), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(square_pixels(pixels, 8, 3), np.asarray(scaled)[:, 6:14])


def test_resizing_is_antialiased():
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    small = square_pixels(stripes, 8, 3)[1:-1, 1:-1]
    assert small.min() > 110
    assert small.max() < 145


def test_a_large_jpeg_is_close_to_full_decoding():
    ramp = np.linspace(0, 255, 1600).astype(np.uint8)
    image = Image.fromarray(np.tile(ramp[None, :, None], (1600, 1, 3)))
    small = square_pixels(encode(image, "JPEG", quality=95), 32, 3).astype(int)
    exact = np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(small - exact).max() <= 3


def test_cmyk_and_bilevel():
    assert square_pixels(encode(Image.new("CMYK", (4, 4)), "TIFF"), 4, 3).tolist() == [[[255] * 3] * 4] * 4
    assert square_pixels(encode(Image.new("1", (4, 4), 1)), 4, 1).max() == 255


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    size=st.integers(1, 24),
    channels=st.sampled_from([1, 3]),
    mode=st.sampled_from(["L", "RGB", "RGBA", "P", "1", "LA", "I;16"]),
)
def test_any_image_gives_the_shape_asked_for(width, height, size, channels, mode):
    pixels = square_pixels(encode(Image.new(mode, (width, height))), size, channels)
    assert pixels.shape == (size, size, channels)
    assert pixels.dtype == np.uint8


@pytest.mark.parametrize("data", [b"", b"not an image", encode(Image.new("RGB", (64, 64), "red"))[:-30]])
def test_unreadable_data_raises(data):
    with pytest.raises(Exception):  # noqa: B017 - decoders raise many kinds
        square_pixels(data, 4, 3)


def test_pipes_and_devices_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    for name in ("pipe.png", "folder.png", "zero.png"):
        with pytest.raises(OSError, match="not a file"):
            square_pixels(tmp_path / name, 4, 1)


def test_a_bomb_is_refused_by_its_header():
    # A 1-bit image of 60,000 x 60,000 pixels takes a few kilobytes.
    data = bytearray(encode(Image.new("1", (8, 8))))
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    with pytest.raises(Image.DecompressionBombError):
        square_pixels(bytes(data), 4, 1)


def test_crop_is_a_share_of_the_shorter_side():
    pixels = np.zeros((10, 20, 3), dtype=np.uint8)
    pixels[2:8, 7:13, 0] = 255  # the centre square of 0.6 of the shorter side
    cropped = square_pixels(pixels, 6, 3, crop=0.6)
    assert (cropped[..., 0] == 255).all()
    assert not (square_pixels(pixels, 6, 3)[..., 0] == 255).all()
    square = np.ascontiguousarray(pixels[:, 5:15])  # already of the size that is wanted, but for the crop
    assert (square_pixels(square, 10, 3, crop=0.6)[1:9, 1:9, 0] == 255).all()


def test_resize_then_crop_is_the_same_in_one_step():
    """As torchvision and timm prepare images: the shorter side to size / crop, then the centre."""
    photo = Image.fromarray(smooth(120, 96))
    resized = photo.resize((64, 80), Image.Resampling.BICUBIC)
    left, top = (64 - 56) // 2, (resized.height - 56) // 2
    expected = np.asarray(resized.crop((left, top, left + 56, top + 56))).astype(int)
    found = square_pixels(np.asarray(photo), 56, 3, crop=56 / 64, interpolation="bicubic").astype(int)
    assert np.abs(found - expected).max() <= 1


def test_without_proportions_all_sides_are_kept():
    pixels = np.zeros((4, 8, 3), dtype=np.uint8)
    pixels[:, :2, 0] = 255
    assert square_pixels(pixels, 4, 3, keep_aspect=False, interpolation="nearest")[0, :, 0].tolist() == [
        255,
        0,
        0,
        0,
    ]
    assert square_pixels(pixels, 4, 3, crop=0.5, keep_aspect=False)[..., 0].max() < 100
    assert square_pixels(pixels, 4, 3)[..., 0].max() == 0


def test_interpolation_is_the_one_that_is_asked_for():
    pixels = np.zeros((4, 4, 3), dtype=np.uint8)
    pixels[:, 2:] = 200
    assert set(np.unique(square_pixels(pixels, 7, 3, interpolation="nearest"))) == {0, 200}
    assert square_pixels(pixels, 8, 3, interpolation="bicubic").max() > 200
    assert square_pixels(pixels, 8, 3).max() == 200


@pytest.mark.parametrize(("crop", "side"), [(1.0, 64), (0.5, 128)])
def test_large_photos_are_decoded_at_a_reduced_size(crop, side, monkeypatch):
    """Never below twice what is needed, counted after the crop."""
    loaded = []
    real = Image.Image.resize
    monkeypatch.setattr(
        Image.Image, "resize", lambda self, *args, **kw: loaded.append(self.size) or real(self, *args, **kw)
    )
    square_pixels(encode(Image.fromarray(smooth(256, 256)), "JPEG"), 32, 3, crop)
    assert loaded == [(side, side)]


def smooth(height: int, width: int) -> np.ndarray:
    """A picture without sharp edges."""
    y, x = np.mgrid[:height, :width] / 20.0
    return (127 + 120 * np.stack((np.sin(x), np.cos(y), np.sin(x + y)), axis=-1)).astype(np.uint8)
