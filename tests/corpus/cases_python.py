"""What is handed over in Python: frames, dictionaries, paths, lists of arrays, torch data sets."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch.utils.data import Dataset, Subset, random_split

from corpus.build import put
from corpus.registry import Source, case

FILES = ("1.png", "2.png", "3.png")
LABELS = ["cat", "dog", "cat"]
PETS = {"classes": ["cat", "dog"], "labels": LABELS, "values": [10, 20, 30]}


def files(folder):
    put(folder, *FILES)
    return [str(folder / name) for name in FILES]


@case(**PETS)
def a_frame(folder):
    return Source(pd.DataFrame({"path": files(folder), "label": LABELS}, index=[7, 8, 9]))


@case(**PETS)
def a_frame_of_categories_with_a_root(folder):
    files(folder)
    frame = pd.DataFrame({"filename": FILES, "class": pd.Categorical(LABELS)})
    return Source(frame, {"image_root": str(folder)})


@case(labels=["cat", "dog"], test=("cat",))
def a_frame_with_splits(folder):
    return Source(pd.DataFrame({"path": files(folder), "label": LABELS, "split": ["train", "train", "test"]}))


@case(error="DataFrame, row 3, column 'label': the label is empty")
def a_frame_with_a_missing_label(folder):
    return Source(pd.DataFrame({"path": files(folder), "label": ["cat", "dog", pd.NA]}))


@case(**PETS)
def a_dictionary_of_columns(folder):
    return Source({"image": files(folder), "label": np.array(LABELS)})


@case(**PETS)
def a_dictionary_of_files_and_labels(folder):
    return Source(dict(zip(files(folder), LABELS, strict=True)))


@case(classes=["0", "1"], values=[0, 9, 18])
def a_dictionary_of_arrays(folder):
    images = np.arange(3, dtype=np.uint8)[:, None, None] * np.full((1, 8, 8), 9, np.uint8)
    return Source({"images": images, "labels": torch.tensor([0, 1, 0])})


@case(error=r"dictionary: its columns have different lengths \(image 3, label 2\)")
def a_dictionary_of_two_lengths(folder):
    return Source({"image": files(folder), "label": LABELS[:2]})


@case(error="'label' is a str, not a column")
def a_dictionary_with_one_label(folder):
    return Source({"image": files(folder), "label": "cat"})


@case(**PETS)
def paths_and_labels(folder):
    return Source((files(folder), LABELS))


@case(**PETS)
def path_objects_and_a_series(folder):
    files(folder)
    return Source(([folder / name for name in FILES], pd.Series(LABELS, index=[3, 4, 5])))


@case(error="3 paths, but 2 labels")
def paths_without_a_label(folder):
    return Source((files(folder), LABELS[:2]))


def grey(value, *shape):
    return np.full(shape, value, np.uint8)


@case(classes=["a", "b"], values=[10, 20, 30])
def arrays_of_different_sizes(folder):
    return Source(([grey(10, 40, 60, 3), grey(20, 33, 33), grey(30, 64, 32, 1)], ["a", "b", "a"]))


@case(values=[10, 20])
def pillow_images(folder):
    return Source(([Image.new("L", (9, 9), 10), Image.new("RGB", (9, 12), (20, 20, 20))], ["a", "b"]))


@case(values=[10, 20])
def tensors_of_different_sizes(folder):
    sizes = ((10, (3, 32, 48)), (20, (3, 40, 40)))
    return Source(([torch.full(size, value, dtype=torch.uint8) for value, size in sizes], ["a", "b"]))


@case(values=[10, 20])
def an_object_array(folder):
    images = np.empty(2, dtype=object)
    images[:] = [grey(10, 40, 60, 3), grey(20, 33, 34, 3)]
    return Source((images, np.array(["a", "b"])))


def with_labels(labels) -> Source:
    return Source((np.arange(3, dtype=np.uint8)[:, None, None] * np.ones((1, 8, 8), np.uint8), labels))


@case(labels=["0", "2", "1"], classes=["0", "1", "2"])
def labels_one_hot(folder):
    return with_labels(np.eye(3)[[0, 2, 1]])


@case(labels=["0", "2", "1"])
def labels_one_hot_as_a_tensor(folder):
    return with_labels(torch.nn.functional.one_hot(torch.tensor([0, 2, 1])))


@case(error=r"labels of shape \(3, 3\), row 1: 3 of 3 columns are marked, expected a single 1")
def labels_as_probabilities(folder):
    return with_labels(np.full((3, 3), 1 / 3))


@case(labels=["cat", "dog", "cat"])
def labels_as_bytes(folder):
    return with_labels([b"cat", b"dog", b"cat"])


@case(labels=["cat", "dog", "cat"])
def labels_in_wrappings(folder):
    return with_labels([["cat"], {"label": "dog"}, np.array("cat")])


@case(labels=["1", "2", "1"])
def labels_as_tuples_and_scalars(folder):
    return with_labels([(1,), torch.tensor(2), np.float32(1)])


@case(error="row 2: the label is .*Ellipsis")
def labels_that_are_something_else(folder):
    return with_labels(["a", ..., "b"])


class Pets(Dataset):
    """Six grey images with targets and classes, as torchvision has them."""

    classes = ("cat", "dog", "eel")

    def __init__(self, target_transform=None):
        self.targets = [0, 1, 2, 0, 1, 2]
        self.target_transform = target_transform

    def __len__(self):
        return 6

    def __getitem__(self, row):
        target = self.targets[row]
        image = Image.new("L", (8, 8), 10 * int(row))
        return image, target if self.target_transform is None else self.target_transform(target)


@case(classes=["cat", "dog", "eel"], labels=["cat", "dog"], ids=["3", "1"], values=[30, 10])
def a_subset(folder):
    return Source(Subset(Pets(), [3, 1]))


@case(labels=["eel", "cat"], ids=["5", "0"], values=[50, 0])
def a_subset_of_a_subset(folder):
    return Source(Subset(Subset(Pets(), np.array([0, 4, 5])), [2, 0]))


def check_split(job):
    found = job.train_set
    assert found.class_names == ["cat", "dog", "eel"]
    assert found.given_labels.tolist() == [int(row) % 3 for row in found.ids]
    assert len(found) == 4


@case(check=check_split)
def a_random_split(folder):
    return Source(random_split(Pets(), [4, 2], torch.Generator().manual_seed(0))[0])


@case(classes=["0", "1"], labels=["0", "0", "1", "0", "0", "1"])
def a_target_transform(folder):
    return Source(Pets(lambda target: target // 2))


@case(classes=["land", "water"], labels=["land", "land", "water"], ids=["0", "1", "2"])
def a_target_transform_to_names_below_a_subset(folder):
    return Source(Subset(Pets(lambda target: "water" if target == 2 else "land"), [0, 1, 2]))


@case(classes=["cat", "dog", "eel"], labels=["cat", "dog", "eel"] * 2)
def a_target_transform_that_changes_nothing(folder):
    return Source(Pets(torch.tensor))


@case(labels=["a", "b"], values=[7, 9])
def a_tensor_data_set_with_classes(folder):
    images = torch.tensor([7, 9], dtype=torch.uint8)[:, None, None, None].expand(2, 1, 8, 8)
    dataset = torch.utils.data.TensorDataset(images, torch.tensor([0, 1]))
    dataset.classes = ["a", "b"]
    return Source(dataset)
