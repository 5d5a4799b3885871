import shutil
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from labelmend.data import load
from labelmend.data.image_set import ImageSet, MemoryImages, Skipped
from labelmend.errors import DataError, LabelmendWarning, RunError
from labelmend.runs import folder as run_folder
from labelmend.runs import jobs
from labelmend.runs.journal import Journal, write_journal
from labelmend.runs.verified import RELATIVE, divide_trusted, trust_decisions
from labelmend.settings.loading import resolve
from labelmend.verdicts.decisions import Decisions, standing_decisions
from labelmend.verdicts.frame import read_parquet


def image_set(ids, classes):
    pixels = MemoryImages(torch.zeros(len(ids), 4, 4, 1, dtype=torch.uint8))
    return ImageSet(pixels, np.zeros(len(ids), dtype=np.int64), list(classes), list(ids), [""] * len(ids))


@pytest.fixture
def decided(whole, tmp_path):
    """A run of which four images were decided about."""
    folder = shutil.copytree(whole.folder, tmp_path / "run")
    with Decisions.open(folder, create=True) as decisions:
        for identity, action, label in [("0", "choose", "2"), ("1", "keep", None), ("3", "skip", None)]:
            decisions.record(identity, action, label)
    return folder


def test_what_was_decided_is_taken_and_trusted(decided):
    given = read_parquet(decided / "verdicts.parquet")["given_label"].iloc[1]
    images = replace(image_set("0123", "012"), trusted=np.array([False, False, True, False]))
    found = trust_decisions(images, decided)
    assert found.given_labels.tolist() == [2, int(given), 0, 0]
    assert found.trusted.tolist() == [True, True, True, False]
    changed = 1 + (given != "0")
    assert found.notes == [
        f"2 labels were decided by a person ({decided}) and are trusted; {changed} of them are not those of "
        "the source; they are matched by place, as these images have no names, and pixels or number of "
        "images are not those of that run: make sure that the order is the same"
    ]
    assert images.given_labels.tolist() == [0] * 4


def test_images_without_flags_are_not_trusted(decided):
    found = trust_decisions(image_set("0x", "012"), decided)
    assert found.trusted.tolist() == [True, False]
    assert "; 1 decisions are on images that are not here by these ids" in found.notes[0]


def test_a_log_without_decisions_is_replaced_with_its_run(whole, tmp_path):
    """As a review leaves that was opened and closed."""
    folder = shutil.copytree(whole.folder, tmp_path / "run")
    Decisions.open(folder, create=True).close()
    run_folder.check_free(folder, overwrite=True)
    run_folder.create(folder)
    assert not (folder / "decisions.sqlite").exists()


def test_decisions_that_cannot_be_read_are_not_removed(whole, tmp_path):
    folder = shutil.copytree(whole.folder, tmp_path / "run")
    (folder / "decisions.sqlite").write_bytes(b"no data base" * 100)
    with pytest.raises(RunError, match=r"--out .*decisions\.sqlite.*to replace both"):
        run_folder.check_free(folder, overwrite=True)


@pytest.mark.parametrize(("state", "free"), [("done", False), ("begun", False), ("reverted", True)])
def test_a_run_whose_moves_stand_is_not_replaced(whole, tmp_path, state, free):
    folder = shutil.copytree(whole.folder, tmp_path / "run")
    own, photos = folder / "corrections" / "1", tmp_path / "photos"
    own.mkdir(parents=True)
    moves = [[str(photos / "a/1.png"), str(photos / "b/1.png")]]
    write_journal(own, Journal(kind="moves", state=state, source=str(photos), moves=moves))
    if free:
        run_folder.check_free(folder, overwrite=True)
        return
    with pytest.raises(RunError, match=r"labels were applied to its data.*labelmend revert .*corrections"):
        run_folder.check_free(folder, overwrite=True)


