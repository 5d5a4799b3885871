import json
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import timm
from PIL import Image
from safetensors.torch import save_file

from labelmend.bench import run
from labelmend.bench.run import run_bench, same_result
from labelmend.bench.suite import read_suite
from labelmend.bench.view import BenchView
from labelmend.cli.noise import noise
from labelmend.errors import DivergedError, LabelmendWarning, RunError, SettingsError, WriteError
from labelmend.runs import jobs, soft_labels
from labelmend.runs.checksums import write_sums
from labelmend.runs.fingerprint import fingerprint
from labelmend.runs.lock import locked
from labelmend.settings import retired
from labelmend.settings.loading import resolve
from labelmend.settings.saving import to_dict
from labelmend.training.listener import Silent

SUITE = """
data: digits
settings:
  {epochs: 3, widths: [8], batch_size: 200, limit: 400, precision: float32, memory_format: channels_last}
noises: ["symmetric:0.3"]
seeds: [0]
rows:
  CE: {method: ce}
  Anchors: {method: anchor_hallucination, warmup: 0.5, hallucinator: closed_form}
"""


def test_cells_leave_one_json_each_and_finished_ones_are_kept(tmp_path, monkeypatch, capsys):
    (tmp_path / "small.yaml").write_text(SUITE)
    document = tmp_path / "doc.md"
    end = "<!-- end of table -->\n"
    document.write_text(f"<!-- table: none -->\nkept\n{end}<!-- table: small -->\nold\n{end}rest\n")
    run_bench(tmp_path / "small.yaml", tmp_path / "out", document)
    said = capsys.readouterr().out
    assert re.search(r"CE__symmetric-0.3__seed0: \d+ s, last epoch", said)
    assert "; 1 cell left, about" in said
    assert "; that was the last\n" in said
    assert (tmp_path / "out" / "small.png").read_bytes().startswith(b"\x89PNG")
    assert not any((tmp_path / "out" / "runs").iterdir())
    files = sorted((tmp_path / "out" / "small").glob("*.json"))
    assert [f.name for f in files] == [
        "Anchors__symmetric-0.3__seed0.json",
        "CE__symmetric-0.3__seed0.json",
    ]
    record = json.loads(files[0].read_text())
    assert record["settings"]["method"]["name"] == "anchor_hallucination"
    assert len(record["noise_record"]["sha256"]) == 64
    cell = read_suite(tmp_path / "small.yaml").cells[0]
    job = jobs.prepare(cell.settings, cell.data)
    assert record["train_set"] == fingerprint(job.train_set)
    assert record["test_set"] == fingerprint(job.test_set)
    assert record["summary"]["flops"] > 0
    assert record["summary"]["processor"]
    assert record["summary"]["torch"]
    assert [point["epoch"] for point in record["curve"]] == [1, 2, 3]
    assert record["curve"][-1]["test_accuracy"] == record["summary"]["test_accuracy_last"]
    assert "easy_purity" in record["selection"]
    text = document.read_text()
    assert "old" not in text
    assert "kept" in text
    assert "| symmetric:0.3 | CE | 1 |" in text
    assert text.endswith("rest\n")

    monkeypatch.setattr(jobs, "start", lambda *a, **k: pytest.fail("a finished cell ran again"))
    run_bench(tmp_path / "small.yaml", tmp_path / "out")
    assert "2 cells (2 rows, 1 noise, 1 seed); 2 done, 0 to run" in capsys.readouterr().out


def test_a_result_of_other_settings_is_refused(tmp_path, capsys):
    (tmp_path / "small.yaml").write_text(SUITE)
    run_bench(tmp_path / "small.yaml", tmp_path / "out")
    (tmp_path / "small.yaml").write_text(SUITE.replace("epochs: 3", "epochs: 4"))
    kept = {path: path.read_bytes() for path in (tmp_path / "out" / "small").glob("*.json")}
    with pytest.raises(RunError) as caught:
        run_bench(tmp_path / "small.yaml", tmp_path / "out")
    told = "its result was run with other settings (epochs 3.0, now 4.0); remove it from"
    assert f"2 of 2 cells failed: {FIRST} and 1 more: {told} {tmp_path / 'out' / 'small'}" in str(
        caught.value
    )
    assert {path: path.read_bytes() for path in (tmp_path / "out" / "small").glob("*.json")} == kept
    assert f"{FIRST}: {told}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("data: digits", "data: cifar10", "data digits, now cifar10"),
        ("{method: ce}", "{method: mixup}", "(method ce, now mixup"),
        (
            "widths: [8]",
            "widths: [9], lr: 0.1, crop: 2",
            "widths [8], now [9]; crop None, now 2; lr None, now 0.1",
        ),
        (
            "epochs: 3, widths: [8]",
            "flops: 1.0e+9, widths: [9], lr: 0.1",
            " and 1 more",
        ),
    ],
)
def test_a_result_says_in_what_it_differs_from_what_is_asked_for(tmp_path, before, after, told):
    (tmp_path / "small.yaml").write_text(SUITE)
    run_bench(tmp_path / "small.yaml", tmp_path / "out")
    (tmp_path / "small.yaml").write_text(SUITE.replace(before, after))
    with pytest.raises(RunError) as caught:
        run_bench(tmp_path / "small.yaml", tmp_path / "out")
    assert f"{told})" in str(caught.value)


