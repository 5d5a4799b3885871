import json
import os
import signal
from pathlib import Path

import pytest

from corrections.sets import LABELS, picture, write_folders
from labelmend import files
from labelmend.corrections import moves as moves_module
from labelmend.corrections.apply import apply, move, plan
from labelmend.corrections.moves import carry_out, plan_moves
from labelmend.corrections.revert import revert
from labelmend.data.sources import read_listing
from labelmend.errors import RunError, WriteError
from labelmend.runs import folder as run_folder
from labelmend.runs.pictures import open_pictures
from labelmend.verdicts.frame import read_parquet


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.png")}


def swapped(before):
    """Where the two surely suggested images of ``folders`` belong."""
    names = {"cat/0.png": "dog/0.png", "dog/1.png": "cat/1.png"}
    return {names.get(name, name): content for name, content in before.items()}


def test_a_plan_moves_nothing(folders):
    photos, run = folders
    before = tree(photos)
    done = plan(run)
    assert tree(photos) == before
    assert done.result.read_text().splitlines() == [
        "from,to",
        f"{photos}/cat/0.png,{photos}/dog/0.png",
        f"{photos}/dog/1.png,{photos}/cat/1.png",
    ]


def test_images_are_moved_and_moved_back(folders):
    photos, run = folders
    before = tree(photos)
    done = move(run)
    assert tree(photos) == swapped(before)
    assert [c.after for c in done.changes] == ["dog", "cat"]
    for again in (apply, plan, move):
        with pytest.raises(RunError, match=r"has moved images of .*photos already; labelmend revert "):
            again(run)
    assert revert(done.patch).moved == 2
    assert tree(photos) == before
    with pytest.raises(RunError, match="was taken back already"):
        revert(done.patch)
    move(run)
    revert(run)
    assert tree(photos) == before


def test_pictures_of_moved_images_are_found_where_they_are(folders):
    photos, run = folders
    table = read_parquet(run / run_folder.VERDICTS_PARQUET)
    before = {identity: (photos / identity).read_bytes() for identity in table["id"]}
    move(run)
    # What has the old name by now is another picture.
    picture(photos / "cat" / "0.png", 77)
    found = open_pictures(run)
    assert {identity: Path(found.item(identity)).read_bytes() for identity in table["id"]} == before
    assert found.notice == ""
    (photos / "cat" / "0.png").unlink()
    (photos / "cat" / "1.png").unlink()
    found = open_pictures(run)
    assert "dog/1.png" not in found
    assert found.notice.endswith(f"1 of {len(table)} images are no longer there")
    revert_by_hand = photos / "dog" / "0.png"
    revert_by_hand.rename(photos / "cat" / "0.png")
    assert Path(open_pictures(run).item("cat/0.png")).read_bytes() == before["cat/0.png"]


def test_pictures_of_moved_images_of_a_split_are_found(tmp_path, judge):
    photos = write_folders(tmp_path / "photos" / "train")
    write_folders(tmp_path / "photos" / "test")
    run = judge(photos.parent, {"train/cat/0.png": ("dog", 0.95)})
    move(run)
    found = open_pictures(run)
    assert (len(found), found.notice) == (8, "")
    assert Path(found.item("train/cat/0.png")) == photos / "dog" / "0.png"


def test_no_file_takes_the_place_of_another(folders):
    photos, run = folders
    # Not images, so that the run needs not have seen them.
    (photos / "dog" / "0.png").mkdir()
    os.symlink("nowhere", photos / "cat" / "1.png")
    done = move(run)
    assert [target.name for _, target in done.moves] == ["0-1.png", "1-1.png"]
    revert(run)
    assert (photos / "cat" / "0.png").is_file()


def test_two_images_of_one_name_for_one_place(tmp_path, judge):
    photos = write_folders(
        tmp_path / "photos", ["a", "b", "c"] * 2, ["0.png", "0.png", "2.png"] + ["5.png"] * 3
    )
    run = judge(photos, {"a/0.png": ("c", 1.0), "b/0.png": ("c", 1.0)})
    before = tree(photos)
    assert [target.name for _, target in move(run).moves] == ["0.png", "0-1.png"]
    assert sorted(tree(photos)) == ["a/5.png", "b/5.png", "c/0-1.png", "c/0.png", "c/2.png", "c/5.png"]
    revert(run)
    assert tree(photos) == before


def test_names_that_some_systems_do_not_tell_apart(tmp_path, judge):
    names = ["X.png", "x.png", "2.png", "5.png", "6.png", "7.png"]
    photos = write_folders(tmp_path / "photos", ["a", "b", "c"] * 2, names)
    run = judge(photos, {"a/X.png": ("c", 1.0), "b/x.png": ("c", 1.0)})
    assert [target.name for _, target in move(run).moves] == ["X.png", "x-1.png"]


def test_folders_below_a_class_are_made_and_removed_again(tmp_path, judge):
    photos = write_folders(tmp_path / "photos" / "train")
    picture(photos / "cat" / "deep" / "er" / "9.png", 9)
    run = judge(tmp_path / "photos", {"train/cat/deep/er/9.png": ("dog", 1.0)})
    move(run)
    assert (photos / "dog" / "deep" / "er" / "9.png").is_file()
    revert(run)
    assert (photos / "cat" / "deep" / "er" / "9.png").is_file()
    assert not (photos / "dog" / "deep").exists()


def test_names_that_are_no_utf_8(tmp_path, judge):
    photos = write_folders(
        tmp_path / "photos", LABELS, ["caf\udce9.png", *(f"{i}\n'\".png" for i in range(7))]
    )
    run = judge(photos, {r"cat/caf\xe9.png": ("dog", 1.0), "dog/0\n'\".png": ("cat", 1.0)})
    before = tree(photos)
    plan(run)
    move(run)
    assert os.path.exists(os.fsencode(photos) + b"/dog/caf\xe9.png")
    revert(run)
    assert tree(photos) == before


