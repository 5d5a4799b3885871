from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, TensorDataset

from labelmend.data import load
from labelmend.errors import DataError


class Pairs(Dataset):
    def __init__(self, items, **attributes):
        self.items = items
        self.fetched = 0
        for name, value in attributes.items():
            setattr(self, name, value)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, row):
        self.fetched += 1
        return self.items[row]


RED = np.zeros((6, 6, 3), dtype=np.uint8)
RED[..., 0] = 255


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(RED),
        RED,
        RED / 255,
        torch.from_numpy(RED).permute(2, 0, 1),
        torch.from_numpy(RED / 255).permute(2, 0, 1).float(),
    ],
    ids=["pil", "array", "float array", "tensor", "float tensor"],
)
def test_kinds_of_image(image):
    images = load(Pairs([(image, "a"), (image, "b"), (image, "a")]))
    assert images.class_names == ["a", "b"]
    np.testing.assert_array_equal(images.images.pixels.numpy(), np.stack([RED] * 3))
    assert images.name == "Pairs"


def test_tensor_dataset_of_grey_images():
    images = load(TensorDataset(torch.rand(4, 1, 8, 8), torch.tensor([3, 7, 3, 7])))
    assert images.images.shape == (4, 8, 8, 1)
    assert images.class_names == ["3", "7"]
    assert images.given_labels.tolist() == [0, 1, 0, 1]


def test_targets_and_classes_as_torchvision_has_them():
    data = Pairs([(Image.fromarray(RED), 1)] * 3, targets=[1, 0, 1], classes=["1", "0"])
    images = load(data)
    assert images.class_names == ["1", "0"]
    assert images.given_labels.tolist() == [1, 0, 1]
    assert data.fetched == 6  # once for the size, once for the pixels; labels come from targets


def test_mixed_sizes_on_demand():
    items = [(Image.new("RGB", (20 + i, 30)), i % 2) for i in range(4)]
    memory, lazy = load(Pairs(items)), load(Pairs(items), memory_limit=0)
    assert memory.images.shape == lazy.images.shape == (4, 32, 32, 3)
    assert torch.equal(lazy.images.gather(torch.arange(4)), memory.images.pixels)


def test_other_items_are_refused():
    with pytest.raises(DataError, match="item 1 of the data set is 3 values"):
        load(Pairs([(RED, 1), (RED, 1, 2)]))
    with pytest.raises(DataError, match="item 0 of the data set is Tensor"):
        load(Pairs([torch.zeros(3), torch.zeros(3)]))
    with pytest.raises(DataError, match="image of type str"):
        load(Pairs([("a.png", 1), ("b.png", 0)]))
    with pytest.raises(DataError, match="item 1: the label is empty"):
        load(Pairs([(RED, 1), (RED, None)]))
    with pytest.raises(DataError, match="cannot read images from a int"):
        load(3)
    with pytest.raises(DataError, match="tuple of 3"):
        load((RED, RED, RED))


@pytest.mark.parametrize("classes", [{"dog": 1, "cat": 0}, {1: "dog", 0: "cat"}, ("cat", "dog")])
def test_class_names_by_their_indices(classes):
    pairs = [(RED, 0), (RED, 1), (RED, 0)]
    assert load(Pairs(pairs, classes=classes, targets=[0, 1, 0])).class_names == ["cat", "dog"]


@pytest.mark.parametrize("classes", [2, "ab", {"dog": 3, "cat": 0}])
def test_what_names_no_classes_is_passed_over(classes):
    assert load(Pairs([(RED, 0), (RED, 1)], classes=classes)).class_names == ["0", "1"]
