from __future__ import annotations

import pytest

from labelmend.data import load, load_own_test, load_test, splits_of
from labelmend.errors import DataError, LabelmendWarning


def test_sorted_classes_nested_files_and_relative_ids(tmp_path, save_image, red):
    save_image(tmp_path / "dog/b.png", 1)
    save_image(tmp_path / "cat/deep/er/z.PNG", 2)
    save_image(tmp_path / "cat/a.png", 3)
    save_image(tmp_path / "cat/.hidden.png", 4)
    save_image(tmp_path / ".cache/a.png", 5)
    (tmp_path / "cat/notes.txt").write_text("x")
    images = load(tmp_path)
    assert images.class_names == ["cat", "dog"]
    assert images.ids == images.paths == ["cat/a.png", "cat/deep/er/z.PNG", "dog/b.png"]
    assert images.given_labels.tolist() == [0, 0, 1]
    assert red(images.images) == [3, 2, 1]
    assert images.images.shape == (3, 8, 8, 3)
    assert [(entry.path, entry.reason) for entry in images.skipped] == [
        ("cat/.hidden.png", "hidden"),
        ("cat/notes.txt", "not an image by its suffix"),
        (".cache", "a hidden folder with 1 image"),
    ]


def test_number_folders_sort_by_number(tmp_path, save_image):
    for name in ("10", "2", "1"):
        save_image(tmp_path / name / "a.png")
    assert load(tmp_path).class_names == ["1", "2", "10"]


def test_grey_files_give_one_channel(tmp_path, save_image):
    save_image(tmp_path / "a/1.png", mode="L")
    save_image(tmp_path / "b/1.png", mode="L")
    assert load(tmp_path).images.shape == (2, 8, 8, 1)
    save_image(tmp_path / "b/2.png")
    assert load(tmp_path).images.shape == (3, 8, 8, 3)


def test_unreadable_images_are_skipped_and_listed(tmp_path, save_image):
    save_image(tmp_path / "a/1.png")
    save_image(tmp_path / "b/1.png")
    (tmp_path / "a/0.png").write_bytes(b"")
    whole = save_image(tmp_path / "b/2.png", size=64).read_bytes()
    (tmp_path / "b/2.png").write_bytes(whole[:-25])
    for limit in (2**30, 0):  # in memory, then on demand
        images = load(tmp_path, memory_limit=limit)
        assert images.ids == ["a/1.png", "b/1.png"]
        assert [(s.path, bool(s.reason)) for s in images.skipped] == [("a/0.png", True), ("b/2.png", True)]
        assert len(images.given_labels) == 2


def test_empty_class_is_left_out_with_a_warning(tmp_path, save_image):
    save_image(tmp_path / "a/1.png")
    save_image(tmp_path / "b/1.png")
    (tmp_path / "empty").mkdir()
    with pytest.warns(LabelmendWarning, match="empty: no image in this class folder"):
        images = load(tmp_path)
    assert images.class_names == ["a", "b"]


def test_class_whose_images_are_all_unreadable_is_warned_of(tmp_path, save_image):
    save_image(tmp_path / "a/1.png")
    save_image(tmp_path / "b/1.png")
    (tmp_path / "c").mkdir()
    (tmp_path / "c/1.png").write_bytes(b"junk")
    with pytest.warns(LabelmendWarning, match=r"1 of the 3 classes have no image \(c\)"):
        load(tmp_path)


def test_one_class_too_few_and_none(tmp_path, save_image):
    save_image(tmp_path / "one/a/1.png")
    save_image(tmp_path / "one/a/2.png")
    with pytest.raises(DataError, match="all images are of one class, 'a'"):
        load(tmp_path / "one")
    save_image(tmp_path / "single/a/1.png")
    with pytest.raises(DataError, match="only 1 readable image"):
        load(tmp_path / "single")
    save_image(tmp_path / "flat/1.png")
    with pytest.raises(DataError, match="lie directly in it"):
        load(tmp_path / "flat")
    (tmp_path / "void").mkdir()
    with pytest.raises(DataError, match="no class folders"):
        load(tmp_path / "void")
    (tmp_path / "bad/a").mkdir(parents=True)
    (tmp_path / "bad/a/1.png").write_bytes(b"junk")
    with pytest.raises(DataError, match=r"none of the 1 images can be read; the first is a/1\.png"):
        load(tmp_path / "bad")
    with pytest.raises(DataError, match="no such file or folder"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize("held_out", ["test", "val", "valid"])
def test_split_folders(tmp_path, save_image, held_out, red):
    for value, name in enumerate(["train/cat", "train/dog", f"{held_out}/cat", f"{held_out}/dog"]):
        save_image(tmp_path / name / "x.png", value)
    train = load(tmp_path)
    assert train.ids == ["train/cat/x.png", "train/dog/x.png"]
    assert splits_of(tmp_path) == sorted(["train", "test" if held_out == "test" else "val"])
    test = load_own_test(tmp_path, like=train)
    assert test.class_names == ["cat", "dog"]
    assert red(test.images) == [2, 3]
    assert load(tmp_path, split=held_out).ids == test.ids
    with pytest.raises(DataError, match="no split 'extra'"):
        load(tmp_path, split="extra")


def test_a_class_called_test_is_a_class_where_there_is_no_training_folder(tmp_path, save_image):
    save_image(tmp_path / "test/a.png")
    save_image(tmp_path / "other/a.png")
    assert load(tmp_path).class_names == ["other", "test"]
    with pytest.raises(DataError, match="no splits"):
        load(tmp_path, split="test")


def test_own_test_is_none_without_splits(tmp_path, save_image):
    save_image(tmp_path / "a/1.png")
    save_image(tmp_path / "b/1.png")
    train = load(tmp_path)
    assert load_own_test(tmp_path, like=train) is None


def test_test_set_takes_over_classes_size_and_channels(tmp_path, save_image):
    for name in ("a", "b", "c"):
        save_image(tmp_path / "train" / name / "1.png", size=12)
    save_image(tmp_path / "held/c/1.png", size=40, mode="L")
    train = load(tmp_path / "train")
    test = load_test(tmp_path / "held", like=train)
    assert test.images.shape == (1, 12, 12, 3)
    assert test.class_names == ["a", "b", "c"]
    assert test.given_labels.tolist() == [2]
    save_image(tmp_path / "held/zebra/1.png")
    with pytest.raises(DataError, match="class 'zebra' is not one of the 3 classes"):
        load_test(tmp_path / "held", like=train)


def test_limit_keeps_the_classes_of_the_whole_source(tmp_path, save_image):
    for i in range(3):
        save_image(tmp_path / f"a/{i}.png")
        save_image(tmp_path / f"b/{i}.png")
    save_image(tmp_path / "c/1.png")
    said = r"1 of the 3 classes have no image among the first 4, which --limit keeps \(c\)"
    with pytest.warns(LabelmendWarning, match=said):
        assert load(tmp_path, limit=4).given_labels.tolist() == [0, 0, 0, 1]
    with pytest.raises(DataError, match="all first 2 images are of one class"):
        load(tmp_path, limit=2)


def test_a_class_folder_has_a_name(tmp_path, save_image):
    save_image(tmp_path / "a/1.png", 1)
    save_image(tmp_path / " /1.png", 1)
    with pytest.raises(DataError, match="the name of this class folder is blank; give it another"):
        load(tmp_path)
