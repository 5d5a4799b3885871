"""What is said of training images of more than 8 bits that are not all alike."""

import numpy as np
import pytest
from PIL import Image

from labelmend.data import load, load_unlabelled

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
Y = np.arange(6) % 2
UNIT = PIXELS / 255.0
DARK = "hardly anything is seen in them"


def said(images, text, **settings):
    return [note for note in load((images, Y), **settings).notes if text in note]


def test_images_on_a_smaller_scale_than_the_others_are_told():
    images = PIXELS.astype(np.float32)
    images[[1, 4]] /= 255
    assert said(images, DARK) == [
        "2 of 6 images of more than 8 bits use only 0 to 1 of 0 to 255, so that hardly anything is seen in "
        "them (first 1); if they are on another scale, bring them on that of the others, or set one for "
        "all with --pixel-range"
    ]
    # Said by the person who knows them.
    assert not said(images, DARK, pixel_range=(0.0, 255.0))


@pytest.mark.parametrize("top", [4095, 4370])
def test_files_of_twelve_bits_among_those_of_sixteen_are_told(tmp_path, top):
    for row, pixels in enumerate(PIXELS[..., 0]):
        values = pixels.astype(np.uint16) * 257 if row != 3 else np.full((8, 8), top, dtype=np.uint16)
        (tmp_path / "ab"[row % 2]).mkdir(exist_ok=True)
        Image.fromarray(values).save(tmp_path / "ab"[row % 2] / f"{row}.png")
    found = [note for note in load(tmp_path).notes if DARK in note]
    # 4,370 values are above a fifteenth of the range.
    assert [note.partition(",")[0] for note in found] == (
        ["1 of 6 images of more than 8 bits use only 4095 to 4095 of 0 to 65535"] if top == 4095 else []
    )
    assert all("(first b/3.png)" in note for note in found)


def test_images_that_are_alike_or_black_are_not_told():
    assert not said(UNIT, DARK)
    black = UNIT.copy()
    black[2] = 0
    assert not said(black, DARK)


def test_pixels_that_are_no_number_are_told():
    images = UNIT.copy()
    images[0, 0, 0, 0] = images[5, 1, 1, 1] = np.nan
    told = ["2 images have pixels that are no number (NaN), which are black"]
    assert said(images, "NaN") == told
    assert not said(UNIT, "NaN")
    assert said(images, "NaN", pixel_range=(0.0, 1.0)) == told
    assert not said(UNIT, "NaN", pixel_range=(0.0, 1.0))
    assert [note for note in load_unlabelled(images, image_size=8, channels=3).notes if "NaN" in note] == told
