from __future__ import annotations

import pytest

from labelmend.data import load, load_own_test
from labelmend.data.benchmarks import BENCHMARKS
from labelmend.errors import DataError

pytestmark = pytest.mark.filterwarnings("ignore::labelmend.errors.LabelmendWarning")

CLASSES = [f"dish_{i:03}" for i in range(101)]


def make(root, save_image, release="Food-101N_release"):
    meta = root / release / "meta"
    meta.mkdir(parents=True)
    (meta / "classes.txt").write_text("class_name\n" + "\n".join(CLASSES) + "\n")
    keys = ["dish_000/aa,1.jpg", "dish_100/bb.jpg", "dish_100/cc.jpg"]
    (meta / "imagelist.tsv").write_text("class_name/key\n" + "\n".join(keys) + "\n")
    header = "class_name/key\tverification_label\n"
    (meta / "verified_train.tsv").write_text(header + f"{keys[0]}\t1\n{keys[1]}\t0\n")
    (meta / "verified_val.tsv").write_text(header + f"{keys[2]}\t1\ndish_001/x.jpg\t1\n")
    for key in keys:
        save_image(root / release / "images" / key)
    clean = root / "food-101"
    (clean / "meta").mkdir(parents=True)
    (clean / "meta/test.txt").write_text("dish_001/11\ndish_000/12\n")
    for key in ("dish_001/11", "dish_000/12"):
        save_image(clean / "images" / f"{key}.jpg")


@pytest.mark.parametrize("release", ["Food-101N_release", ""])
def test_header_lines_and_clean_test_set(tmp_path, save_image, release):
    make(tmp_path / "food101n", save_image, release)
    train = load("food101n", root=tmp_path)
    assert train.class_names == CLASSES
    assert train.ids == ["dish_000/aa,1.jpg", "dish_100/bb.jpg", "dish_100/cc.jpg"]
    assert train.given_labels.tolist() == [0, 100, 100]
    assert train.true_labels is None
    test = load_own_test("food101n", root=tmp_path, like=train)
    assert test.given_labels.tolist() == test.true_labels.tolist() == [1, 0]
    benchmark = BENCHMARKS["food101n"]
    assert benchmark.noise_rate(benchmark.find(tmp_path)) == 0.25


def test_incomplete(tmp_path, save_image):
    make(tmp_path, save_image)
    release = tmp_path / "Food-101N_release"
    (release / "images/dish_100/bb.jpg").unlink()
    with pytest.raises(DataError, match=r"1 image files missing, the first is .*bb\.jpg"):
        load("food101n", root=tmp_path)
    (tmp_path / "food-101/meta/test.txt").unlink()
    with pytest.raises(DataError, match=r"meta/test\.txt of Food-101 \(folder food-101\) is missing"):
        load("food101n", root=tmp_path, split="test")
    (release / "meta/imagelist.tsv").write_text("class_name/key\npizza/1.jpg\n")
    with pytest.raises(DataError, match=r"entry 1: 'pizza/1\.jpg' names no class"):
        load("food101n", root=tmp_path)
    (release / "meta/classes.txt").write_text("class_name\ndish_000\n")
    assert "names 1 classes, expected 101" in BENCHMARKS["food101n"].verify(tmp_path).problems[0]
