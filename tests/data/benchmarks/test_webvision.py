from __future__ import annotations

import pytest

from labelmend.data import load, load_own_test, load_test
from labelmend.data.benchmarks import BENCHMARKS
from labelmend.errors import DataError

pytestmark = pytest.mark.filterwarnings("ignore::labelmend.errors.LabelmendWarning")


def make(root, save_image, synsets=True, val_folder=True):
    (root / "info").mkdir(parents=True)
    train = [("google/q0001/a,b.jpg", 0), ("google/q0050/c d.jpg", 49), ("google/q0051/e.jpg", 50)]
    (root / "info/train_filelist_google.txt").write_text("".join(f"{n} {y}\n" for n, y in train))
    val = [("val000001.jpg", 3), ("val000002.jpg", 999)]
    (root / "info/val_filelist.txt").write_text("".join(f"{n} {y}\n" for n, y in val))
    for name, _ in train[:2]:  # the third is not one of the 50 classes and need not be there
        save_image(root / name)
    save_image(root / ("val_images_256" if val_folder else "") / val[0][0])
    if synsets:
        lines = [f"n{i:08} name {i}, other name" for i in range(1000)]
        lines[48] = "n00000048 name 0, another"
        (root / "info/synsets.txt").write_text("\n".join(lines))
    for label in range(51):
        save_image(root / "imagenet/val" / str(label) / "ILSVRC2012.JPEG")


@pytest.mark.parametrize("val_folder", [True, False])
def test_first_50_classes_and_three_splits(tmp_path, save_image, val_folder):
    make(tmp_path / "webvision", save_image, val_folder=val_folder)
    train = load("webvision", root=tmp_path)
    assert train.ids == ["google/q0001/a,b.jpg", "google/q0050/c d.jpg"]
    assert train.given_labels.tolist() == [0, 49]
    assert train.num_classes == 50
    assert train.class_names[49] == "name 49"
    assert train.class_names[0] == "name 0 (0)"
    assert train.class_names[48] == "name 0 (48)"
    val = load_own_test("webvision", root=tmp_path, like=train)
    assert val.given_labels.tolist() == val.true_labels.tolist() == [3]
    imagenet = load_test("webvision", root=tmp_path, like=train, split="imagenet")
    assert imagenet.given_labels.tolist() == list(range(50))
    assert imagenet.ids[2] == "2/ILSVRC2012.JPEG"


def test_imagenet_folders_by_wordnet_id(tmp_path, save_image):
    make(tmp_path, save_image)
    for label in range(51):
        (tmp_path / "imagenet/val" / str(label)).rename(tmp_path / "imagenet/val" / f"n{label:08}")
    assert len(load("webvision", root=tmp_path, split="imagenet")) == 50
    (tmp_path / "info/synsets.txt").unlink()
    with pytest.raises(DataError, match="50 of the 50 class folders are missing"):
        load("webvision", root=tmp_path, split="imagenet")


def test_names_without_synsets_and_missing_parts(tmp_path, save_image):
    make(tmp_path, save_image, synsets=False)
    assert load("webvision", root=tmp_path).class_names[49] == "49"
    (tmp_path / "val_images_256/val000001.jpg").unlink()
    (tmp_path / "imagenet").rename(tmp_path / "elsewhere")
    found = BENCHMARKS["webvision"].verify(tmp_path)
    assert list(found.listings) == ["train"]
    assert found.problems[0].startswith("val: 1 image files missing")
    assert "ImageNet's validation images) is missing" in found.problems[1]
