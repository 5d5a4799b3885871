import multiprocessing
import os
import signal
import sqlite3
from pathlib import Path

import pandas as pd
import pytest

from labelmend.errors import DataError, RunError, WriteError
from labelmend.verdicts.decisions import DECISIONS, Decisions
from labelmend.verdicts.frame import COLUMNS
from labelmend.verdicts.verdicts import Verdicts

FORK = multiprocessing.get_context("fork")
IMAGES = 60


def write_run(folder: Path, suggested: str = "dog") -> Path:
    """A run folder with a table of verdicts and nothing else."""
    folder.mkdir(exist_ok=True)
    ids = [f"image{number}" for number in range(IMAGES)]
    table = pd.DataFrame({column: 0 for column in COLUMNS}, index=range(IMAGES))
    table["id"], table["given_label"], table["suggested_label"] = ids, "cat", suggested
    table["verdict"] = "uncertain"
    table["nearest_easy_ids"] = [[]] * IMAGES
    Verdicts(table).save(folder)
    return folder


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run")


def labels(decisions: Decisions) -> dict[str, tuple[str, str | None]]:
    return {id: (decision.action, decision.label) for id, decision in decisions.current().items()}


def test_each_action_says_which_label_is_right(run):
    with Decisions.open(run, create=True) as decisions:
        decisions.record("image0", "accept")
        decisions.record("image1", "keep")
        decisions.record("image2", "choose", "=cmd()")
        decisions.record("image3", "skip")
    with Decisions.open(run) as decisions:
        assert labels(decisions) == {
            "image0": ("accept", "dog"),
            "image1": ("keep", "cat"),
            "image2": ("choose", "=cmd()"),
            "image3": ("skip", None),
        }
        assert decisions.current()["image0"].time.endswith("+00:00")


def test_the_last_decision_stands_and_undo_brings_back_the_one_before(run):
    with Decisions.open(run, create=True) as decisions:
        decisions.record("image0", "accept")
        decisions.record("image0", "keep")
        assert labels(decisions) == {"image0": ("keep", "cat")}
        assert decisions.undo() == ["image0"]
        assert labels(decisions) == {"image0": ("accept", "dog")}
        assert decisions.undo() == ["image0"]
        assert decisions.undo() == []
        assert labels(decisions) == {}
    with Decisions.open(run) as decisions:
        assert labels(decisions) == {}


def test_a_bulk_is_undone_whole_and_an_undo_by_number_leaves_later_decisions(run):
    with Decisions.open(run, create=True) as decisions:
        bulk = decisions.record_all((f"image{number}", "accept", None) for number in range(3))
        decisions.record("image1", "choose", "bird")
        assert decisions.batches() == [bulk, bulk + 3]
        assert decisions.undo(bulk) == ["image0", "image1", "image2"]
        assert decisions.batches() == [bulk + 3]
        assert labels(decisions) == {"image1": ("choose", "bird")}
        assert decisions.undo(bulk) == []
        assert decisions.undo(99) == []


def test_a_bulk_with_one_bad_entry_notes_nothing(run):
    with Decisions.open(run, create=True) as decisions:
        with pytest.raises(DataError, match=r"no image .\.\./secret"):
            decisions.record_all([("image0", "accept", None), ("../secret", "accept", None)])
        assert labels(decisions) == {}


@pytest.mark.parametrize(
    ("action", "label", "said"),
    [
        ("delete", None, "not 'delete'"),
        ("choose", None, "choose needs"),
        ("choose", "\ud800", "choose needs"),
    ],
)
def test_what_is_no_decision_is_refused(run, action, label, said):
    with Decisions.open(run, create=True) as decisions, pytest.raises(DataError, match=said):
        decisions.record("image0", action, label)


def test_two_openers_hear_of_each_other(run):
    with Decisions.open(run, create=True) as one, Decisions.open(run, create=True) as other:
        one.record("image0", "accept")
        seq, news = other.changes()
        assert {id: decision.action for id, decision in news.items()} == {"image0": "accept"}
        other.record("image1", "keep")
        assert labels(one) == labels(other) == {"image0": ("accept", "dog"), "image1": ("keep", "cat")}
        one.undo()
        _, news = other.changes(seq)
        assert news == {"image1": None}
        assert labels(other) == {"image0": ("accept", "dog")}
        assert set(other.changes()[1]) == {"image0", "image1"}


def test_an_image_twice_in_one_bulk_is_undone_once(run):
    with Decisions.open(run, create=True) as decisions:
        decisions.record_all([("image0", "accept", None), ("image0", "keep", None)])
        assert labels(decisions) == {"image0": ("keep", "cat")}
        decisions.undo()
        assert labels(decisions) == {}


def _decide(run, numbers, pipe):
    with Decisions.open(run, create=True) as decisions:
        for number in numbers:
            decisions.record(f"image{number}", "accept")
            os.write(pipe, bytes([number]))


