import csv
import errno
import json
import os

import pandas as pd
import pytest

from labelmend import files
from labelmend.data.tables import read_table
from labelmend.errors import WriteError
from labelmend.files import append_line, csv_rows, remove_leftovers, replacing, write_json, write_text


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_keeps_letters_and_order(tmp_path):
    write_json(tmp_path / "a.json", {"b": "é", "a": 1})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n  "b": "é",\n  "a": 1\n}\n'


def test_names_that_are_no_utf8_come_back_from_json(tmp_path):
    name = os.fsdecode(b"caf\xe9/\xc3\xa9.png")
    write_json(tmp_path / "a.json", {"source": name})
    assert json.loads((tmp_path / "a.json").read_bytes().decode("utf-8")) == {"source": name}


def test_text_is_utf8_whatever_is_in_it(tmp_path):
    write_text(tmp_path / "a.txt", "é \udce9 \ud800")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "é \\udce9 \\ud800"


def log_of(monkeypatch, tmp_path):
    """What is done to files, in order: synchronised and renamed, by name."""
    done = []
    open_, fsync, replace = os.open, os.fsync, os.replace
    names = {}

    def opened(path, *args, **kwargs):
        descriptor = open_(path, *args, **kwargs)
        names[descriptor] = "folder" if os.fspath(path) == os.fspath(tmp_path) else "file"
        return descriptor

    monkeypatch.setattr(files.os, "open", opened)
    monkeypatch.setattr(files.os, "fsync", lambda d: (done.append(f"sync {names[d]}"), fsync(d)))
    monkeypatch.setattr(files.os, "replace", lambda a, b: (done.append(f"to {b.name}"), replace(a, b)))
    return done


def test_the_file_is_durable_before_it_is_renamed_and_its_name_after(tmp_path, monkeypatch):
    done = log_of(monkeypatch, tmp_path)
    write_text(tmp_path / "a", "1")
    assert done == ["sync file", "to a", "sync folder"]


def test_the_old_file_is_kept_where_a_name_is_given_for_it(tmp_path, monkeypatch):
    path, previous = tmp_path / "a", tmp_path / "b"
    with replacing(path, previous) as temporary:
        temporary.write_text("1")
    assert not previous.exists()
    done = log_of(monkeypatch, tmp_path)
    with replacing(path, previous) as temporary:
        temporary.write_text("2")
    assert (path.read_text(), previous.read_text()) == ("2", "1")
    assert done == ["sync file", "to b", "to a", "sync folder"]


@pytest.mark.parametrize("what", ["fsync", "replace"])
def test_what_the_system_refuses_is_one_line_with_the_path(tmp_path, monkeypatch, what):
    write_text(tmp_path / "a", "old")

    def refuse(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, what, refuse)
    with pytest.raises(WriteError, match=r"a cannot be written: No space left on device$"):
        write_text(tmp_path / "a", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_file_system_without_folder_synchronisation_is_no_error(tmp_path, monkeypatch):
    fsync, calls = os.fsync, []

    def refuse_folder(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(files.os, "fsync", refuse_folder)
    write_text(tmp_path / "a", "1")
    assert len(calls) == 2


def test_the_longest_names_can_be_written(tmp_path):
    write_text(tmp_path / ("n" * 255), "1")
    with pytest.raises(WriteError, match="File name too long"):
        write_text(tmp_path / ("n" * 256), "1")
    with pytest.raises(WriteError, match="Not a directory"):
        write_text(tmp_path / ("n" * 255) / "a", "1")
    with pytest.raises(WriteError, match="No such file or directory"):
        append_line(tmp_path / "none" / "a", "1")


def test_leftovers_of_killed_processes_are_removed_and_nothing_else(tmp_path):
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "a") as temporary:
        raise KeyboardInterrupt
    temporary.write_text("half")
    (tmp_path / ".mine.tmp").write_text("mine")
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".mine.tmp"]


def test_nothing_but_a_regular_file_is_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    # A link stands for the device: a test that fails must not cost the machine its own.
    (tmp_path / "device.csv").symlink_to("/dev/null")
    for name in ("pipe.csv", "folder.csv", "device.csv"):
        with pytest.raises(WriteError, match="which is not replaced"):
            write_text(tmp_path / name, "text")
    assert (tmp_path / "pipe.csv").is_fifo()
    assert (tmp_path / "device.csv").is_symlink()


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\t", ",", '"', "; "])
def test_cells_with_line_ends_stay_in_their_row(tmp_path, end):
    """Of any writer, for any reader; rows end in a line feed."""
    cell = f"a{end}b"
    with csv_rows(tmp_path / "a.csv") as file:
        csv.writer(file).writerows([("id", "label"), (cell, "x")])
    with csv_rows(tmp_path / "b.csv") as file:
        pd.DataFrame({"id": [cell], "label": ["x"]}).to_csv(file, index=False, lineterminator="\r\n")
    text = (tmp_path / "a.csv").read_bytes()
    assert text == (tmp_path / "b.csv").read_bytes()
    assert text.endswith(b",x\n")
    assert pd.read_csv(tmp_path / "a.csv").to_numpy().tolist() == [[cell, "x"]]
    assert read_table(tmp_path / "a.csv").columns == {"id": [cell], "label": ["x"]}