def test_a_result_of_the_same_data_in_another_folder_is_kept(tmp_path, monkeypatch):
    (tmp_path / "small.yaml").write_text(SUITE)
    run_bench(tmp_path / "small.yaml", tmp_path / "out")
    path = tmp_path / "out" / "small" / f"{FIRST}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "data": "/another/machine/digits"}))
    monkeypatch.setattr(jobs, "start", lambda *a, **k: pytest.fail("a finished cell ran again"))
    run_bench(tmp_path / "small.yaml", tmp_path / "out")


def test_a_document_may_have_a_place_for_detection_alone_and_keeps_tables_of_other_suites(tmp_path):
    end = "<!-- end of table -->\n"
    (tmp_path / "small.yaml").write_text('title: "a\\eb"\n' + SUITE)
    # What other suites left is not even read: rows may have been renamed since.
    (tmp_path / "out" / "other").mkdir(parents=True)
    (tmp_path / "out" / "other" / "CE.json").write_text("{")
    document = tmp_path / "page.md"
    kept = f"<!-- table: other -->\nold\n{end}<!-- table: more-detection -->\nold\n{end}"
    document.write_text(f"<!-- table: small-detection -->\n{end}{kept}")
    run_bench(tmp_path / "small.yaml", tmp_path / "out", document)
    detection = document.read_text().removesuffix(kept)
    assert detection.endswith(end)
    assert "| noise | method | seeds | average precision |" in detection
    assert (tmp_path / "out" / "small.md").read_text().startswith("# a\\x1bb\n")


def test_results_of_no_cell_are_told_and_left_out_and_stay(tmp_path, capsys):
    (tmp_path / "small.yaml").write_text(SUITE)
    run_bench(tmp_path / "small.yaml", tmp_path / "out")
    kept = (tmp_path / "out" / "small" / f"{FIRST}.json").read_bytes()
    (tmp_path / "out" / "small" / "notes.json").write_text("[")
    (tmp_path / "small.yaml").write_text(SUITE.replace("  CE:", "  Renamed:"))
    run_bench(tmp_path / "small.yaml", tmp_path / "out")
    told = f"left out of the tables, of no cell of this suite: {FIRST}.json, notes.json; remove what is not"
    assert f"2 results in {tmp_path / 'out' / 'small'} {told}" in capsys.readouterr().out
    page = (tmp_path / "out" / "small.md").read_text()
    assert "| Renamed | 1 |" in page
    assert "| CE | 1 |" not in page
    assert (tmp_path / "out" / "small" / f"{FIRST}.json").read_bytes() == kept


def test_a_damaged_result_is_named_and_the_others_have_their_table(tmp_path):
    (tmp_path / "small.yaml").write_text(SUITE)
    run_bench(tmp_path / "small.yaml", tmp_path / "out")
    (tmp_path / "out" / "small" / f"{FIRST}.json").write_text("{")
    with pytest.raises(RunError, match=f"1 of 2 cells failed: {FIRST}: .*{FIRST}.json"):
        run_bench(tmp_path / "small.yaml", tmp_path / "out")
    page = (tmp_path / "out" / "small.md").read_text()
    assert "| Anchors | 1 |" in page
    assert "| CE | 1 |" not in page


def test_without_a_test_set_there_is_no_figure_and_no_accuracy(tmp_path, capsys):
    (tmp_path / "small.yaml").write_text(SUITE.replace("epochs: 3", "epochs: 1, test: none"))
    run_bench(tmp_path / "small.yaml", tmp_path / "out")
    assert "no test set, so there is no figure of test accuracy" in capsys.readouterr().out
    assert not (tmp_path / "out" / "small.png").exists()
    assert "| symmetric:0.3 | CE | 1 |  |  |  |" in (tmp_path / "out" / "small.md").read_text()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"# Page\n", "has no place for the table of small; write the lines '<!-- table: small -->'"),
        (b"<!-- table: small -->\n", "has no place for the table of small"),
        (b"caf\xe9", "is not UTF-8 text .*; save it as UTF-8"),
    ],
)
def test_a_document_that_no_table_can_come_into_is_refused_before_hours_are_spent(tmp_path, content, told):
    (tmp_path / "small.yaml").write_text(SUITE)
    (tmp_path / "page.md").write_bytes(content)
    with pytest.raises(RunError, match=told):
        run_bench(tmp_path / "small.yaml", tmp_path / "out", tmp_path / "page.md")
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "page.md").read_bytes() == content


def test_a_result_from_before_a_setting_existed_counts_as_its_default(tmp_path):
    (tmp_path / "small.yaml").write_text(SUITE)
    run_bench(tmp_path / "small.yaml", tmp_path / "out")
    for path in (tmp_path / "out" / "small").glob("*.json"):
        record = json.loads(path.read_text())
        del record["settings"]["network"]["activation"]
        path.write_text(json.dumps(record))
    (tmp_path / "small.yaml").write_text(SUITE.replace("widths: [8]", "widths: [8], activation: relu"))
    run_bench(tmp_path / "small.yaml", tmp_path / "out")
    (tmp_path / "small.yaml").write_text(SUITE.replace("widths: [8]", "widths: [8], activation: gelu"))
    with pytest.raises(RunError, match="was run with other settings"):
        run_bench(tmp_path / "small.yaml", tmp_path / "out")


