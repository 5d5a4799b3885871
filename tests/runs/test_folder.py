import errno
from dataclasses import replace

import numpy as np
import pytest
import torch

from labelmend import files
from labelmend.data.image_set import ImageSet, MemoryImages, Skipped
from labelmend.errors import RunError, WriteError
from labelmend.runs import folder as run_folder
from labelmend.settings.saving import HEADER


def begun(folder, finished=False):
    """A folder as a run leaves it that was stopped or finished."""
    run_folder.create(folder)
    (folder / run_folder.SETTINGS).write_text(HEADER)
    if finished:
        (folder / run_folder.SUMMARY).write_text("{}")
    return folder


def test_what_is_no_run_is_never_replaced(tmp_path):
    run_folder.check_free(tmp_path, overwrite=False)
    run_folder.check_free(tmp_path / "new", overwrite=False)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / run_folder.SETTINGS).write_text("seed: 0")
    (tmp_path / run_folder.README).write_text("My photos.")
    for overwrite in (False, True):
        with pytest.raises(RunError, match=r"is no run.*give another folder"):
            run_folder.check_free(tmp_path, overwrite)


def test_a_run_is_replaced_with_overwrite_only(tmp_path):
    with pytest.raises(RunError, match="--overwrite to replace"):
        run_folder.check_free(begun(tmp_path / "a", finished=True), overwrite=False)
    run_folder.check_free(tmp_path / "a", overwrite=True)


def test_an_unfinished_run_is_pointed_to(tmp_path):
    with pytest.raises(RunError, match="labelmend resume"):
        run_folder.check_free(begun(tmp_path), overwrite=False)


def test_a_folder_in_which_a_run_hardly_began_is_free(tmp_path):
    run_folder.create(tmp_path)
    run_folder.check_free(tmp_path, overwrite=False)


def test_a_run_of_an_older_version_is_known_by_its_readme(tmp_path):
    begun(tmp_path, finished=True)
    (tmp_path / run_folder.SETTINGS).write_text("seed: 0")
    run_folder.check_free(tmp_path, overwrite=True)


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
    assert sorted(path.name for path in tmp_path.iterdir()) == [run_folder.README, "notes.txt"]
    assert (tmp_path / run_folder.README).read_text() != "old"


@pytest.mark.parametrize("out", ["photos", "photos/cat", "photos/runs/a", ".", "link/runs"])
def test_a_run_is_not_written_among_its_images_nor_over_them(tmp_path, out):
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    for sources in ([tmp_path / "photos"], ["digits", str(tmp_path / "photos")]):
        with pytest.raises(RunError, match=r"--out .* the data .*another folder|a folder outside"):
            run_folder.check_apart(tmp_path / out, sources)


def test_a_run_beside_its_images_or_the_table_of_them_is_fine(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "table.csv").write_text("")
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path)
    run_folder.check_apart(tmp_path / "photos2", ["photos"])
    run_folder.check_apart(tmp_path / "photos" / "runs", ["photos/table.csv", None, object()])
    run_folder.check_apart(tmp_path / "digits" / "runs", ["digits", "nowhere"])


@pytest.mark.parametrize("out", ["reviewed", ".", "link"])
def test_a_run_does_not_replace_the_labels_and_decisions_that_it_reads(tmp_path, out):
    (tmp_path / "reviewed").mkdir()
    (tmp_path / "reviewed" / "labels.csv").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "reviewed")
    for also in ([None, str(tmp_path / "reviewed")], [str(tmp_path / "reviewed" / "labels.csv"), None]):
        with pytest.raises(RunError, match=r"--out .* would replace .*reviewed.*another folder"):
            run_folder.check_apart(tmp_path / out, ["digits"], also)
        run_folder.check_apart(tmp_path / "reviewed" / "again", ["digits"], also)


def test_a_claimed_folder_is_held_and_gone_again_if_no_run_begins(tmp_path):
    out = tmp_path / "a" / "b"
    with run_folder.claimed(out):
        assert (out / run_folder.README).is_file()
        with pytest.raises(RunError, match="another labelmend is at work"), run_folder.claimed(out):
            pass
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyError), run_folder.claimed(out):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_claimed_folder_keeps_what_it_had(tmp_path):
    (tmp_path / "empty").mkdir()
    with run_folder.claimed(tmp_path / "empty"):
        pass
    assert list((tmp_path / "empty").iterdir()) == []
    before = {path.name for path in begun(tmp_path / "old").iterdir()}
    with pytest.raises(KeyError), run_folder.claimed(tmp_path / "old", overwrite=True):
        raise KeyError
    assert {path.name for path in (tmp_path / "old").iterdir()} == before


def test_a_run_that_begins_stays(tmp_path):
    out = tmp_path / "a"
    with run_folder.claimed(out):
        begun(out)
        (out / ".labelmend-1-1.tmp").write_text("half")
    assert {path.name for path in out.iterdir()} == {
        run_folder.README,
        run_folder.SETTINGS,
        ".labelmend-1-1.tmp",
    }
    with run_folder.held(out):
        assert not (out / ".labelmend-1-1.tmp").exists()
        with pytest.raises(RunError, match="another labelmend"), run_folder.held(out):
            pass
        with pytest.raises(RunError, match="another labelmend"), run_folder.claimed(out, overwrite=True):
            pass


@pytest.mark.parametrize(
    ("out", "why"),
    [
        ("file/run", "Not a directory"),
        ("file", "is a file"),
        ("n" * 256, "File name too long"),
        ("a/" + "n" * 256 + "/b", "File name too long"),
        ("dir/" * 1100, "File name too long"),
    ],
)
def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, out, why):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError, match=why) as caught, run_folder.claimed(tmp_path / out):
        pass
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_found_before_the_work_begins(tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(WriteError, match="No space left"), run_folder.claimed(tmp_path / "a"):
        pytest.fail("the work began")
    assert list(tmp_path.iterdir()) == []


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


def test_skipped_images_are_listed_only_where_there_are_any(tmp_path):
    run_folder.write_skipped(tmp_path, [])
    assert not (tmp_path / run_folder.SKIPPED).exists()
    run_folder.write_skipped(tmp_path, [Skipped("a,b.png", "truncated")])
    assert (tmp_path / run_folder.SKIPPED).read_text() == 'path,reason\n"a,b.png",truncated\n'


def test_pictures_under_two_labels_are_listed_only_where_there_are_any(tmp_path):
    pair = ImageSet(
        images=MemoryImages(torch.zeros(3, 4, 4, 1, dtype=torch.uint8)),
        given_labels=np.array([0, 1, 1]),
        class_names=["cat", "dog"],
        ids=["a", "b", "c"],
        paths=["a.png", "b.png", "c.png"],
        same_pictures=[[1, 2]],
    )
    run_folder.write_conflicts(tmp_path, pair)
    assert not (tmp_path / run_folder.CONFLICTS).exists()
    run_folder.write_conflicts(tmp_path, replace(pair, same_pictures=[[0, 2]]))
    text = "picture,id,path,given_label\n1,a,a.png,cat\n1,c,c.png,dog\n"
    assert (tmp_path / run_folder.CONFLICTS).read_text() == text


def test_readme_names_every_file(tmp_path):
    run_folder.create(tmp_path)
    text = (tmp_path / run_folder.README).read_text()
    assert all(name in text for name in run_folder.CONTENTS)
