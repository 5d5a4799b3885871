import dataclasses

import numpy as np
import pytest
import torch

from labelmend.data.image_set import ImageSet, MemoryImages, Skipped
from labelmend.errors import RunError
from labelmend.runs import folder as run_folder


@pytest.fixture
def image_set():
    return ImageSet(
        images=MemoryImages(torch.zeros(3, 4, 4, 1, dtype=torch.uint8)),
        given_labels=np.array([0, 1, 1]),
        class_names=["cat", "dog"],
        ids=["a", "b", "c"],
        paths=["a.png", "b.png", "c.png"],
    )


def test_a_folder_that_is_not_empty_is_refused_without_overwrite(tmp_path):
    run_folder.check_free(tmp_path, overwrite=False)
    run_folder.check_free(tmp_path / "new", overwrite=False)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match=r"not empty.*--overwrite"):
        run_folder.check_free(tmp_path, overwrite=False)
    run_folder.check_free(tmp_path, overwrite=True)


def test_an_unfinished_run_is_pointed_to(tmp_path):
    (tmp_path / run_folder.SETTINGS).write_text("seed: 0")
    with pytest.raises(RunError, match="labelmend resume"):
        run_folder.check_free(tmp_path, overwrite=False)


def test_a_file_is_never_taken_for_a_folder(tmp_path):
    path = tmp_path / "out"
    path.write_text("")
    with pytest.raises(RunError, match="is a file"):
        run_folder.check_free(path, overwrite=True)


def test_overwriting_removes_the_old_run_and_nothing_else(tmp_path):
    for name in run_folder.CONTENTS:
        (tmp_path / name).write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    run_folder.create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("photos", "photos-ce-1"),
        ("a/b/my photos.csv", "my-photos-ce-1"),
        ("...", "data-ce-1"),
        ("x/", "x-ce-1"),
    ],
)
def test_default_folder_names(tmp_path, data, name, monkeypatch):
    (tmp_path / "???").mkdir()
    monkeypatch.chdir(tmp_path / "???")
    assert run_folder.next_folder(tmp_path, data, "ce").name == name


def test_default_folder_counts_on(tmp_path):
    (tmp_path / "digits-ce-1").mkdir()
    assert run_folder.next_folder(tmp_path, "digits", "ce").name == "digits-ce-2"


def test_states_of_a_run(tmp_path):
    with pytest.raises(RunError, match="no run folder"):
        run_folder.require_run(tmp_path / "none")
    with pytest.raises(RunError, match="not a run folder"):
        run_folder.require_run(tmp_path)
    (tmp_path / run_folder.SETTINGS).write_text("")
    assert run_folder.is_unfinished(tmp_path)
    with pytest.raises(RunError, match="not finished; labelmend resume"):
        run_folder.require_finished(tmp_path)
    (tmp_path / run_folder.SUMMARY).write_text("{}")
    assert run_folder.is_finished(tmp_path)
    run_folder.require_finished(tmp_path)


def test_fingerprint_sees_ids_labels_order_and_classes(image_set):
    change = dataclasses.replace
    others = [
        image_set.with_labels(np.array([0, 1, 0])),
        change(image_set, ids=["a", "b", "d"]),
        change(image_set, class_names=["cat", "cow"]),
        image_set.subset([0, 2, 1]),
        image_set.subset([0, 1]),
    ]
    prints = {run_folder.fingerprint(s) for s in [image_set, *others]}
    assert len(prints) == 6
    assert run_folder.fingerprint(image_set.subset([0, 1, 2])) == run_folder.fingerprint(image_set)


def test_changed_data_is_refused(tmp_path, image_set):
    run_folder.write_data(tmp_path, image_set, "photos", test_in_memory=False)
    run_folder.check_same_data(tmp_path, image_set)
    with pytest.raises(RunError, match="it had 3 images, now 2"):
        run_folder.check_same_data(tmp_path, image_set.subset([0, 1]))
    with pytest.raises(RunError, match="has changed"):
        run_folder.check_same_data(tmp_path, image_set.with_labels(np.array([1, 1, 1])))


def test_skipped_images_are_listed_only_where_there_are_any(tmp_path):
    run_folder.write_skipped(tmp_path, [])
    assert not (tmp_path / run_folder.SKIPPED).exists()
    run_folder.write_skipped(tmp_path, [Skipped("a,b.png", "truncated")])
    assert (tmp_path / run_folder.SKIPPED).read_text() == 'path,reason\n"a,b.png",truncated\n'


def test_readme_names_every_file(tmp_path):
    run_folder.write_readme(tmp_path)
    text = (tmp_path / run_folder.README).read_text()
    assert all(name in text for name in run_folder.CONTENTS)
