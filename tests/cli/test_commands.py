import csv
import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelmend.cli.main import main
from labelmend.runs import folder as run_folder
from labelmend.runs import jobs
from labelmend.runs.checksums import check_unchanged
from labelmend.tensors import load_tensors
from labelmend.training import state
from labelmend.training.listener import Silent

FLAGS = ["--no-report", "--epochs=4", "--batch-size=16", "--widths=8,8", "--depth=1", "--precision=float32"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "photos"
    rng = np.random.default_rng(0)
    for i in range(40):
        path = root / ("dark" if i % 2 else "[b]light")
        path.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 40, (8, 8, 3)) + (0 if i % 2 else 200)
        Image.fromarray(pixels.astype(np.uint8)).save(path / f"{i}.png")
    (root / "dark" / "broken.png").write_text("no image")
    return root


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "photos"
    assert main(["fit", str(photos), "--out", str(folder), "--noise", "symmetric:0.2", *FLAGS]) == 0
    return folder


def test_fit_prints_lines_a_table_and_the_next_command(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", str(photos), "--noise", "symmetric:0.2", *FLAGS]) == 0
    out = capsys.readouterr().out
    folder = "runs/photos-mend-1"
    for part in (
        "40 images of 2 classes",
        "of the labels were changed",
        "1 file left out: 1 not an image in a known format",
        "broken.png",
        f"run folder: {folder}",
        "Verdicts",
        "hard_clean",
        "hare of wrong labels: ",
        f"Next: labelmend show {folder} --top 20",
    ):
        assert part in out
    epochs = [line.split()[0] for line in out.splitlines() if line[:5].strip().isdigit()]
    assert epochs == ["1", "2", "3", "4"]
    assert max(map(len, out.split("Verdicts")[0].splitlines())) <= 120


def test_fit_refuses_a_full_folder(photos, run, capsys):
    assert main(["fit", str(photos), "--out", str(run), *FLAGS]) == 2
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--labels", "--decisions"])
def test_fit_does_not_replace_the_run_whose_labels_or_decisions_it_reads(photos, run, capsys, flag):
    before = {path.name: path.stat().st_mtime_ns for path in run.iterdir()}
    assert main(["fit", str(photos), flag, str(run), "--out", str(run), "--overwrite", *FLAGS]) == 2
    assert f"would replace {run}, which is read" in capsys.readouterr().err
    assert {path.name: path.stat().st_mtime_ns for path in run.iterdir()} == before


def test_show_lists_suggestions_and_the_next_command(run, capsys):
    assert main(["show", str(run), "--top", "3"]) == 0
    out = capsys.readouterr().out
    assert "Surest suggestions" in out
    assert "[b]light" in out
    assert f"Next: labelmend predict {run} IMAGES" in out
    assert main(["show", str(run), "--top", "-1"]) == 2


def test_predict_prints_class_and_probability(run, photos, capsys):
    files = [str(photos / "dark" / "1.png"), str(photos / "[b]light" / "0.png")]
    assert main(["predict", str(run), *files]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows] == files
    assert all(row[1] in ("dark", "[b]light") and 0.5 <= float(row[2]) <= 1 for row in rows)


def test_predict_writes_a_csv_and_names_unreadable_files(run, photos, tmp_path, capsys):
    out = tmp_path / "p.csv"
    assert main(["predict", str(run), str(photos), "--out", str(out)]) == 0
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 41
    assert list(rows[0]) == ["image", "class", "probability", "reason"]
    broken = [row for row in rows if row["reason"]]
    assert [Path(row["image"]).name for row in broken] == ["broken.png"]
    assert (broken[0]["class"], broken[0]["probability"]) == ("", "")
    assert "broken.png is skipped" in capsys.readouterr().err


def test_predict_has_one_line_for_each_image_in_order(run, photos, capsys):
    bright, broken = str(photos / "[b]light" / "0.png"), str(photos / "dark" / "broken.png")
    assert main(["predict", str(run), bright, broken, bright, str(photos / "dark")]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows[:3]] == [bright, broken, bright]
    assert rows[1][1:] == ["-", "not an image in a known format"]
    assert rows[0] == rows[2]
    assert len(rows) == 3 + 20


def test_predict_replaces_nothing_that_it_reads(run, photos, tmp_path, capsys):
    table = tmp_path / "files.csv"
    table.write_text("file_name\n")
    for out, words in (
        (str(photos / "dark" / "1.png"), "must end in .csv"),
        ("", "must end in .csv"),
        ("-", "must end in .csv"),
        (str(tmp_path / "none" / "x.csv"), "there is no folder"),
        (str(table), "is what is to be read"),
    ):
        assert main(["predict", str(run), str(table), "--out", out]) == 2
        assert words in capsys.readouterr().err
    assert table.read_text() == "file_name\n"


def test_predict_takes_the_columns_of_a_table(run, photos, tmp_path, capsys):
    first = sorted((photos / "dark").iterdir())[0]
    table = tmp_path / "scans.csv"
    table.write_text(f"scan\n{first.name}\n")
    where = ["--image-column", "scan", "--image-root", str(first.parent)]
    assert main(["predict", str(run), str(table), *where]) == 0
    assert capsys.readouterr().out.split("\t")[1] == "dark"


def test_predict_of_nothing_is_one_line(run, capsys):
    assert main(["predict", str(run), "nowhere"]) == 2
    assert capsys.readouterr().err == "labelmend: error: nowhere: there is no such file or folder\n"


def test_resume_of_a_finished_run_says_so(run, capsys):
    assert main(["resume", str(run)]) == 0
    assert "is finished; labelmend show" in capsys.readouterr().out


class Signalled(Silent):
    """Gets a signal in its third step, which is in the second epoch."""

    def __init__(self, number):
        self.number, self.steps = number, 0

    def on_step(self, share):
        self.steps += 1
        if self.steps == 3:
            os.kill(os.getpid(), self.number)


def test_a_run_goes_on_with_images_that_have_moved(photos, run, tmp_path, monkeypatch, capsys):
    copy, folder = shutil.copytree(photos, tmp_path / "photos"), tmp_path / "run"
    start = jobs.start

    def interrupted(job, out, *, listener):
        return start(job, out, listener=Signalled(signal.SIGINT))

    monkeypatch.setattr(jobs, "start", interrupted)
    assert main(["fit", str(copy), "--out", str(folder), "--noise", "symmetric:0.2", *FLAGS]) == 130
    copy.rename(tmp_path / "elsewhere")
    flags = [flag for flag in FLAGS if flag == "--no-report"]
    assert main(["resume", str(folder), *flags]) == 2
    assert f"is not at {copy} any more; say where it is now (--data WHERE)" in capsys.readouterr().err
    jobs.reload(folder, str(tmp_path / "elsewhere"))
    # Stopped again, it goes on as what it was.
    check_unchanged(folder, jobs.STARTED)
    assert main(["resume", str(folder), *flags, "--data", str(tmp_path / "elsewhere")]) == 0
    assert json.loads((folder / run_folder.DATA).read_text())["source"] == str(tmp_path / "elsewhere")
    check_unchanged(folder, (run_folder.DATA,))
    assert main(["export", str(folder), "--format", "fiftyone"]) == 0
    assert (folder / run_folder.VERDICTS_CSV).read_bytes() == (run / run_folder.VERDICTS_CSV).read_bytes()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_after_the_step_and_says_how_to_go_on(
    photos, run, tmp_path, monkeypatch, capsys, number, code
):
    folder = tmp_path / "run"
    start = jobs.start

    def interrupted(job, out, *, listener):
        return start(job, out, listener=Signalled(number))

    monkeypatch.setattr(jobs, "start", interrupted)
    before = signal.getsignal(number)
    command = ["fit", str(photos), "--out", str(folder), "--noise", "symmetric:0.2", *FLAGS]
    assert main(command) == code
    assert f"stopped; go on with:  labelmend resume {folder}\n" in capsys.readouterr().out
    assert signal.getsignal(number) is before
    assert load_tensors(folder / state.CHECKPOINT)[1]["under_way"] is not None
    assert main(["resume", str(folder)]) == 0
    assert "Verdicts" in capsys.readouterr().out
    assert (folder / run_folder.VERDICTS_CSV).read_bytes() == (run / run_folder.VERDICTS_CSV).read_bytes()
