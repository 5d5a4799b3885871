from __future__ import annotations

import pytest

from labelmend.data import load, load_test, splits_of
from labelmend.data.benchmarks import BENCHMARKS
from labelmend.errors import DataError, LabelmendWarning

pytestmark = pytest.mark.filterwarnings("ignore::labelmend.errors.LabelmendWarning")

KEYS = {
    "noisy_train": ["images/0/00/1,2&a.jpg", "images/9/99/b c,d.jpg", "images/1/05/x.jpg"],
    "clean_train": ["images/2/00/ct.jpg"],
    "clean_val": ["images/2/01/v.jpg", "images/2/01/w.jpg"],
    "clean_test": ["images/3/00/t.jpg"],
}
NOISY = {
    **dict(zip(KEYS["noisy_train"], [0, 13, 4], strict=True)),
    "images/2/01/v.jpg": 3,
    "images/2/01/w.jpg": 8,
}
CLEAN = {"images/2/00/ct.jpg": 6, "images/2/01/v.jpg": 3, "images/2/01/w.jpg": 7, "images/3/00/t.jpg": 1}


def make(root, save_image, annotations="", prefix=True, image_folder="images", flat=False):
    place = root / annotations
    place.mkdir(parents=True, exist_ok=True)

    def shown(key):
        return key if prefix else key.removeprefix("images/")

    for name, keys in KEYS.items():
        labels = NOISY if name == "noisy_train" else CLEAN
        if flat:
            lines = [f"{shown(key)} {labels[key]}" for key in keys]
            (place / f"{name}.txt").write_text("\n".join(lines) + "\n")
        else:
            (place / f"{name}_key_list.txt").write_text("\n".join(shown(key) for key in keys) + "\n")
        for value, key in enumerate(keys):
            save_image(root / image_folder / key.removeprefix("images/"), value)
    if not flat:
        for name, labels in (("noisy", NOISY), ("clean", CLEAN)):
            lines = [f"{shown(key)} {label}" for key, label in labels.items()]
            (place / f"{name}_label_kv.txt").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("annotations", ["", "annotations", "label"])
@pytest.mark.parametrize("prefix", [True, False])
@pytest.mark.parametrize("image_folder", ["images", ""])
@pytest.mark.parametrize("flat", [False, True])
def test_layouts_and_key_styles(tmp_path, save_image, annotations, prefix, image_folder, flat):
    make(tmp_path / "clothing1m", save_image, annotations, prefix, image_folder, flat)
    train = load("clothing1m", root=tmp_path)
    assert train.ids == KEYS["noisy_train"]
    assert train.given_labels.tolist() == [0, 13, 4]
    assert train.class_names[13] == "Underwear"
    assert train.num_classes == 14
    assert train.true_labels is None
    test = load_test("clothing1m", root=tmp_path, like=train)
    assert test.ids == KEYS["clean_test"]
    assert test.given_labels.tolist() == test.true_labels.tolist() == [1]
    val = load_test("clothing1m", root=tmp_path, like=train, split="val")
    assert val.given_labels.tolist() == [3, 7]
    assert splits_of("clothing1m") == ["train", "clean_train", "val", "test"]


def test_noise_rate_among_images_with_both_labels(tmp_path, save_image):
    make(tmp_path, save_image)
    assert BENCHMARKS["clothing1m"].noise_rate(tmp_path) == 0.5


def test_sizes_are_compared_with_the_official_ones(tmp_path, save_image):
    make(tmp_path, save_image)
    with pytest.warns(LabelmendWarning, match="3 images, the official one 1,000,000"):
        load("clothing1m", root=tmp_path)
    found = BENCHMARKS["clothing1m"].verify(tmp_path)
    assert found.problems == []
    assert len(found.notes) == 4


def test_missing_images_labels_and_lists(tmp_path, save_image):
    make(tmp_path, save_image)
    (tmp_path / KEYS["noisy_train"][1]).unlink()
    with pytest.raises(
        DataError, match=r"1 image files missing, the first is .*b c,d\.jpg.*github\.com/Cysu"
    ):
        load("clothing1m", root=tmp_path)
    (tmp_path / "noisy_label_kv.txt").write_text("images/0/00/1,2&a.jpg 0\n")
    with pytest.raises(DataError, match=r"2 keys of .* have no label in noisy_label_kv\.txt"):
        load("clothing1m", root=tmp_path)
    (tmp_path / "noisy_label_kv.txt").unlink()
    with pytest.raises(DataError, match=r"noisy_label_kv\.txt is missing"):
        load("clothing1m", root=tmp_path)
    (tmp_path / "noisy_train_key_list.txt").unlink()
    with pytest.raises(DataError, match=r"neither .*noisy_train_key_list\.txt nor noisy_train\.txt"):
        load("clothing1m", root=tmp_path)
    found = BENCHMARKS["clothing1m"].verify(tmp_path)
    assert list(found.listings) == ["clean_train", "val", "test"]
    assert len(found.problems) == 1


@pytest.mark.parametrize(
    "line", ["images/0/00/a.jpg", "images/0/00/a.jpg 14", "images/0/00/a.jpg -1", "a.jpg x"]
)
def test_faulty_lines_are_named(tmp_path, save_image, line):
    make(tmp_path, save_image)
    text = (tmp_path / "noisy_label_kv.txt").read_text()
    (tmp_path / "noisy_label_kv.txt").write_text(text + line + "\n")
    with pytest.raises(DataError, match=r"noisy_label_kv\.txt, line 6"):
        load("clothing1m", root=tmp_path)
