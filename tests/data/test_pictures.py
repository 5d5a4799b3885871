from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from labelmend.data.pictures import as_pictures, is_picture
from labelmend.data.sources import load_unlabelled
from labelmend.errors import DataError, LabelmendWarning


@pytest.mark.parametrize(
    ("shape", "grey", "colour"),
    [
        ((40, 40), True, True),
        ((40, 40, 3), True, True),
        ((40, 30, 1), True, True),
        ((40, 40, 4), True, True),
        ((4, 4, 3), True, True),
        ((1, 40, 40), True, True),
        ((3, 40, 40), False, True),
        ((7, 40, 40), False, False),
        ((7, 4, 4), False, False),
        ((2, 40, 40, 3), False, False),
        ((1, 3, 40, 40), False, False),
    ],
)
def test_one_picture_is_told_from_several_by_its_shape(shape, grey, colour):
    assert is_picture(shape, 1) is grey
    assert is_picture(shape, 3) is colour


def test_a_shape_that_can_be_both_is_refused():
    with pytest.raises(DataError, match=r"one picture of 4 channels or 4 grey pictures; give it as \(1, 4, "):
        is_picture((4, 40, 40), 3)
    assert not is_picture((4, 40, 40), 1)


def pixel(found, row=0):
    return found.images.gather(torch.tensor([row]))[0, 0, 0].tolist()


RED = np.zeros((6, 6, 3), np.uint8)
RED[..., 0] = 200


@pytest.mark.parametrize(
    "picture",
    [
        RED,
        torch.from_numpy(RED),
        RED.transpose(2, 0, 1),
        torch.from_numpy(RED.transpose(2, 0, 1).copy()),
        torch.from_numpy(RED.transpose(2, 0, 1) / np.float32(255)),
        Image.fromarray(RED),
        RED.tolist(),
        [RED],
        (Image.fromarray(RED),),
        RED[None],
    ],
)
def test_one_picture_in_one_picture_out(picture):
    found = load_unlabelled(picture, image_size=6, channels=3)
    assert len(found) == 1
    assert found.images.shape == (1, 6, 6, 3)
    assert pixel(found) == [200, 0, 0]


@pytest.mark.parametrize(
    "kind", [np.asarray, torch.from_numpy, lambda d: torch.from_numpy(d).bfloat16(), "file"]
)
def test_three_grey_pictures_are_taken_for_one_of_colours_with_a_word(kind, tmp_path):
    digits = np.random.default_rng(0).integers(0, 256, (3, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "digits.npy", digits)
    source = tmp_path / "digits.npy" if kind == "file" else kind(digits)
    told = r"shape \(3, 8, 8\) is taken for one picture of 3 channels.* give it as \(3, 8, 8, 1\)"
    with pytest.warns(LabelmendWarning, match=told):
        assert len(load_unlabelled(source, image_size=8, channels=3)) == 1
    assert len(load_unlabelled(digits[..., None], image_size=8, channels=3)) == 3
    assert len(load_unlabelled(digits, image_size=8, channels=1)) == 3


def test_of_one_picture_of_alike_channels_nothing_is_said(recwarn):
    grey = np.random.default_rng(0).integers(0, 256, (8, 8))
    other = np.random.default_rng(1).integers(0, 256, (8, 8))
    tinted, flat = np.stack([grey, grey // 2, (grey + other) // 2]), np.stack([grey, other, other * 0])
    assert 0.3 < np.corrcoef(tinted.reshape(3, -1)).min() < 0.9
    for picture in tinted, flat, grey, np.stack([grey, other, other], axis=2):
        load_unlabelled(picture.astype(np.uint8), image_size=8, channels=3)
    assert not recwarn.list


def test_a_list_of_pictures_of_different_sizes_and_kinds_keeps_its_order(tmp_path):
    Image.fromarray(RED).save(tmp_path / "a.png")
    (tmp_path / "broken.png").write_text("no image")
    grey = np.full((8, 4), 50, np.uint8)
    pictures = [
        grey,
        tmp_path / "broken.png",
        Image.fromarray(RED),
        b"no image",
        str(tmp_path / "a.png"),
        RED,
    ]
    found = load_unlabelled(pictures, image_size=6, channels=3)
    assert found.rows == [0, 2, 4, 5]
    assert len(found) == 6
    assert [pixel(found, row)[0] for row in range(4)] == [50, 200, 200, 200]
    assert found.paths[1] == str(tmp_path / "broken.png")
    assert [(entry.path, entry.reason) for entry in found.skipped] == [
        (str(tmp_path / "broken.png"), "not an image in a known format"),
        ("3", "not an image in a known format"),
    ]


def test_a_file_that_is_given_twice_has_two_rows(tmp_path):
    Image.fromarray(RED).save(tmp_path / "a.png")
    found = load_unlabelled([tmp_path / "a.png"] * 2, image_size=6, channels=3)
    assert found.rows == [0, 1]
    assert found.ids == [str(tmp_path / "a.png")] * 2


def test_what_is_no_picture_is_refused(tmp_path):
    with pytest.raises(DataError, match="nested lists of different lengths"):
        as_pictures([[1, 2], [3]], 3)
    with pytest.raises(DataError, match="there is no such file"):
        load_unlabelled([RED, tmp_path / "none.png"], image_size=6, channels=3)
    with pytest.raises(DataError, match="picture 1 of the list is a int"):
        load_unlabelled([RED, 5], image_size=6, channels=3)