def test_a_table_that_was_written_elsewhere_is_taken_back_first(whole, tmp_path):
    folder = shutil.copytree(whole.folder, tmp_path / "run")
    own = folder / "corrections" / "1"
    own.mkdir(parents=True)
    for result, free in ((own / "labels.csv", True), (tmp_path / "labels.csv", False)):
        journal = Journal(kind="table", state="done", result=str(result), original="original.csv")
        write_journal(own, journal)
        if free:
            run_folder.check_free(folder, overwrite=True)
        else:
            with pytest.raises(RunError, match="labels were applied to its data"):
                run_folder.check_free(folder, overwrite=True)


def test_a_run_with_decisions_is_not_replaced(decided):
    told = r"person's decisions on 3 images, which .*, or remove .*decisions\.sqlite to replace both"
    with pytest.raises(RunError, match=told):
        run_folder.check_free(decided, overwrite=True)
    with Decisions.open(decided) as decisions:
        assert len(decisions.current()) == len(standing_decisions(decided)) == 3
    (decided / "decisions.sqlite").unlink()
    assert standing_decisions(decided) == {}
    run_folder.check_free(decided, overwrite=True)


def test_suggestions_of_a_run_with_decisions_are_told_from_them(decided, source):
    settings = resolve(overrides={"epochs": 1, "labels": str(decided)})
    with pytest.warns(LabelmendWarning, match="not what a person decided about 3 images of it; --decisions"):
        jobs.prepare(settings, source)
    both = resolve(overrides={"epochs": 1, "labels": str(decided), "decisions": str(decided)})
    with warnings.catch_warnings():
        warnings.simplefilter("error", LabelmendWarning)
        jobs.prepare(both, source)


def test_decisions_on_images_that_apply_has_moved_go_with_them(decided):
    own = decided / "corrections" / "1"
    own.mkdir(parents=True)
    moves = [["/data/1", "/data/b/1"]]
    write_journal(own, Journal(kind="moves", state="done", source="/data", moves=moves))
    given = read_parquet(decided / "verdicts.parquet")["given_label"].iloc[1]
    found = trust_decisions(image_set(["0", "b/1", "2"], "012"), decided)
    assert found.given_labels.tolist() == [2, int(given), 0]
    assert found.trusted.tolist() == [True, True, False]
    assert "passed over" not in found.notes[0]


def test_decisions_on_other_images_or_classes(decided, whole):
    with pytest.raises(DataError, match=r"has none of the 2 images that were decided on in .*, first '0'"):
        trust_decisions(image_set("xy", "012"), decided)
    with pytest.raises(DataError, match="image '0' was decided to be '2', which is not one of the 2 classes"):
        trust_decisions(image_set("01", "01"), decided)
    with pytest.raises(RunError, match="nothing was decided"):
        trust_decisions(image_set("01", "012"), whole.folder)


def test_places_are_no_question_where_the_pixels_are_the_same(decided, source):
    (note,) = trust_decisions(load(source), decided).notes[-1:]
    assert note.endswith("are not those of the source")


def labelled(folder, true=None):
    """The two images that were decided on; the first is labelled as neither the given nor the decided one."""
    given = read_parquet(folder / "verdicts.parquet")["given_label"]
    kept = int(given[1])
    images = image_set("01", ["0", "1", "2", "bird"])
    return replace(
        images, given_labels=np.array([3, 3 if true else kept]), true_labels=true and np.array(true)
    )


def test_decisions_by_place_on_images_with_other_labels_are_refused(decided):
    assert trust_decisions(labelled(decided), decided).trusted.all()
    given = read_parquet(decided / "verdicts.parquet")["given_label"]
    assert given[0] != "2"
    with pytest.raises(
        DataError, match="go by the places of images, and 2 of the 2 images there have labels"
    ):
        trust_decisions(labelled(decided, true=[3, 3]), decided)
    # Labels under added noise are those that it was added to.
    trust_decisions(labelled(decided, true=[2, 3]), decided)
    trust_decisions(labelled(decided, true=[int(given[0]), 3]), decided)
    named = replace(labelled(decided, true=[3, 3]), paths=["a.png", "b.png"])
    assert "matched by place" not in trust_decisions(named, decided).notes[-1]


