"""On what scale new images are read: that of training, or one that a single value cannot turn over."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from labelmend.data import load, load_test, load_unlabelled
from labelmend.errors import DataError, LabelmendWarning

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
Y = np.arange(6) % 2
UNIT = PIXELS / 255.0


def kept(images, **settings):
    """The range that a run trained on these images keeps."""
    return load((images, Y), **settings).pixel_range


def read(images, trained=None, warns=None):
    """Pixels of new images; a warning is an error unless it is expected."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", LabelmendWarning)
        if warns is None:
            found = load_unlabelled(images, image_size=8, channels=3, pixel_range=trained)
        else:
            with pytest.warns(LabelmendWarning, match=warns) as said:
                found = load_unlabelled(images, image_size=8, channels=3, pixel_range=trained)
            assert len(said) == 1
            assert "--" not in str(said[0].message)
    return found.images.gather(torch.arange(len(found))).numpy()


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (PIXELS, "None"),
        (UNIT, "(0.0, 1.0)"),
        (PIXELS.astype(np.float32), "(0.0, 255.0)"),
        (PIXELS.astype(np.int64), "(0, 255)"),
        (PIXELS.astype(np.uint16) * 257, "(0, 65535)"),
        (UNIT * 4 - 2, "(-2.0, 2.0)"),
    ],
)
def test_the_range_of_training_is_kept_with_its_kind(images, expected):
    assert repr(kept(images)) == expected


def test_a_range_that_is_given_has_the_kind_of_the_images():
    assert repr(kept(PIXELS.astype(np.uint16), pixel_range=(0.0, 500.0))) == "(0, 500)"
    assert repr(kept(UNIT, pixel_range=(0, 2))) == "(0.0, 2.0)"


@pytest.mark.parametrize("value", [1.0000002, 1.2, 3.0, 16.0, 50.0, -0.1])
def test_one_value_beyond_one_turns_nothing_black(value):
    images = UNIT.copy()
    images[0, 0, 0, 0] = value
    expected = PIXELS.copy()
    expected[0, 0, 0, 0] = 255 if value > 1 else 0
    if value < 50:
        np.testing.assert_array_equal(
            read(images, warns="1 of 6 float images have values outside 0 to 1"), expected
        )
    else:  # on small images not told from a dark picture: at least it is said
        assert read(images, warns="use only") is not None


def test_overshoot_of_resizing_at_some_edges_is_clipped():
    images = UNIT.copy()
    images[:, 0, 0] = np.array([1.08, -0.07, 1.02])
    expected = PIXELS.copy()
    expected[:, 0, 0] = 255, 0, 255
    np.testing.assert_array_equal(
        read(images, warns="6 of 6 float .*clipped.*first 0; they go from -0.07 to 1.08"), expected
    )


def test_floats_and_deep_whole_numbers_do_not_share_a_scale(tmp_path):
    Image.fromarray((np.arange(64).reshape(8, 8) / 63).astype(np.float32)).save(tmp_path / "f.tif")
    Image.fromarray((np.arange(64).reshape(8, 8) * 1040).astype(np.uint16)).save(tmp_path / "g.png")
    alone, beside = read(tmp_path / "f.tif"), read([tmp_path / "f.tif", tmp_path / "g.png"])
    np.testing.assert_array_equal(alone[0], beside[0])
    assert alone.max() == 255
    notes = load_unlabelled([tmp_path / "f.tif", tmp_path / "g.png"], image_size=8, channels=3).notes
    assert notes == ["1 images of more than 8 bits: 0 becomes black and 65535 white"]


def test_floats_for_a_run_on_whole_numbers_are_read_by_themselves():
    trained = kept(PIXELS.astype(np.uint16) * 257)
    guess = "6 float images are read from 0 to 1, as is measured .* whole numbers from 0 to 65535"
    np.testing.assert_array_equal(read(UNIT, trained, warns=guess), PIXELS)
    # In the units of training they are on its scale.
    np.testing.assert_array_equal(read(PIXELS * 257.0, trained), PIXELS)


def test_whole_numbers_for_a_run_on_floats():
    guess = "are read from 0 to 255, as is measured .* floats from 0 to 1"
    np.testing.assert_array_equal(read(PIXELS.astype(np.int64), kept(UNIT), warns=guess), PIXELS)
    scanner = kept(PIXELS * 16.0 - 1000)
    np.testing.assert_array_equal(read(PIXELS.astype(np.int16) * 16 - 1000, scanner), PIXELS)


@pytest.mark.parametrize("scale", [1.0, 257.0, 1 / 255])
def test_neighbours_do_not_change_what_training_decides(scale):
    for images in (PIXELS * scale, (PIXELS * scale).astype(np.float32)):
        trained = kept(images)
        dark = images[:1] / 300
        together = read(np.concatenate([dark, images]), trained)
        np.testing.assert_array_equal(read(dark, trained, warns="use only 0 to"), together[:1])
        np.testing.assert_array_equal(together[1:], PIXELS)


def test_images_on_another_scale_than_training_are_told():
    read(
        UNIT, kept(PIXELS * 1.0), warns="6 of 6 float images use only 0 to 1 of 0 to 255.*give images on the"
    )
    read(PIXELS * 1.0, kept(UNIT), warns="6 of 6 float images have values outside 0 to 1, which are clipped")
    mixed = np.concatenate([UNIT[:2], PIXELS[2:] * 1.0])
    read(mixed, warns="2 of 6 float images use only 0 to 1 of 0 to 255")


def test_a_test_set_has_the_scale_of_training():
    train = load((PIXELS * 1.0, Y))
    with pytest.warns(LabelmendWarning, match="arrays, test set: 6 of 6 float images use only"):
        found = load_test((UNIT, Y), like=train)
    assert found.images.pixels.max() == 1


def test_images_of_8_bits_are_taken_as_they_are():
    for trained in (None, (0, 4095), (0.0, 1.0)):
        np.testing.assert_array_equal(read(PIXELS, trained), PIXELS)


def test_opacity_may_overshoot_too():
    images = np.concatenate([UNIT, np.ones((6, 8, 8, 1))], axis=3)
    images[0, 0, 0, 3] = 1.0000002
    np.testing.assert_array_equal(read(images), PIXELS)


def test_images_without_a_value_are_left_out():
    images = UNIT.copy()
    images[2] = np.nan
    found = load_unlabelled(images, image_size=8, channels=3)
    assert found.rows == [0, 1, 3, 4, 5]
    with pytest.raises(DataError, match=r"none of the 6 images can be read.*no pixel has a finite value"):
        load_unlabelled(images * np.nan, image_size=8, channels=3)