def test_several_writers_at_once_lose_nothing(run):
    reading, writing = os.pipe()
    workers = [FORK.Process(target=_decide, args=(run, range(n, IMAGES, 4), writing)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    os.close(reading), os.close(writing)
    with Decisions.open(run) as decisions:
        assert len(decisions.current()) == IMAGES


def test_a_kill_at_any_point_loses_no_acknowledged_decision(run):
    decided: set[int] = set()
    for attempt in range(12):
        reading, writing = os.pipe()
        worker = FORK.Process(
            target=_decide, args=(run, [n for n in range(IMAGES) if n not in decided], writing)
        )
        worker.start()
        os.close(writing)
        # One decision, then the kill falls wherever the next ones are by then.
        decided.update(os.read(reading, 1 + attempt % 3))
        os.kill(worker.pid, signal.SIGKILL)
        worker.join(60)
        assert worker.exitcode == -signal.SIGKILL or len(decided) >= IMAGES - 3
        while rest := os.read(reading, IMAGES):
            decided.update(rest)
        os.close(reading)
        with Decisions.open(run) as decisions:
            assert {f"image{n}" for n in decided} <= set(decisions.current())
    assert decided


def test_without_a_file_it_says_where_to_decide(run):
    with pytest.raises(RunError, match="labelmend review"):
        Decisions.open(run)
    (run / DECISIONS).touch()
    with pytest.raises(RunError, match="labelmend review"):
        Decisions.open(run)
    with Decisions.open(run, create=True) as decisions:
        assert labels(decisions) == {}


def test_decisions_of_another_run_are_refused(run, tmp_path):
    with Decisions.open(run, create=True) as decisions:
        decisions.record("image0", "accept")
    other = write_run(tmp_path / "other", suggested="bird")
    (run / DECISIONS).rename(other / DECISIONS)
    for create in (False, True):
        with pytest.raises(RunError, match="decisions on other verdicts"):
            Decisions.open(other, create=create)


def _edit(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("PRAGMA application_id = 7", "no file of labelmend's decisions"),
        ("PRAGMA user_version = 2", "later version"),
        ("DROP TABLE log", "damaged"),
        ("CREATE TRIGGER t AFTER INSERT ON log BEGIN DELETE FROM log; END", "damaged"),
        ("INSERT INTO log (batch, id, action, time) VALUES (9, 'elsewhere', 'skip', '')", "'elsewhere'"),
        ("INSERT INTO log (batch, id, action, time) VALUES (9, 'image0', 'burn', '')", "'burn'"),
        ("DELETE FROM run", "other verdicts"),
    ],
)
def test_a_file_that_is_not_as_it_was_written_is_refused(run, statement, said):
    Decisions.open(run, create=True).close()
    _edit(run / DECISIONS, statement)
    for create in (False, True):
        with pytest.raises(RunError, match=said) as caught:
            Decisions.open(run, create=create)
        assert "\n" not in str(caught.value)


def test_a_foreign_database_is_refused_and_left_alone(run):
    _edit(run / DECISIONS, "CREATE TABLE theirs (value)")
    before = (run / DECISIONS).read_bytes()
    for create in (False, True):
        with pytest.raises(RunError, match="no file of labelmend's decisions"):
            Decisions.open(run, create=create)
    assert (run / DECISIONS).read_bytes() == before


@pytest.mark.parametrize("damage", ["text", "middle", "cut"])
def test_a_damaged_file_is_refused(run, damage):
    with Decisions.open(run, create=True) as decisions:
        decisions.record_all((f"image{number}", "choose", "x" * 500) for number in range(IMAGES))
    path = run / DECISIONS
    content = path.read_bytes()
    path.write_bytes(
        {
            "text": b"id,label\n" * 2000,
            "middle": content[:8192] + bytes(8192) + content[16384:],
            "cut": content[:9000],
        }[damage]
    )
    with pytest.raises(RunError, match="damaged"):
        Decisions.open(run)


def test_a_folder_or_pipe_of_that_name_is_refused(run):
    os.mkfifo(run / DECISIONS)
    with pytest.raises(RunError, match="no regular file"):
        Decisions.open(run, create=True)
    (run / DECISIONS).unlink()
    (run / DECISIONS).mkdir()
    with pytest.raises(RunError, match="no regular file"):
        Decisions.open(run, create=True)


def test_a_full_disk_is_one_line_and_notes_nothing(run):
    with Decisions.open(run, create=True) as decisions:
        decisions.record("image0", "accept")
        decisions._log._connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(WriteError, match="full"):
            decisions.record_all((f"image{number}", "choose", "x" * 5000) for number in range(IMAGES))
        decisions._log._connection.execute("PRAGMA max_page_count = 100000")
        assert labels(decisions) == {"image0": ("accept", "dog")}
        decisions.record("image1", "keep")
    with Decisions.open(run) as decisions:
        assert set(decisions.current()) == {"image0", "image1"}


@pytest.mark.parametrize("change", ["removed", "replaced"])
def test_nothing_is_noted_in_a_file_that_nobody_finds(run, change):
    with Decisions.open(run, create=True) as decisions:
        decisions.record("image0", "accept")
        content = (run / DECISIONS).read_bytes()
        (run / DECISIONS).rename(run / "elsewhere")
        if change == "replaced":
            (run / DECISIONS).write_bytes(content)
        for write in (lambda: decisions.record("image1", "keep"), decisions.undo):
            with pytest.raises(RunError, match="moved, removed or replaced"):
                write()
        (run / "elsewhere").replace(run / DECISIONS)
        decisions.record("image1", "keep")
    with Decisions.open(run) as decisions:
        assert set(decisions.current()) == {"image0", "image1"}
