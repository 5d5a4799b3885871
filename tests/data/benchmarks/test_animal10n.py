from __future__ import annotations

import pytest

from labelmend.data import load, load_own_test
from labelmend.data.benchmarks import BENCHMARKS
from labelmend.errors import DataError

pytestmark = pytest.mark.filterwarnings("ignore::labelmend.errors.LabelmendWarning")


def make(root, save_image):
    for folder in ("training", "testing"):
        for label in range(10):
            save_image(root / folder / f"{label}_{label + 100}.jpg", size=64)
    save_image(root / "training/3_1.jpg", size=64)


def test_labels_come_from_sorted_names(tmp_path, save_image):
    make(tmp_path / "Animal-10N", save_image)
    train = load("animal10n", root=tmp_path)
    assert train.ids[:5] == [f"training/{n}.jpg" for n in ("0_100", "1_101", "2_102", "3_1", "3_103")]
    assert train.given_labels.tolist() == [0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9]
    assert train.class_names[9] == "guinea pig"
    assert train.true_labels is None
    assert train.images.shape == (11, 64, 64, 3)
    test = load_own_test("animal10n", root=tmp_path, like=train)
    assert test.true_labels.tolist() == list(range(10))


def test_incomplete(tmp_path, save_image):
    make(tmp_path, save_image)
    (tmp_path / "training/7_107.jpg").unlink()
    with pytest.raises(DataError, match="training holds no image of orangutan"):
        load("animal10n", root=tmp_path)
    save_image(tmp_path / "training/cat.jpg")
    with pytest.raises(DataError, match=r"1 files are not named LABEL_ID\.jpg, the first is .*cat\.jpg"):
        load("animal10n", root=tmp_path)
    for file in (tmp_path / "testing").iterdir():
        file.unlink()
    found = BENCHMARKS["animal10n"].verify(tmp_path)
    assert [problem.split(":")[0] for problem in found.problems] == ["train", "test"]
