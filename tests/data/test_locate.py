"""Names in tables lead to their own file, or to none."""

from __future__ import annotations

import pytest

from labelmend.data.locate import Locator
from labelmend.errors import DataError


def find(folder, name, files, split=None, names=()):
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    found, searched = Locator(folder, split).among(names or [name]).find(name, "t.csv, row 1")
    return None if found is None else found.relative_to(folder).as_posix(), searched


@pytest.mark.parametrize(
    ("name", "files", "wanted"),
    [
        ("dog/3.png", ["dog/3.png", "cat/3.png"], ("dog/3.png", False)),
        ("dog/3.png", ["cat/3.png"], (None, False)),
        ("dog/3.png", ["3.png"], (None, False)),
        ("dog/3", ["cat/3.png"], (None, False)),
        ("train/cat/1.png", ["test/cat/1.png"], (None, False)),
        ("dog/3.png", ["all/dog/3.png", "all/cat/3.png"], ("all/dog/3.png", True)),
        ("3", ["train/3.png"], ("train/3.png", True)),
        ("train/3", ["train/3.png"], ("train/3.png", True)),
        ("C:\\me\\dog\\3.png", ["dog/3.png"], ("dog/3.png", True)),
        ("/home/me/dog/3.png", ["x/dog/3.png", "cat/3.png"], ("x/dog/3.png", True)),
        ("/home/me/photos/3.png", ["3.png"], ("3.png", True)),  # the folder itself is called photos
        ("/data/upload/1/0a1b2c3d-3.png", ["cat/3.png"], ("cat/3.png", True)),
        ("dog/20240102-3.png", ["cat/3.png"], (None, False)),
        ("https://x.org/3.png", ["cat/3.png"], ("cat/3.png", True)),
        ("https://x.org/dog/3.png", ["cat/3.png"], (None, False)),
        ("../3.png", ["cat/3.png"], (None, False)),
    ],
)
def test_folders_of_a_name_are_those_of_its_file(tmp_path, name, files, wanted):
    folder = tmp_path / "photos"
    folder.mkdir()
    assert find(folder, name, files) == wanted


def test_names_of_the_training_table_lead_to_no_test_image(tmp_path):
    assert find(tmp_path, "3", ["test/3.png"], "train") == (None, False)
    assert find(tmp_path, "3", ["train/3.png"], "train") == ("train/3.png", True)


def test_a_file_that_another_name_leads_to_is_taken(tmp_path):
    assert find(tmp_path, "3.png", ["cat/3.png"], names=["3.png", "cat/3.png"]) == (None, False)
    assert find(tmp_path, "3.png", [], names=["3.png", "cat\\3.png"]) == (None, False)
    assert find(tmp_path, "3.png", [], names=["3.png", 7, None]) == ("cat/3.png", True)


def test_two_files_that_fit_equally_well_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"t\.csv, row 1: '3' may be a/3.png or b/3.png; .*--image-root"):
        find(tmp_path, "3", ["a/3.png", "b/3.png"])
