from __future__ import annotations

import numpy as np
import pytest
import torch

from labelmend.data import ImageSet, MemoryImages, load, load_test, load_unlabelled
from labelmend.data.decode import DecodedOnDemand
from labelmend.errors import DataError


def test_folder_file_and_list(tmp_path, save_image, red):
    a = save_image(tmp_path / "in/a.png", 1)
    b = save_image(tmp_path / "in/deep/b.png", 2, size=30)
    (tmp_path / "in/broken.jpg").write_bytes(b"x")
    found = load_unlabelled(tmp_path / "in", image_size=8, channels=3)
    broken = tmp_path / "in/broken.jpg"
    assert found.ids == found.paths == [str(a), str(broken), str(b)]
    assert found.rows == [0, 2]
    assert red(found.images) == [1, 2]
    assert [s.path for s in found.skipped] == [str(tmp_path / "in/broken.jpg")]
    assert load_unlabelled(str(b), image_size=16, channels=1).images.shape == (1, 16, 16, 1)
    both = load_unlabelled([str(b), tmp_path / "in"], image_size=8, channels=3)
    assert both.ids == [str(b), str(a), str(broken)]  # what is named, then what else the folder has


def test_arrays_and_array_files(tmp_path):
    x = np.zeros((3, 8, 8, 3), dtype=np.uint8)
    assert load_unlabelled(x, image_size=8, channels=3).ids == ["0", "1", "2"]
    assert load_unlabelled(x, image_size=4, channels=1).images.shape == (3, 4, 4, 1)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", images=x)
    for name in ("x.npy", "x.npz"):
        assert load_unlabelled(tmp_path / name, image_size=8, channels=3).images.shape == (3, 8, 8, 3)


def test_a_saved_picture_is_one_picture_as_it_is_in_memory(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    for picture in (x, x.transpose(2, 0, 1), x[..., 0]):
        np.save(tmp_path / "x.npy", picture)
        np.savez(tmp_path / "x.npz", images=picture)
        expected = load_unlabelled(picture, image_size=16, channels=3).images.gather(torch.tensor([0]))
        for name in ("x.npy", "x.npz"):
            found = load_unlabelled(tmp_path / name, image_size=16, channels=3)
            assert torch.equal(found.images.gather(torch.arange(len(found))), expected)
    assert len(load_unlabelled({"images": x}, image_size=16, channels=3)) == 1
    np.save(tmp_path / "x.npy", np.zeros((4, 16, 16), np.uint8))
    with pytest.raises(DataError, match=r"x\.npy: .*one picture of 4 channels or 4 grey pictures"):
        load_unlabelled(tmp_path / "x.npy", image_size=16, channels=3)
    np.savez(tmp_path / "x.npz", images=x, labels=np.zeros(16, int))  # sixteen labels: sixteen images
    assert len(load_unlabelled(tmp_path / "x.npz", image_size=16, channels=3)) == 16
    np.save(tmp_path / "labels.npy", np.arange(16) % 2)
    np.save(tmp_path / "x.npy", x)
    assert len(load(tmp_path / "x.npy", labels=tmp_path / "labels.npy", image_size=16)) == 16


def test_a_column_is_refused_where_no_table_is_read(tmp_path, save_image):
    file = save_image(tmp_path / "a.png")
    for source in (file, tmp_path, np.zeros((2, 8, 8), np.uint8)):
        for flag, column in (
            ("--image-column", {"image_column": "pic"}),
            ("--image-root", {"image_root": tmp_path}),
        ):
            with pytest.raises(
                DataError, match=f"is not read from a table, so that {flag} has no effect; leave"
            ):
                load_unlabelled(source, image_size=8, channels=3, **column)


def test_nothing_to_read(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((0, 8, 8, 3), np.uint8))
    with pytest.raises(DataError, match=r"x\.npy: there are no images"):
        load_unlabelled(tmp_path / "x.npy", image_size=8, channels=3)
    (tmp_path / "x.npy").unlink()
    with pytest.raises(DataError, match=r"^the list of images is empty; give at least one picture, file"):
        load_unlabelled([], image_size=8, channels=3)
    with pytest.raises(DataError, match="no such file or folder"):
        load_unlabelled(tmp_path / "none", image_size=8, channels=3)
    with pytest.raises(DataError, match="there are no images"):
        load_unlabelled(tmp_path, image_size=8, channels=3)
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"none of the 1 images can be read; the first is .*a\.png"):
        load_unlabelled(tmp_path / "a.png", image_size=8, channels=3)


def test_names_go_before_paths(tmp_path, save_image, monkeypatch):
    with pytest.raises(DataError, match=r"nor a data set of this name \(digits, cifar10, cifar100"):
        load("cifar11")
    monkeypatch.chdir(tmp_path)
    save_image(tmp_path / "digits/a/1.png")
    save_image(tmp_path / "digits/b/1.png")
    assert len(load("digits")) == 1297
    assert load("./digits").class_names == ["a", "b"]


def test_what_fits_is_in_memory_and_the_rest_on_demand(tmp_path, save_image):
    for i in range(4):
        save_image(tmp_path / "ab"[i % 2] / f"{i}.png", i * 40)
    size = 4 * 8 * 8 * 3
    memory = load(tmp_path, memory_limit=size)
    lazy = load(tmp_path, memory_limit=size - 1)
    assert isinstance(memory.images, MemoryImages)
    assert isinstance(lazy.images, DecodedOnDemand)
    assert torch.equal(lazy.images.gather(torch.arange(4)), memory.images.pixels)
    assert lazy.ids == memory.ids
    subset = lazy.subset([3, 1])
    assert torch.equal(subset.images.gather(torch.tensor([0])), memory.images.pixels[3:4])


def test_non_square_sets_have_no_test_set():
    train = ImageSet(
        MemoryImages(torch.zeros(2, 8, 10, 1, dtype=torch.uint8)),
        np.array([0, 1]),
        ["a", "b"],
        ["0", "1"],
        ["", ""],
    )
    with pytest.raises(DataError, match="only squares can have a test set"):
        load_test("digits", like=train)