def test_what_cannot_be_moved(tmp_path, judge, folders):
    photos, run = folders
    (photos / "cat" / "0.png").rename(tmp_path / "0.png")
    os.symlink("../../0.png", photos / "cat" / "0.png")
    with pytest.raises(RunError, match="is a relative link, which would lead nowhere"):
        move(run)
    listing = read_listing(photos)
    with pytest.raises(RunError, match="cannot be the name of a folder"):
        plan_moves(listing, {3: "../other"})
    with pytest.raises(RunError, match="--move is for class folders"):
        plan_moves(read_listing("digits"), {0: "1"})


def killed(act):
    """Run something in a process of its own, a copy of this one, which ends by a kill in the middle."""
    child = os.fork()
    if child == 0:
        try:
            act()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(("after", "where"), [(0, "before"), (1, "before"), (1, "between")])
@pytest.mark.parametrize("finish", [True, False])
def test_a_kill_half_way_is_finished_or_taken_back(folders, after, where, finish):
    photos, run = folders
    before = tree(photos)
    real, done = moves_module._move, []

    def stop(source, target):
        if len(done) == after:
            if where == "between":
                os.link(source, target)
            kill()
        done.append(source)
        real(source, target)

    def act():
        moves_module._move = stop
        move(run)

    killed(act)
    with pytest.raises(
        RunError, match=r"were stopped half-way; labelmend apply .* --move --yes finishes them"
    ):
        apply(run)
    if finish:
        assert len(move(run).moves) == 2
        assert tree(photos) == swapped(before)
    revert(run)
    assert tree(photos) == before


def test_a_move_that_the_system_refuses_can_be_ended(folders, monkeypatch):
    photos, run = folders
    before = tree(photos)

    def refuse(source, target):
        if source.name == "1.png":
            raise OSError(13, "Permission denied")
        os.rename(source, target)

    monkeypatch.setattr(moves_module, "_move", refuse)
    with pytest.raises(WriteError, match=r"1\.png cannot be moved to .*: Permission denied"):
        move(run)
    with pytest.raises(RunError, match="were stopped half-way"):
        plan(run)
    monkeypatch.undo()
    move(run)
    assert tree(photos) == swapped(before)


def test_without_second_names_files_are_renamed(folders, monkeypatch):
    photos, run = folders
    before = tree(photos)

    def no_links(source, target):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(moves_module.os, "link", no_links)
    move(run)
    assert tree(photos) == swapped(before)


def test_a_file_that_appears_meanwhile_is_kept(tmp_path):
    source, target = picture(tmp_path / "a" / "0.png", 0), picture(tmp_path / "b" / "0.png", 1)
    with pytest.raises(RunError, match="is there already, and is another file"):
        carry_out([(source, target)], [])
    source.unlink()
    target.unlink()
    with pytest.raises(RunError, match="is gone, and was not moved to"):
        carry_out([(source, target)], [])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"moves": [[1, 2]]}, "it is no text"),
        ({"moves": [["a.png"]]}, "should have at least 2 items"),
        ({"moves": [["{photos}/cat/0.png", "{photos}/../stolen.png"]]}, "is not in the folder of the images"),
        ({"moves": [["/etc/hostname", "{photos}/cat/x"]]}, "'/etc/hostname' is not in the folder"),
        ({"moves": [["{photos}/cat/0.png", "{photos}/cat/0.sh"]]}, "would be another kind of file"),
        ({"made": ["/tmp"]}, "'/tmp' is not in the folder of the images"),
        ({"source": None}, "is not in the folder of the images"),
    ],
)
@pytest.mark.parametrize("go_on", [False, True])
def test_a_journal_that_was_not_written_here_moves_nothing(folders, change, said, go_on):
    photos, run = folders
    journal = move(run).folder / "journal.json"
    before = tree(photos)
    text = json.dumps({**json.loads(journal.read_text()), **change, "state": "begun"})
    journal.write_text(text.replace("{photos}", str(photos)))
    with pytest.raises(RunError, match=said):
        move(run) if go_on else revert(run)
    assert tree(photos) == before


def test_what_is_no_image_is_not_moved(folders):
    photos, run = folders
    journal = move(run).folder / "journal.json"
    (photos / "notes.txt").write_text("mine")
    moves = [[str(photos / "notes.txt"), str(photos / "cat" / "notes.txt")]]
    journal.write_text(
        json.dumps({**json.loads(journal.read_text()), "moves": moves, "made": [], "state": "begun"})
    )
    with pytest.raises(RunError, match=r"notes\.txt is no image, and is not moved"):
        move(run)
    assert (photos / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("renames", range(5))
def test_a_kill_during_apply_leaves_the_old_file_or_the_new_one(folders, tmp_path, renames):
    _, run = folders
    out = tmp_path / "mended.csv"
    old = apply(run, out=out).result.read_bytes()
    new = apply(run, min_confidence=0.5).result.read_bytes()
    real, left = os.replace, iter(range(renames))

    def stop(*names):
        if next(left, None) is None:
            kill()
        real(*names)

    def act():
        files.os.replace = stop
        apply(run, out=out, min_confidence=0.5)

    killed(act)
    assert out.read_bytes() == (new if renames == 4 else old)
    # What was stopped does not stand in the way of the next, and whatever stands can be taken back.
    given = (Path(run) / "corrections" / "1" / "original.csv").read_bytes()
    if renames == 4:
        revert(run)
        assert out.read_bytes() == given
    assert apply(run, out=out).result.read_bytes() == old
    revert(run)
    assert out.read_bytes() == given