def test_a_result_of_an_older_version_counts_as_what_it_means_today(tmp_path, monkeypatch):
    (tmp_path / "small.yaml").write_text(SUITE)
    run_bench(tmp_path / "small.yaml", tmp_path / "out")
    monkeypatch.setattr(retired, "RENAMED_METHODS", (retired.Renamed("plain", "ce", {"kind": "old"}),))
    monkeypatch.setitem(retired.RETIRED, "ce", {"kind": "old", "strength": 1.0})
    (path,) = (tmp_path / "out" / "small").glob("CE*.json")
    record = json.loads(path.read_text())
    record["settings"]["method"] = {"name": "plain", "kind": "old", "strength": 1.0}
    path.write_text(json.dumps(record))
    run_bench(tmp_path / "small.yaml", tmp_path / "out")
    record["settings"]["method"]["strength"] = 2.0
    path.write_text(json.dumps(record))
    with pytest.warns(LabelmendWarning, match=r"CE__.*json: method 'ce' no longer has strength \(it was 2"):
        run_bench(tmp_path / "small.yaml", tmp_path / "out")
    record["settings"]["training"]["momentum"] = 0.5
    path.write_text(json.dumps(record))
    with pytest.raises(RunError, match="was run with other settings"), pytest.warns(LabelmendWarning):
        run_bench(tmp_path / "small.yaml", tmp_path / "out")


FIRST, SECOND = "CE__symmetric-0.3__seed0", "Anchors__symmetric-0.3__seed0"


class Stop(BaseException):
    pass


def stop_after_two(self, row):
    if row["epoch"] == 2:
        raise Stop


def stopped(tmp_path, monkeypatch, suite=SUITE):
    """The first cell is stopped in its third epoch; returns what was begun from then on, by method."""
    (tmp_path / "small.yaml").write_text(suite)
    monkeypatch.setattr(BenchView, "on_epoch", stop_after_two)
    with pytest.raises(Stop):
        run_bench(tmp_path / "small.yaml", tmp_path / "out")
    monkeypatch.undo()
    return noted(monkeypatch)


def noted(monkeypatch):
    """What is begun from now on, by method."""
    begun = []
    start = jobs.start
    monkeypatch.setattr(
        jobs, "start", lambda job, *a, **k: begun.append(job.settings.method.name) or start(job, *a, **k)
    )
    return begun


@pytest.mark.parametrize(
    ("before", "after"),
    [("lr: 0.2", "lr: 0.1"), ("epochs: 3", "epochs: 4"), ("limit: 400", "limit: 300"), ("0.3", "0.2")],
)
def test_a_cell_of_other_settings_is_not_resumed_but_begun_anew(tmp_path, monkeypatch, before, after):
    suite = SUITE.replace("epochs: 3", "epochs: 3, lr: 0.2")
    begun = stopped(tmp_path, monkeypatch, suite)
    # Its run folder is where the cell that now goes by another name would have been.
    (folder,) = (tmp_path / "out" / "runs").iterdir()
    suite = suite.replace(before, after)
    (tmp_path / "small.yaml").write_text(suite)
    cell = read_suite(tmp_path / "small.yaml").cells[0]
    # Another suite may have a cell of the same name.
    assert folder.name.startswith("small__CE__")
    folder.rename(folder.with_name(f"small__{cell.name}"))
    with pytest.warns(
        LabelmendWarning, match=f"{cell.name}: its unfinished run is damaged, or was of other settings"
    ):
        run_bench(tmp_path / "small.yaml", tmp_path / "out")
    assert begun == ["ce", "anchor_hallucination"]
    record = json.loads((tmp_path / "out" / "small" / f"{cell.name}.json").read_text())
    assert same_result(record["settings"], to_dict(cell.settings))


def test_a_cell_of_labels_of_the_same_name_in_another_folder_is_begun_anew(tmp_path, monkeypatch):
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        noise("digits", rate=0.2, seed=number, out=str(tmp_path / str(number) / "labels.csv"))
    suite = f"""\
data: digits
recipe: fast
settings: {{epochs: 3, widths: [8], labels: {tmp_path}/1/labels.csv}}
rows: {{CE: {{method: ce}}, Mixup: {{method: mixup}}}}
"""
    begun = stopped(tmp_path, monkeypatch, suite)
    (tmp_path / "small.yaml").write_text(suite.replace("/1/labels", "/2/labels"))
    with pytest.warns(
        LabelmendWarning, match="its unfinished run is damaged, or was of other settings or data"
    ):
        run_bench(tmp_path / "small.yaml", tmp_path / "out")
    assert begun == ["ce", "mixup"]
    for path in (tmp_path / "out" / "small").glob("*.json"):
        assert json.loads(path.read_text())["settings"]["data"]["labels"] == f"{tmp_path}/2/labels.csv"


def labels_of_seed(folder, number):
    folder.mkdir(exist_ok=True)
    noise("digits", rate=0.2, seed=number, out=str(folder / "labels.csv"))


