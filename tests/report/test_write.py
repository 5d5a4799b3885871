"""Reports as files: what is in them, and what is said where something is missing."""

import json
import re
import shutil
import xml.etree.ElementTree

import numpy as np
import pytest
from PIL import Image

import labelmend
from labelmend.cli.main import main
from labelmend.cli.report import report_at_end
from labelmend.errors import LabelmendWarning, RunError, WriteError
from labelmend.report.write import write_figures, write_report
from labelmend.training import metrics

TINY = {"epochs": 1, "batch_size": 12, "widths": [8, 8], "depth": 1, "test": "none"}


def data_of(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])


def test_the_page_is_one_file_that_asks_for_nothing(page, text_without_plotly):
    text = text_without_plotly(page)
    assert len(text) < 500_000
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", text)
    assert "http:" not in text
    assert "https:" not in text


def test_names_stay_names(page, text_without_plotly):
    text = text_without_plotly(page)
    assert "<img src=x" not in text
    assert "<script>hacked" not in text
    assert "<b>" not in text
    assert "&lt;img src=x onerror=hacked=1&gt;" in text


def test_only_the_scripts_of_the_page_may_run(page, text_without_plotly):
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', text_without_plotly(page))[1]
    assert policy.startswith("default-src &#39;none&#39;; script-src &#39;sha256-")
    script = policy.split("script-src")[1].split(";style")[0]
    assert "unsafe" not in script.split("style-src")[0]
    assert script.count("sha256-") == 2


def test_a_run_whose_budget_ended_in_the_warm_up_says_so(tmp_path, capsys):
    with pytest.warns(LabelmendWarning, match="no samples were selected"):
        labelmend.fit("digits", limit=60, out=tmp_path / "run", **TINY)
    assert "cut short" in (text := write_report(tmp_path / "run").read_text(encoding="utf-8"))
    assert "no samples were selected in training" in text
    assert main(["show", str(tmp_path / "run")]) == 0
    assert capsys.readouterr().out.startswith("no samples were selected in training")


def test_a_run_of_many_epochs_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(metrics, "MANY_EPOCHS", 1)
    with pytest.warns(
        LabelmendWarning, match="epochs of 60 images: a network may learn wrong labels by heart"
    ):
        labelmend.fit("digits", limit=60, out=tmp_path / "run", **TINY | {"epochs": 2, "warmup": 0.4})
    text = write_report(tmp_path / "run").read_text(encoding="utf-8")
    assert "2 epochs of 60 images: a network may learn wrong labels by heart" in text
    assert "look clean" not in text
    assert main(["show", str(tmp_path / "run")]) == 0
    assert capsys.readouterr().out.startswith("2 epochs of 60 images")


def test_every_row_pictured_is_in_the_list_and_has_its_evidence(page, run):
    data = data_of(page)
    table = labelmend.load_run(run).verdicts.table
    assert data["total"] == len(table) == len(data["rows"]["id"])
    assert sorted(data["order"]) == list(range(len(table)))
    assert data["rows"]["id"] == table["id"].tolist()
    for row, near in data["evidence"].items():
        sources = table["nearest_easy_ids"].iloc[int(row)]
        if len(sources):
            assert [data["rows"]["id"][other] for other in near] == list(dict.fromkeys(sources))[:3]
    assert len(data["pictures"]) == len(table)


def test_duplicates_with_different_labels_stand_together(page):
    data = data_of(page)
    assert len(data["duplicates"]) == 2
    for group in data["duplicates"]:
        assert len({data["rows"]["given"][row] for row in group}) == 2


def test_a_list_of_duplicates_that_another_program_has_saved_is_named(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "run")
    (copy / "duplicates.csv").write_bytes("picture,id,path,given_label\n1,caf\u00e9,,a\n".encode("cp1252"))
    with pytest.raises(RunError, match=r"duplicates\.csv cannot be read .*leaves equal pictures out"):
        write_report(copy)


def test_the_same_run_gives_the_same_page(page, run, tmp_path):
    assert write_report(run, tmp_path / "again.html").read_bytes() == page.read_bytes()


def test_data_that_has_gone_is_a_page_without_pictures(run, tmp_path, text_without_plotly):
    copy = shutil.copytree(run, tmp_path / "run")
    record = json.loads((copy / "data.json").read_text())
    (copy / "data.json").write_text(json.dumps(record | {"source": str(tmp_path / "gone.csv")}))
    path = write_report(copy)
    text, data = text_without_plotly(path), data_of(path)
    assert "This report has no pictures" in text
    assert "gone.csv" in text
    assert "--data WHERE" in text
    assert (data["pictures"], data["map"]) == ({}, None)
    with pytest.raises(RunError, match="cannot be opened"):
        write_report(copy, data=tmp_path / "nowhere.csv")


def test_data_that_has_changed_is_told_above_the_pictures(run, pictures_table, tmp_path, text_without_plotly):
    copy, moved = (
        shutil.copytree(run, tmp_path / "run"),
        shutil.copytree(pictures_table.parent, tmp_path / "data"),
    )
    (moved / "again0.png").unlink()
    table = (moved / "table.csv").read_text().replace("again0.png", "again1.png.gone")
    (moved / "table.csv").write_text("\n".join(line for line in table.splitlines() if ".gone" not in line))
    path = write_report(copy, data=moved / "table.csv")
    assert "1 of 62 images are no longer there" in text_without_plotly(path)
    assert len(data_of(path)["pictures"]) == 61


