"""Runs whose data have moved, and what lies beside them."""

import json
import shutil
import warnings

import numpy as np
import pytest
from PIL import Image

import labelmend
from labelmend.cli.main import main
from labelmend.corrections.apply import apply
from labelmend.errors import LabelmendWarning, RunError
from labelmend.report.write import write_report
from labelmend.runs import folder as run_folder
from labelmend.runs import jobs
from labelmend.runs.checksums import check_unchanged
from labelmend.runs.pictures import open_pictures
from labelmend.runs.whereabouts import find_data
from labelmend.settings.loading import load
from labelmend.training.listener import Silent

FAST = {"epochs": 2, "batch_size": 4, "widths": [8], "depth": 1, "precision": "float32"}


class Stopped(Silent):
    """Stops a run after its first epoch."""

    def on_epoch(self, *_):
        raise KeyboardInterrupt


@pytest.fixture
def project(tmp_path):
    """A table whose images and other labels lie beside its folder, and a test set."""
    folder = tmp_path / "project"
    rng = np.random.default_rng(0)
    names = [f"{i}.png" for i in range(12)]
    for part in ("pictures", "held/a", "held/b"):
        (folder / part).mkdir(parents=True)
        for name in names:
            Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(folder / part / name)
    (folder / "tables").mkdir()
    lines = [f"{name},{'ab'[i % 2]}" for i, name in enumerate(names)]
    for table in ("photos.csv", "newer.csv"):
        (folder / "tables" / table).write_text("\n".join(["file,label", *lines]) + "\n")
    return folder


def settings_of(project, **more):
    return {
        "image_root": str(project / "pictures"),
        "labels": str(project / "tables" / "newer.csv"),
        **FAST,
        **more,
    }


@pytest.fixture
def run(project, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        labelmend.fit(project / "tables" / "photos.csv", out=tmp_path / "run", **settings_of(project))
    return tmp_path / "run"


def test_what_lies_beside_the_data_is_found_where_they_have_moved(project, run, tmp_path):
    now = project.rename(tmp_path / "elsewhere")
    with pytest.raises(RunError, match=r"is not at .*photos\.csv any more"):
        find_data(run)
    with pytest.warns(LabelmendWarning) as told:
        data, settings = find_data(run, now / "tables" / "photos.csv")
    assert data == now / "tables" / "photos.csv"
    assert settings.data.image_root == str(now / "pictures")
    assert settings.data.labels == str(now / "tables" / "newer.csv")
    assert [str(warning.message) for warning in told] == [
        f"--{flag} {project / path} of the run has gone; {now / path} is taken, which lies where it did from "
        "the data; put the other back if that is not the same"
        for flag, path in (("labels", "tables/newer.csv"), ("image-root", "pictures"))
    ]
    with pytest.warns(LabelmendWarning, match="image-root"):
        assert len(open_pictures(run, now / "tables" / "photos.csv")) == 12
    with pytest.warns(LabelmendWarning, match="image-root"):
        done = apply(run, data=now / "tables" / "photos.csv")
    assert done.reading.image_root == str(now / "pictures")


def test_what_is_where_it_was_stays(project, run, tmp_path):
    shutil.copytree(project, tmp_path / "copy")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, settings = find_data(run, tmp_path / "copy" / "tables" / "photos.csv")
        assert find_data(run)[0] == str(project / "tables" / "photos.csv")
    assert settings == load(run / run_folder.SETTINGS)


def test_what_is_nowhere_is_named(project, run, tmp_path):
    (project / "pictures").rename(project / "renamed")
    gone = r"--image-root .*pictures is not a folder; .*of a run whose images have moved --data says where"
    with pytest.raises(RunError, match=gone):
        open_pictures(run)
    now = project.rename(tmp_path / "elsewhere")
    with pytest.warns(LabelmendWarning) as told, pytest.raises(RunError, match=gone):
        open_pictures(run, now / "tables" / "photos.csv")
    assert [str(warning.message).split()[0] for warning in told] == ["--labels"]


def test_images_that_have_moved_without_their_table_are_where_the_folder_given_is(project, run, tmp_path):
    now = (project / "pictures").rename(tmp_path / "elsewhere")
    source, settings = find_data(run, now)
    assert (source, settings.data.image_root) == (str(project / "tables" / "photos.csv"), str(now))
    assert len(open_pictures(run, str(now))) == 12
    assert main(["apply", str(run), "--data", str(now)]) == 0
    # A folder of images is no place of a table.
    _, settings = find_data(run, project / "tables" / "photos.csv")
    assert settings.data.image_root == str(project / "pictures")


def test_a_copy_of_class_folders_is_taken_for_them(project, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = labelmend.fit(project / "held", out=tmp_path / "run", **FAST).folder
    copy = shutil.copytree(project / "held", tmp_path / "copy")
    source, settings = find_data(run, copy)
    assert (source, settings.data.image_root) == (copy, None)


def test_a_run_goes_on_with_all_that_has_moved_and_keeps_where_it_is(project, tmp_path, capsys):
    held = settings_of(project, test=str(project / "held"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = labelmend.fit(project / "tables" / "photos.csv", out=tmp_path / "whole", **held)
        with pytest.raises(KeyboardInterrupt):
            labelmend.fit(project / "tables" / "photos.csv", out=tmp_path / "run", listener=Stopped(), **held)
    now = project.rename(tmp_path / "elsewhere")
    moved = str(now / "tables" / "photos.csv")
    assert main(["resume", str(tmp_path / "run"), "--no-report", "--data", moved]) == 0
    said = capsys.readouterr().err
    assert all(f"--{flag} {project}" in said for flag in ("labels", "test", "image-root"))
    assert json.loads((tmp_path / "run" / run_folder.DATA).read_text())["source"] == moved
    kept = load(tmp_path / "run" / run_folder.SETTINGS).data
    assert (kept.image_root, kept.labels, kept.test) == tuple(
        str(now / path) for path in ("pictures", "tables/newer.csv", "held")
    )
    check_unchanged(tmp_path / "run", jobs.STARTED)
    assert len(open_pictures(tmp_path / "run")) == 12
    assert (tmp_path / "run" / "verdicts.csv").read_bytes() == (whole.folder / "verdicts.csv").read_bytes()


def test_a_report_without_pictures_is_told(project, run, tmp_path):
    project.rename(tmp_path / "elsewhere")
    with pytest.warns(LabelmendWarning, match=r"the report has no pictures: the data of .* is not at"):
        write_report(run)
