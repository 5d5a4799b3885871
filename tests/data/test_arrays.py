from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmend.data import ImageSet, load
from labelmend.data.arrays import image_pixels, list_arrays
from labelmend.data.image_set import MemoryImages
from labelmend.errors import DataError

Y = [0, 1, 0, 1]


def random_images(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((4, 8, 8), (4, 8, 8, 1)),
        ((4, 8, 8, 1), (4, 8, 8, 1)),
        ((4, 8, 8, 3), (4, 8, 8, 3)),
        ((4, 3, 8, 8), (4, 8, 8, 3)),
        ((4, 1, 8, 8), (4, 8, 8, 1)),
    ],
)
def test_shapes(shape, expected):
    x = random_images(*shape)
    images = load((x, Y))
    assert isinstance(images.images, MemoryImages)
    assert images.images.shape == expected
    reference = x[..., None] if x.ndim == 3 else x if x.shape[3] in (1, 3) else x.transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(images.images.pixels.numpy(), reference)
    assert images.ids == ["0", "1", "2", "3"]
    assert images.paths == [""] * 4


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 255), st.sampled_from([np.float32, np.float64, np.int64, np.uint16, np.uint8]))
def test_every_grey_level_survives(level, dtype):
    floating = np.issubdtype(dtype, np.floating)
    x = np.full((2, 4, 4), level / 255 if floating else level, dtype=dtype)
    x[0, 0, 1] = 0
    x[0, 0, 0] = 1 if floating else 255
    found = load((x, ["a", "b"])).images.pixels.numpy()
    assert (found[1] == level).all()


def test_torch_tensors_bools_and_alpha():
    images = load((torch.ones(4, 3, 8, 8), torch.tensor(Y)))
    assert images.images.shape == (4, 8, 8, 3)
    assert (images.images.pixels == 255).all()
    assert image_pixels(np.ones((2, 4, 4), dtype=bool), "x").max() == 255
    clear = load((np.zeros((4, 8, 8, 4), dtype=np.uint8), Y))
    assert clear.images.shape == (4, 8, 8, 3)
    assert (clear.images.pixels == 255).all()


@pytest.mark.parametrize(
    ("x", "match"),
    [
        (np.zeros((4, 8)), r"shape \(4, 8\)"),
        (np.zeros((4, 8, 8, 2)), "1, 3 or 4 channels"),
        (np.full((4, 8, 8), np.nan), "no pixel of the 4 images has a finite value"),
        (np.full((4, 8, 8), "a"), "of type <U1"),
        (np.zeros((3, 8, 8)), "3 images, but 4 labels"),
    ],
)
def test_faulty_images(x, match):
    with pytest.raises(DataError, match=match):
        load((x, Y))


def test_faulty_labels():
    x = random_images(2, 8, 8)
    with pytest.raises(DataError, match="row 2: the label is empty"):
        load((x, ["a", None]))
    with pytest.raises(DataError, match=r"labels of shape \(2, 10\), row 1: 0 of 10 columns are marked"):
        load((x, np.zeros((2, 10))))
    with pytest.raises(DataError, match="have no labels; give a file of labels with --labels"):
        load((x, None))
    with pytest.raises(DataError, match="no splits"):
        load((x, [0, 1]), split="train")


def test_class_names_fix_the_order():
    images = load((random_images(3, 8, 8), ["b", "a", "b"]), class_names=["b", "a"])
    assert images.given_labels.tolist() == [0, 1, 0]
    indexed = load((random_images(3, 8, 8), [0, 1, 1]), class_names=["b", "a"])
    assert indexed.given_labels.tolist() == [0, 1, 1]
    with pytest.raises(DataError, match="class 'a' is not one of"):
        load((random_images(2, 8, 8), ["b", "a"]), class_names=["b", "c"])
    with pytest.raises(DataError, match="two classes have the same name"):
        load((random_images(2, 8, 8), ["b", "b"]), class_names=["b", "b"])


def test_resizing_large_and_odd_arrays():
    assert load((random_images(4, 100, 100, 3), Y)).images.shape == (4, 96, 96, 3)
    assert load((random_images(4, 20, 28), Y)).images.shape == (4, 32, 32, 1)
    assert load((random_images(4, 8, 8), Y), image_size=16).images.shape == (4, 16, 16, 1)


def test_where_a_shape_can_be_read_both_ways_channels_are_last():
    x = random_images(4, 3, 3, 3)
    np.testing.assert_array_equal(image_pixels(x, "x"), x)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_images_of_a_few_pixels_are_enlarged_and_it_is_said(dtype):
    found = load((random_images(4, 1, 1, 3).astype(dtype), Y))
    assert found.images.shape == (4, 4, 4, 3)
    assert [
        note
        for note in found.notes
        if "images of 1 px are enlarged to 4 px" in note and "--image-size" in note
    ]
    assert not any("enlarged" in note for note in load((random_images(4, 1, 1, 3), Y), image_size=8).notes)
    small = ImageSet(
        MemoryImages(torch.zeros(2, 2, 2, 1, dtype=torch.uint8)),
        np.arange(2),
        ["a", "b"],
        ["0", "1"],
        ["", ""],
    )
    assert load(small).images.shape == (2, 4, 4, 1)
    assert any("images of 2 px are enlarged to 4 px" in note for note in load(small).notes)


@pytest.mark.filterwarnings("error")
def test_arrays_that_are_mapped_read_only_are_neither_copied_nor_warned_of(tmp_path):
    np.save(tmp_path / "x.npy", random_images(4, 8, 8, 3))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    found = load((mapped, Y))
    assert np.shares_memory(found.images.pixels.numpy(), mapped)


def test_flags_may_be_words_and_what_is_none_is_named():
    pixels = np.zeros((3, 4, 4), dtype=np.uint8)
    labels = ["a", "b", "a"]
    for flags in (["no", "yes", "no"], np.array([0, 1, 0]), torch.tensor([False, True, False])):
        assert list_arrays(pixels, labels, "x", trusted=flags).trusted == [False, True, False]
    with pytest.raises(DataError, match=r"^x, row 2: trusted is 'perhaps', expected true or false"):
        list_arrays(pixels, labels, "x", trusted=["no", "perhaps", "no"])


def test_objects_of_one_size_are_the_array_that_they_make():
    images = random_images(5, 8, 6)
    objects = np.empty(5, dtype=object)
    objects[:] = list(images)
    found = load((objects, list("ababa")))
    assert torch.equal(found.images.pixels, load((images, list("ababa"))).images.pixels)


def test_bytes_are_text(tmp_path):
    names, ids = np.array([b"cat", b"dog"]), np.array([b"001", b"002", b"003"])
    np.savez(tmp_path / "a.npz", images=random_images(3, 8, 8), labels=[0, 1, 0], class_names=names, ids=ids)
    found = load(tmp_path / "a.npz")
    assert (found.class_names, found.ids) == (["cat", "dog"], ["001", "002", "003"])