def test_a_result_of_labels_of_the_same_name_in_another_folder_is_refused(tmp_path, monkeypatch):
    for name, number in (("1", 1), ("2", 2), ("copy", 1)):
        labels_of_seed(tmp_path / name, number)
    suite = f"""\
data: digits
recipe: fast
settings: {{epochs: 1, widths: [8], labels: {tmp_path}/1/labels.csv}}
rows: {{CE: {{method: ce}}}}
"""
    file, out = tmp_path / "small.yaml", tmp_path / "out"
    file.write_text(suite)
    run_bench(file, out)
    monkeypatch.setattr(jobs, "start", lambda *a, **k: pytest.fail("a finished cell ran again"))
    told = (
        r"1 of 1 cells failed: .*its result is of what the labels .*/labels.csv held before; remove it from"
    )
    file.write_text(suite.replace("/1/labels", "/2/labels"))
    with pytest.raises(RunError, match=told):
        run_bench(file, out)
    # The same labels by another name are the same.
    (tmp_path / "copy" / "labels.csv").rename(tmp_path / "copy" / "of_one.csv")
    file.write_text(suite.replace("/1/labels", "/copy/of_one"))
    run_bench(file, out)
    # What cannot be read here has only its name.
    file.write_text(suite.replace("/1/labels", "/gone/labels"))
    run_bench(file, out)
    file.write_text(suite.replace("/1/labels", "/gone/others"))
    with pytest.raises(RunError, match=r"settings \(labels labels.csv, now others.csv\)"):
        run_bench(file, out)
    # The same file with other labels in it.
    file.write_text(suite)
    (tmp_path / "2" / "labels.csv").rename(tmp_path / "1" / "labels.csv")
    with pytest.raises(RunError, match=told):
        run_bench(file, out)


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        (
            ("settings", "network", "weights"),
            5,
            "'settings.network.weights' is 5: input should be a valid string",
        ),
        (("settings", "data", "labels"), ["a"], r"'settings.data.labels' is \['a'\]"),
        (("settings", "method", "name"), ["ce"], r"'settings.method.name' is \['ce'\]"),
        (("settings", "method"), 3, "'settings.method' is 3"),
        (("contents",), 3, "'contents' is 3"),
        (("data",), None, "'data' is None"),
    ],
)
def test_a_result_that_holds_something_else_is_named_with_what_to_do(tmp_path, place, value, told):
    (tmp_path / "small.yaml").write_text(SUITE)
    run_bench(tmp_path / "small.yaml", tmp_path / "out")
    path = tmp_path / "out" / "small" / f"{FIRST}.json"
    record = inner = json.loads(path.read_text())
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    path.write_text(json.dumps(record))
    with pytest.raises(RunError, match=f"{FIRST}.json: {told}.*; remove it, and the cell is run again"):
        run_bench(tmp_path / "small.yaml", tmp_path / "out")


@pytest.mark.parametrize("name", ["data.json", "settings.yaml"])
@pytest.mark.parametrize("finished", [False, True])
def test_a_damaged_run_of_a_cell_is_begun_anew(tmp_path, monkeypatch, name, finished):
    begun = stopped(tmp_path, monkeypatch)
    (folder,) = (tmp_path / "out" / "runs").iterdir()
    if finished:
        (folder / "summary.json").write_text("{")
    else:
        (folder / name).write_text("{")
    with pytest.warns(LabelmendWarning, match="its unfinished run is damaged, or was of other settings"):
        run_bench(tmp_path / "small.yaml", tmp_path / "out")
    assert begun == ["ce", "anchor_hallucination"]


def test_a_cell_of_weights_of_the_same_name_in_another_folder_is_begun_anew(tmp_path):
    def cell_of(place):
        (tmp_path / place).mkdir(exist_ok=True)
        save_file(timm.create_model("test_resnet").state_dict(), tmp_path / place / "w.safetensors")
        (tmp_path / f"{place}.yaml").write_text(
            PHOTOS.replace("pretrained: false", f"weights: {tmp_path}/{place}/w.safetensors").split(
                "  Anchors"
            )[0]
        )
        return read_suite(tmp_path / f"{place}.yaml").cells[0]

    with pytest.warns(LabelmendWarning, match="the head .* is left out"):
        record = run.run_cell(cell_of("1"), tmp_path / "run", Silent())
    assert run._is_of(cell_of("1"), tmp_path / "run")
    assert not run._is_of(cell_of("2"), tmp_path / "run")
    assert set(record["contents"]) == {"weights"}


def test_other_files_beside_images_do_not_make_another_data_set(tmp_path, monkeypatch):
    for row in range(8):
        (tmp_path / "data" / "ab"[row % 2]).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(row).integers(0, 255, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "data" / "ab"[row % 2] / f"{row}.png")
    (tmp_path / "s.yaml").write_text(
        f"data: {tmp_path}/data\nrecipe: fast\n"
        "settings: {epochs: 1, batch_size: 4, widths: [8], depth: 1}\nrows: {CE: {method: ce}}"
    )
    run_bench(tmp_path / "s.yaml", tmp_path / "out")
    monkeypatch.setattr(jobs, "start", lambda *a, **k: pytest.fail("a finished cell ran again"))
    for name in ("README.md", "a/Thumbs.db", "a/.hidden.png", "report.html"):
        (tmp_path / "data" / name).write_text("x")
    run_bench(tmp_path / "s.yaml", tmp_path / "out")
    # An image may have no suffix.
    (tmp_path / "data" / "a" / "more").write_bytes((tmp_path / "data" / "a" / "0.png").read_bytes())
    with pytest.raises(RunError, match="held before"):
        run_bench(tmp_path / "s.yaml", tmp_path / "out")
    (tmp_path / "data" / "a" / "more").unlink()
    run_bench(tmp_path / "s.yaml", tmp_path / "out")
    (tmp_path / "data" / "a" / "0.png").rename(tmp_path / "data" / "b" / "0.png")
    with pytest.raises(RunError, match=f"is of what the data {tmp_path}/data held before; remove it from"):
        run_bench(tmp_path / "s.yaml", tmp_path / "out")