def test_images_that_were_in_memory_can_be_given(tmp_path, text_without_plotly):
    images = np.random.default_rng(0).integers(0, 255, (24, 8, 8), dtype=np.uint8)
    data = images, np.arange(24) % 2
    run = labelmend.fit(data, out=tmp_path / "run", method="ce", **TINY).folder
    assert "were in memory" in text_without_plotly(write_report(run))
    found = data_of(write_report(run, data=data))
    assert len(found["pictures"]) == 24
    assert not found["votes"]
    assert found["map"]["anchors"] == []


def test_many_classes_and_no_suggestion(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (400, 8, 8), dtype=np.uint8)
    data = images, np.arange(400) % 200
    run = labelmend.fit(data, out=tmp_path / "run", method="ce", **TINY).folder
    found = data_of(write_report(run, data=data))
    assert len(found["classes"]) == 200
    assert found["flow"]["classes"] == []


def test_the_command_says_where_it_wrote(run, tmp_path, capsys):
    assert main(["report", str(run), "--out", str(tmp_path / "page.html")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "page.html")
    assert main(["report", str(tmp_path)]) == 2
    assert "is not a run folder" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_named(run, tmp_path):
    with pytest.raises(WriteError, match="cannot be written"):
        write_report(run, tmp_path / "no" / "folder" / "page.html")


def test_figures_are_written_as_png_and_svg_alike_each_time(run, tmp_path):
    paths = write_figures(run, tmp_path / "one")
    names = {path.stem for path in paths}
    assert names == {"flow", "label_quality", "loss", "training", "map_by_class", "map_by_verdict"}
    assert {path.suffix for path in paths} == {".png", ".svg"}
    for path, again in zip(paths, write_figures(run, tmp_path / "two"), strict=True):
        assert path.read_bytes() == again.read_bytes()
        if path.suffix == ".svg":
            xml.etree.ElementTree.parse(path)
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot be used"):
        write_figures(run, tmp_path / "file")


@pytest.fixture
def class_folders(tmp_path):
    for number in range(12):
        path = tmp_path / "photos" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 20 * number, dtype=np.uint8)).save(path)
    return tmp_path / "photos"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("where", ["photos", "photos/a", "photos/new/er"])
def test_figures_are_not_written_among_the_images(class_folders, tmp_path, capsys, where):
    labelmend.fit(class_folders, out=tmp_path / "run", **TINY)
    before = sorted(class_folders.rglob("*"))
    assert main(["report", str(tmp_path / "run"), "--static", str(tmp_path / where)]) == 2
    assert f"--static {tmp_path / where} lies inside the data" in capsys.readouterr().err
    assert sorted(class_folders.rglob("*")) == before


def test_a_page_and_figures_are_not_written_at_once(run, tmp_path, capsys):
    both = ["--out", str(tmp_path / "x.html"), "--static", str(tmp_path / "figures")]
    assert main(["report", str(run), *both]) == 2
    assert "--out is the page, and --static writes figures instead" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_fit_writes_a_report_unless_told_not_to(pictures_table, tmp_path, capsys):
    flags = ["--epochs=1", "--batch-size=15", "--widths=8,8", "--depth=1", "--test=none"]
    assert main(["fit", str(pictures_table), "--out", str(tmp_path / "one"), *flags]) == 0
    assert "report.html" in capsys.readouterr().out
    assert (tmp_path / "one" / "report.html").is_file()
    assert main(["fit", str(pictures_table), "--out", str(tmp_path / "two"), "--no-report", *flags]) == 0
    assert not (tmp_path / "two" / "report.html").exists()


def test_a_report_that_fails_does_not_fail_the_run(pictures_table, tmp_path, capsys, monkeypatch):
    def full(folder, *, data):
        raise WriteError("the disk is full")

    monkeypatch.setattr("labelmend.cli.report.write_report", full)
    flags = ["--epochs=1", "--batch-size=15", "--widths=8,8", "--depth=1", "--test=none"]
    assert main(["fit", str(pictures_table), "--out", str(tmp_path / "run"), *flags]) == 0
    assert "no report was written: the disk is full" in capsys.readouterr().err


def test_a_report_that_is_stopped_says_that_the_run_is_finished(run, capsys, monkeypatch):
    def stopped(folder, *, data):
        raise KeyboardInterrupt

    monkeypatch.setattr("labelmend.cli.report.write_report", stopped)
    with pytest.raises(KeyboardInterrupt):
        report_at_end(run)
    told = f"the run is finished, and labelmend report {run} writes its report"
    assert told in capsys.readouterr().err


def test_no_file_of_the_users_is_replaced(run, tmp_path):
    mine = tmp_path / "photos.csv"
    mine.write_text("file_name,label")
    with pytest.raises(RunError, match=r"photos\.csv is there already"):
        write_report(run, mine)
    (tmp_path / "flow.png").write_bytes(b"mine")
    with pytest.raises(RunError, match=r"flow\.png is there already"):
        write_figures(run, tmp_path)
    assert (mine.read_text(), (tmp_path / "flow.png").read_bytes()) == ("file_name,label", b"mine")
    assert [path.name for path in tmp_path.glob("*.svg")] == []


def test_an_earlier_report_is_replaced(run, tmp_path):
    first = write_report(run, tmp_path / "page.html").read_bytes()
    assert write_report(run, tmp_path / "page.html").read_bytes() == first
    for _ in range(2):
        write_figures(run, tmp_path / "figures")
