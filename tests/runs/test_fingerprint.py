from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from labelmend.data.decode import DecodedOnDemand
from labelmend.data.image_set import ImageSet, MemoryImages
from labelmend.data.resize import Resized
from labelmend.errors import DataError
from labelmend.runs import fingerprint as prints
from labelmend.runs.fingerprint import changes, fingerprint


@pytest.fixture
def image_set():
    return ImageSet(
        images=MemoryImages(torch.arange(48, dtype=torch.uint8).view(3, 4, 4, 1)),
        given_labels=np.array([0, 1, 1]),
        class_names=["cat", "dog"],
        ids=["a", "b", "c"],
        paths=["a.png", "b.png", "c.png"],
    )


def other_pixels(image_set):
    pixels = image_set.images.pixels.clone()
    pixels[2, 3, 3] += 1
    return replace(image_set, images=MemoryImages(pixels))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda s: s, []),
        (lambda s: s.subset([0, 1, 2]), []),
        (lambda s: s.with_labels(np.array([0, 1, 0])), ["given labels"]),
        (lambda s: replace(s, ids=["a", "b", "d"]), ["ids"]),
        (lambda s: replace(s, class_names=["cat", "cow"]), ["class names"]),
        (lambda s: replace(s, trusted=np.array([True, False, False])), ["trusted flags"]),
        (lambda s: replace(s, true_labels=np.array([0, 1, 1])), ["true labels"]),
        (lambda s: replace(s, groups=["p", "p", "q"]), ["groups"]),
        (other_pixels, ["images"]),
        (lambda s: s.subset([0, 2, 1]), ["ids", "images"]),
        (lambda s: s.subset([0, 1]), ["ids", "given labels", "images"]),
    ],
)
def test_what_has_changed_is_named(image_set, change, found):
    assert changes(fingerprint(image_set), fingerprint(change(image_set))) == found


def test_flags_that_turn_are_seen(image_set):
    first, second = (replace(image_set, trusted=np.arange(3) == i) for i in (0, 1))
    assert changes(fingerprint(first), fingerprint(second)) == ["trusted flags"]


def test_images_in_blocks_are_those_at_once(image_set, monkeypatch):
    whole = fingerprint(image_set)
    monkeypatch.setattr(prints, "BLOCK", 2)
    assert fingerprint(image_set) == whole


def test_a_part_is_told_from_the_whole_it_is_of(image_set):
    pixels = image_set.images.pixels
    assert (
        fingerprint(image_set.subset([1, 2]))["images"]
        == fingerprint(replace(image_set.subset([1, 2]), images=MemoryImages(pixels[1:])))["images"]
    )


@pytest.fixture
def streamed(image_set, tmp_path):
    rng = np.random.default_rng(0)
    items = []
    for i in range(3):
        items.append(tmp_path / f"{i}.png")
        Image.fromarray(rng.integers(0, 255, (300, 300, 3), dtype=np.uint8)).save(items[-1])
    return replace(image_set, images=DecodedOnDemand(items, 8, 3))


@pytest.mark.parametrize("place", [0, 10, -1, -10])
def test_files_that_are_decoded_on_demand_are_seen_at_either_end(streamed, place):
    before = fingerprint(streamed)
    path = streamed.images.items[1]
    data = bytearray(path.read_bytes())
    assert len(data) > 2 * prints.ENDS
    data[place] ^= 1
    path.write_bytes(data)
    assert changes(before, fingerprint(streamed)) == ["images"]
    assert fingerprint(streamed.subset([0, 2])) == fingerprint(streamed.subset([0, 2]))


def test_the_size_of_a_file_counts(streamed):
    before = fingerprint(streamed)
    path = streamed.images.items[0]
    data = path.read_bytes()
    path.write_bytes(data[: prints.ENDS] + data[-prints.ENDS :])
    assert changes(before, fingerprint(streamed)) == ["images"]


def test_a_file_that_is_gone_is_named(streamed):
    streamed.images.items[2].unlink()
    with pytest.raises(DataError, match=r"2\.png: could be read at first, but no longer \(No such file"):
        fingerprint(streamed)


def test_encoded_images_and_those_resized_on_demand_count(streamed, image_set):
    data = [path.read_bytes() for path in streamed.images.items]
    first, second = (
        fingerprint(replace(image_set, images=DecodedOnDemand(items, 8, 3))) for items in (data, data[::-1])
    )
    assert changes(first, second) == ["images"]
    first, second = (
        fingerprint(replace(s, images=Resized(s.images, 8, 1))) for s in (image_set, other_pixels(image_set))
    )
    assert changes(first, second) == ["images"]