def test_results_may_lie_where_the_images_of_a_table_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tables").mkdir()
    rows = ["path,label"]
    for row in range(8):
        pixels = np.random.default_rng(row).integers(0, 255, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{row}.png")
        rows.append(f"{row}.png,{'ab'[row % 2]}")
    (tmp_path / "tables" / "t.csv").write_text("\n".join(rows))
    Path("s.yaml").write_text(
        "data: tables/t.csv\nrecipe: fast\nsettings:\n"
        '  {epochs: 1, batch_size: 4, widths: [8], depth: 1, image_root: "."}\nrows: {CE: {method: ce}}'
    )
    for _ in range(2):
        run_bench(Path("s.yaml"), Path("results"))
        monkeypatch.setattr(jobs, "start", lambda *a, **k: pytest.fail("a finished cell ran again"))


def test_options_that_older_versions_wrote_of_frozen_networks_are_no_difference():
    photos = to_dict(resolve("photos", "ce"))
    older = {**photos, "network": {**photos["network"], "activation": "gelu"}}
    assert same_result(older, photos)
    assert not same_result({**older, "network": {**older["network"], "network": "timm:resnet50"}}, photos)
    trained = to_dict(resolve("fast", "ce"))
    assert not same_result({**trained, "network": {**trained["network"], "activation": "relu"}}, trained)


def test_a_folder_named_as_what_a_setting_says_does_not_keep_a_cell_from_going_on(tmp_path, monkeypatch):
    suite = SUITE.replace("epochs: 3", "epochs: 3, test: none")
    begun = stopped(tmp_path, monkeypatch, suite)
    (tmp_path / "none").mkdir()
    monkeypatch.chdir(tmp_path)
    run_bench(tmp_path / "small.yaml", tmp_path / "out")
    assert begun == ["anchor_hallucination"]


def test_suites_share_the_soft_labels_of_classifier_noise(tmp_path, monkeypatch):
    """The network behind them trains for minutes on 10,000 images."""
    made = []

    def averaged_softmax(train_set, recipe, seed):
        made.append(len(train_set))
        return np.eye(10, dtype=np.float32)[(train_set.given_labels + 1) % 10] / 2 + np.float32(0.05)

    monkeypatch.setattr(soft_labels, "averaged_softmax", averaged_softmax)
    for name, rate in (("a", 0.2), ("b", 0.4)):
        suite = SUITE.replace("symmetric:0.3", f"classifier:{rate}").split("  Anchors")[0]
        (tmp_path / f"{name}.yaml").write_text(suite)
        run_bench(tmp_path / f"{name}.yaml", tmp_path / "out")
        (file,) = (tmp_path / "out" / name).glob("*.json")
        assert json.loads(file.read_text())["noise_record"]["nominal_rate"] == rate
    assert len(made) == 1


@pytest.mark.parametrize("name", ["test", "labels", "decisions", "image_root", "weights"])
def test_where_something_lies_may_differ_but_not_what_it_is(name):
    def settings(value):
        return to_dict(resolve(method="ce", overrides={name: value}))

    assert same_result(settings("a/b"), settings("/c/b"))
    for other in (None, "a/c", "trusted"):
        assert not same_result(settings("a/b"), settings(other))


PHOTOS = """
data: digits
recipe: photos
settings: {epochs: 3, limit: 40, network: "timm:test_resnet", pretrained: false, precision: float32}
noises: ["symmetric:0.3"]
seeds: [0]
rows:
  CE: {method: ce}
  Anchors: {method: anchor_hallucination, warmup: 0.5, hallucinator: closed_form}
"""


def test_a_network_whose_full_name_is_another_is_gone_on_with_and_not_run_again(tmp_path, monkeypatch):
    begun = stopped(tmp_path, monkeypatch, PHOTOS)
    run_bench(tmp_path / "small.yaml", tmp_path / "out")
    assert begun == ["anchor_hallucination"]
    (path,) = (tmp_path / "out" / "small").glob("CE*.json")
    record = json.loads(path.read_text())
    assert record["settings"]["network"]["network"] == "timm:test_resnet.r160_in1k"
    run_bench(tmp_path / "small.yaml", tmp_path / "out")
    assert begun == ["anchor_hallucination"]
    (tmp_path / "small.yaml").write_text(PHOTOS.replace("test_resnet", "test_vit"))
    with pytest.raises(
        RunError, match=r"2 of 2 cells failed: CE__.* was run with other settings.*another name$"
    ):
        run_bench(tmp_path / "small.yaml", tmp_path / "out")


TRUSTED_SUITE = """
data: digits
settings:
  {labels: labels.csv, test: trusted, method: ce, epochs: 1, widths: [8], limit: 200, precision: float32}
rows:
  Slow: {lr: 0.01}
"""


def test_rows_that_other_labels_scored_are_not_compared_with_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    noise("digits", rate=0.0, trusted=300, seed=1, out="labels.csv")
    Path("small.yaml").write_text(TRUSTED_SUITE)
    run_bench(Path("small.yaml"), Path("out"))
    assert "Best by 39 trusted labels, as given: Slow, " in Path("out/small.md").read_text()
    noise("digits", rate=0.0, trusted=300, seed=2, out="labels.csv", overwrite=True)
    # As older versions left it, or another machine, whose files cannot be compared.
    (path,) = Path("out/small").glob("*.json")
    record = json.loads(path.read_text())
    del record["contents"]
    path.write_text(json.dumps(record))
    Path("small.yaml").write_text(TRUSTED_SUITE + "  Fast: {lr: 0.1}\n")
    run_bench(Path("small.yaml"), Path("out"))
    page = Path("out/small.md").read_text()
    assert "No row is chosen for as given: they were scored by different trusted labels" in page
    # Other images were held out, too.
    told = "trained on others: seed 0 of Slow; scored by others: seed 0 of Slow. Remove the older results"
    assert (
        f"Not all cells of as given had the labels of most, though the suite asks for the same: {told}"
        in page
    )


def test_the_folder_of_public_data_sets_may_be_said_elsewhere():
    of_one = to_dict(resolve(method="ce", overrides={"root": "a"}))
    assert same_result(of_one, to_dict(resolve(method="ce")))


def test_one_failing_cell_is_named_and_does_not_stop_the_rest(tmp_path, monkeypatch, capsys):
    suite = SUITE.replace("CE: {method: ce}", "Bad: {method: ce, lr: 1.0e+30}\n  Broken: {method: mixup}")
    (tmp_path / "small.yaml").write_text(suite)
    prepare = jobs.prepare

    def broken(settings, *args, **kwargs):
        if settings.method.name == "mixup":
            raise ZeroDivisionError("oh")
        return prepare(settings, *args, **kwargs)

    monkeypatch.setattr(jobs, "prepare", broken)
    with pytest.raises(RunError, match="2 of 3 cells failed: Bad__") as caught:
        run_bench(tmp_path / "small.yaml", tmp_path / "out")
    assert "diverged" in str(caught.value)
    assert "; Broken__symmetric-0.3__seed0: unexpected ZeroDivisionError: oh" in str(caught.value)
    assert [path.stem for path in (tmp_path / "out" / "small").glob("*.json")] == [SECOND]
    assert "Anchors" in (tmp_path / "out" / "small.md").read_text()
    assert "Bad__symmetric-0.3__seed0: failed" in capsys.readouterr().out
    monkeypatch.undo()
    # What diverged is tried again from the beginning.
    (tmp_path / "small.yaml").write_text(suite.replace("lr: 1.0e+30", "lr: 0.1"))
    run_bench(tmp_path / "small.yaml", tmp_path / "out")
    assert len(list((tmp_path / "out" / "small").glob("*.json"))) == 3


def test_a_cell_that_diverges_before_it_has_a_folder_says_so(tmp_path, monkeypatch):
    """As where the network behind classifier noise does."""

    def diverge(*_args, **_kwargs):
        raise DivergedError("the loss is nan in epoch 1")

    (tmp_path / "small.yaml").write_text(SUITE)
    monkeypatch.setattr(run, "run_cell", diverge)
    with pytest.raises(RunError, match=r"cells failed: CE__[^;]*: the loss is nan in epoch 1"):
        run_bench(tmp_path / "small.yaml", tmp_path / "out")


def test_a_reason_of_many_cells_is_told_once(tmp_path, monkeypatch):
    monkeypatch.delenv("LABELMEND_DATA", raising=False)
    suite = SUITE.replace("data: digits", "data: cifar10")
    (tmp_path / "small.yaml").write_text(suite)
    with pytest.raises(RunError) as caught:
        run_bench(tmp_path / "small.yaml", tmp_path / "out")
    message = str(caught.value)
    assert message.startswith(f"2 of 2 cells failed: {FIRST} and 1 more: cifar10: no folder is given; ")
    assert message.count("no folder is given") == 1
    assert message.endswith("; what is named as a flag is a setting of the suite")


def no_space(*_args, **_kwargs):
    raise WriteError("a cannot be written: No space left on device")


def test_a_full_disk_stops_the_suite_and_names_the_cell_and_what_is_done_has_its_page(tmp_path, monkeypatch):
    (tmp_path / "small.yaml").write_text(SUITE.replace("  Anchors", "  B: {method: ce}\n  Anchors"))
    begun = []
    start = jobs.start

    def full_at_the_second(job, *args, **kwargs):
        begun.append(1)
        if len(begun) > 1:
            monkeypatch.setattr(run, "write_json", no_space)
            no_space()
        return start(job, *args, **kwargs)

    monkeypatch.setattr(jobs, "start", full_at_the_second)
    told = "B__symmetric-0.3__seed0: a cannot be written.*; that cannot be recorded: a cannot be written"
    with pytest.raises(WriteError, match=told):
        run_bench(tmp_path / "small.yaml", tmp_path / "out")
    assert begun == [1, 1]
    page = (tmp_path / "out" / "small.md").read_text()
    assert "| CE | 1 |" in page
    why = "failed: a cannot be written: No space left on device"
    listed = f"- `B__symmetric-0.3__seed0`: {why}\n- `{SECOND}`: not run yet\n"
    assert f"\n\n2 of 3 cells are not there:\n\n{listed}" in page


def test_what_one_noise_cannot_write_does_not_stop_the_others(tmp_path):
    """Its soft labels are kept in a file of their own."""
    suite = SUITE.replace('["symmetric', '["classifier:0.3:soft=/proc/none/x.npz", "symmetric')
    (tmp_path / "small.yaml").write_text(suite.split("  Anchors")[0])
    with pytest.raises(RunError, match=r"1 of 2 cells failed: CE__classifier.* cannot be"):
        run_bench(tmp_path / "small.yaml", tmp_path / "out")
    assert "| symmetric:0.3 | CE | 1 |" in (tmp_path / "out" / "small.md").read_text()


def test_a_failed_cell_is_recorded_and_stands_on_the_page_until_it_is_done(tmp_path, monkeypatch):
    (tmp_path / "small.yaml").write_text(SUITE)
    (tmp_path / "out").mkdir()
    figure = tmp_path / "out" / "small.png"
    figure.write_bytes(b"old")
    monkeypatch.setattr(jobs, "prepare", lambda *a, **k: 1 / 0)
    with pytest.raises(RunError, match="2 of 2 cells failed"):
        run_bench(tmp_path / "small.yaml", tmp_path / "out")
    monkeypatch.undo()
    why = "unexpected ZeroDivisionError: division by zero"
    page = tmp_path / "out" / "small.md"
    assert page.read_text() == (
        f"# small\n\n2 of 2 cells are not there:\n\n- `{FIRST}`, `{SECOND}`: failed: {why}\n"
    )
    assert not figure.exists()
    kept = tmp_path / "out" / "small" / "failed" / f"{SECOND}.json"
    record = json.loads(kept.read_text())
    day = record.pop("day")
    assert record == {
        "suite": "small",
        "row": "Anchors",
        "noise": "symmetric:0.3",
        "seed": 0,
        "error": why,
    }
    stopped(tmp_path, monkeypatch)
    # Neither was finished since.
    assert f"- `{FIRST}`, `{SECOND}`: failed on {day}: {why}\n" in page.read_text()
    kept.write_text("{")
    monkeypatch.undo()
    stopped(tmp_path, monkeypatch)
    assert f"`{SECOND}`: stopped on its way; the same command goes on with it\n" in page.read_text()
    run_bench(tmp_path / "small.yaml", tmp_path / "out")
    assert "not there" not in page.read_text()
    assert not kept.parent.exists()


def test_an_unfinished_cell_whose_data_changed_is_begun_anew(tmp_path, monkeypatch):
    begun = stopped(tmp_path, monkeypatch)
    (path,) = (tmp_path / "out" / "runs").glob("*/data.json")
    record = json.loads(path.read_text())
    record["train"]["given labels"] = "others"
    path.write_text(json.dumps(record))
    write_sums(path.parent, jobs.STARTED, {})
    with pytest.warns(
        LabelmendWarning,
        match="its unfinished run is damaged, or was of other settings or data, and is begun",
    ):
        run_bench(tmp_path / "small.yaml", tmp_path / "out")
    assert begun == ["ce", "anchor_hallucination"]


@pytest.mark.parametrize("changed", [False, True])
def test_a_finished_run_without_its_result_is_taken_for_the_data_that_it_had(tmp_path, monkeypatch, changed):
    (tmp_path / "small.yaml").write_text(SUITE)

    def killed(*_):
        raise Stop

    monkeypatch.setattr(run, "result_of", killed)
    with pytest.raises(Stop):
        run_bench(tmp_path / "small.yaml", tmp_path / "out")
    monkeypatch.undo()
    (folder,) = (tmp_path / "out" / "runs").iterdir()
    if changed:
        record = json.loads((folder / "data.json").read_text())
        record["train"]["given labels"] = "others"
        (folder / "data.json").write_text(json.dumps(record))
        write_sums(folder, jobs.STARTED, {})
    begun = noted(monkeypatch)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        run_bench(tmp_path / "small.yaml", tmp_path / "out")
    assert begun == ["ce"] * changed + ["anchor_hallucination"]
    assert any("was of other settings or data" in str(warning.message) for warning in told) == changed
    assert (tmp_path / "out" / "small" / f"{FIRST}.json").is_file()


def test_an_unfinished_cell_that_cannot_be_written_stays(tmp_path, monkeypatch):
    begun = stopped(tmp_path, monkeypatch)
    monkeypatch.setattr(jobs, "reload", no_space)
    with pytest.raises(RunError, match=r"1 of 2 cells failed: CE__.*No space left"):
        run_bench(tmp_path / "small.yaml", tmp_path / "out")
    assert begun == ["anchor_hallucination"]


def test_a_row_that_is_called_otherwise_with_the_same_file_name_stays_one_row(tmp_path):
    suite = SUITE.replace("CE:", "CE alone:").split("  Anchors")[0]
    (tmp_path / "small.yaml").write_text(suite)
    run_bench(tmp_path / "small.yaml", tmp_path / "out")
    suite = suite.replace("CE alone:", '"CE, alone":').replace("seeds: [0]", "seeds: [0, 1]")
    (tmp_path / "small.yaml").write_text(suite)
    run_bench(tmp_path / "small.yaml", tmp_path / "out")
    page = (tmp_path / "out" / "small.md").read_text()
    assert "| CE, alone | 2 |" in page
    assert "CE alone" not in page


def test_a_result_without_what_tables_are_made_of_is_named(tmp_path):
    (tmp_path / "small.yaml").write_text(SUITE)
    run_bench(tmp_path / "small.yaml", tmp_path / "out")
    path = tmp_path / "out" / "small" / f"{FIRST}.json"
    record = json.loads(path.read_text())
    del record["summary"]["processor"]
    path.write_text(json.dumps(record))
    told = f"1 of 2 cells failed: {FIRST}: .*{FIRST}.json: 'summary.processor' is missing; "
    with pytest.raises(RunError, match=told):
        run_bench(tmp_path / "small.yaml", tmp_path / "out")
    assert (
        f"1 of 2 cells is not there:\n\n- `{FIRST}`: failed: " in (tmp_path / "out" / "small.md").read_text()
    )


@pytest.mark.parametrize("name", ["detection_ap", "neighbour_auroc", "test_accuracy_best"])
def test_a_figure_that_is_no_number_is_named(tmp_path, name):
    (tmp_path / "small.yaml").write_text(SUITE)
    run_bench(tmp_path / "small.yaml", tmp_path / "out")
    path = tmp_path / "out" / "small" / f"{FIRST}.json"
    record = json.loads(path.read_text())
    record["summary"][name] = "high"
    path.write_text(json.dumps(record))
    with pytest.raises(RunError, match=rf"{FIRST}.json: 'summary.{name}' is .*high.* remove it"):
        run_bench(tmp_path / "small.yaml", tmp_path / "out")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (
            "data: digits",
            "data: digitz",
            "suite .*small.yaml: 'data' is 'digitz'; digitz: there is no such file",
        ),
        (
            "method: ce",
            "method: ce, test: tset",
            "small.yaml, row 'CE': 'test' is 'tset'; tset: there is no such",
        ),
    ],
)
def test_data_that_are_nowhere_are_refused_before_anything_is_written(tmp_path, before, after, told):
    (tmp_path / "small.yaml").write_text(SUITE.replace(before, after))
    with pytest.raises(SettingsError, match=told):
        run_bench(tmp_path / "small.yaml", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_finished_cells_have_their_table_without_their_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("some.npz", images=np.zeros((40, 8, 8), np.uint8), labels=np.arange(40) % 2)
    (tmp_path / "small.yaml").write_text(
        SUITE.split("noises")[0].replace("digits", "some.npz") + "rows: {CE: {method: ce}}"
    )
    run_bench(tmp_path / "small.yaml", tmp_path / "out")
    Path("some.npz").unlink()
    run_bench(tmp_path / "small.yaml", tmp_path / "out")


def test_a_cell_that_was_stopped_is_told_from_one_that_was_not_begun(tmp_path, monkeypatch):
    stopped(tmp_path, monkeypatch)
    page = (tmp_path / "out" / "small.md").read_text()
    assert (
        f"- `{FIRST}`: stopped on its way; the same command goes on with it\n- `{SECOND}`: not run yet\n"
        in page
    )


def test_a_warning_names_the_cell_that_it_is_of(tmp_path):
    suite = SUITE.replace("warmup: 0.5", "warmup: 0.99")
    (tmp_path / "small.yaml").write_text(suite)
    with pytest.warns(LabelmendWarning, match=f"^{SECOND}: no samples were selected in training"):
        run_bench(tmp_path / "small.yaml", tmp_path / "out")


def test_a_row_that_its_method_refuses_is_no_cell_that_fails(tmp_path):
    (tmp_path / "small.yaml").write_text(SUITE.replace("method: ce", "method: gce, label_smoothing: 0.1"))
    with pytest.raises(
        SettingsError, match=r"small.yaml, row 'CE': --label-smoothing is 0.1, but --method gce"
    ):
        run_bench(tmp_path / "small.yaml", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_benches_on_one_folder(tmp_path):
    (tmp_path / "small.yaml").write_text(SUITE)
    (tmp_path / "out" / "small").mkdir(parents=True)
    with locked(tmp_path / "out" / "small"), pytest.raises(RunError, match="another labelmend is at work"):
        run_bench(tmp_path / "small.yaml", tmp_path / "out")
    assert list((tmp_path / "out" / "small").iterdir()) == []


def test_a_bench_among_its_images_is_refused(tmp_path):
    (tmp_path / "small.yaml").write_text(SUITE.replace("data: digits", f"data: {tmp_path}"))
    for out in (tmp_path / "out", tmp_path):
        before = sorted(tmp_path.iterdir())
        with pytest.raises(RunError, match=f"--out {out} lies inside the data"):
            run_bench(tmp_path / "small.yaml", out)
        assert sorted(tmp_path.iterdir()) == before


def test_the_cell_in_hand_is_resumed(tmp_path, monkeypatch):
    (tmp_path / "small.yaml").write_text(SUITE)
    run_bench(tmp_path / "small.yaml", tmp_path / "whole")

    begun = stopped(tmp_path, monkeypatch)
    run_bench(tmp_path / "small.yaml", tmp_path / "out")
    assert begun == ["anchor_hallucination"]
    name = "CE__symmetric-0.3__seed0.json"
    whole, resumed = (json.loads((tmp_path / d / "small" / name).read_text()) for d in ("whole", "out"))
    for point in [*whole["curve"], *resumed["curve"]]:
        assert point.pop("seconds") > 0
    assert whole["curve"] == resumed["curve"]