def flagged(trusted, **columns):
    images = replace(image_set([str(i) for i in range(len(trusted))], "ab"), notes=["read"])
    labels = {"given_labels": np.arange(len(trusted)) % 2, "trusted": np.array(trusted, dtype=bool)}
    return replace(images, skipped=[Skipped("x", "broken")], **labels, **columns)


def test_images_with_a_trusted_label_are_scored_by_and_not_trained_on():
    training, scored = divide_trusted(flagged([0, 1, 0, 1, 0, 0]))
    assert (training.ids, scored.ids) == (["0", "2", "4", "5"], ["1", "3"])
    assert scored.given_labels.tolist() == [1, 1]
    assert not training.trusted.any()
    assert training.notes == [
        "read",
        "2 images with a trusted label are scored by and not trained on (--test trusted)",
    ]
    assert training.skipped == [Skipped("x", "broken")]
    assert (scored.notes, scored.skipped) == ([], [])


def test_what_equals_a_trusted_image_or_is_of_its_group_is_not_trained_on_either():
    images = flagged(
        [1, 0, 0, 0, 0, 1, 0, 0],
        same_pictures=[[0, 2], [3, 4]],
        groups=["o", "p", "q", "r", "s", "p", "t", "u"],
        paths=["", "", "2.png", "", "", "", "", ""],
    )
    training, scored = divide_trusted(images)
    assert (training.ids, scored.ids) == (["3", "4", "6", "7"], ["0", "5"])
    assert training.same_pictures == [[0, 1]]
    assert training.skipped[1:] == [Skipped("1", RELATIVE), Skipped("2.png", RELATIVE)]


@pytest.mark.parametrize(
    ("groups", "copies"),
    [
        # A copy of the trusted image is of a patient, of whom there is another picture.
        (["p", "q", "q", "r", "s"], [[0, 1]]),
        # A picture of the trusted patient has a copy.
        (["p", "p", "q", "r", "s"], [[1, 2]]),
        # Both, in the order that takes more than one round.
        (["p", "q", "p", "r", "s"], [[1, 2]]),
    ],
)
def test_ties_are_followed_to_their_end(groups, copies):
    training, scored = divide_trusted(flagged([1, 0, 0, 0, 0], same_pictures=copies, groups=groups))
    assert (training.ids, scored.ids) == (["3", "4"], ["0"])
    assert [entry.path for entry in training.skipped[1:]] == ["1", "2"]


@pytest.mark.parametrize(
    ("trusted", "said"), [(np.zeros(4, dtype=bool), "none of its 4 images has one"), (None, "there is none")]
)
def test_somebody_must_have_confirmed_a_label(trusted, said):
    with pytest.raises(DataError, match=rf"--test trusted needs .*{said}.*'trusted'.* or --decisions RUN"):
        divide_trusted(replace(flagged([0] * 4), trusted=trusted))


def test_something_must_be_left_to_train_on():
    with pytest.raises(DataError, match="1 are trusted and 2 are tied to one as a copy or by a group"):
        divide_trusted(flagged([0, 1, 0], groups=["p", "p", "p"]))


def test_there_must_be_something_to_learn_from_what_is_left():
    with pytest.raises(
        DataError, match=r"without what --test trusted scores by: all images are of one class, 'a'"
    ):
        divide_trusted(flagged([0, 1, 0]))
    with pytest.raises(DataError, match=r"without what --test trusted scores by: only 1 readable image"):
        divide_trusted(flagged([0, 1]))
    three = replace(flagged([0, 0, 1]), given_labels=np.arange(3), class_names=["a", "b", "c"])
    with pytest.warns(LabelmendWarning, match=r"scores by: 1 of the 3 classes have no image \(c\)"):
        divide_trusted(three)
