import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

import labelmend
from corrections.sets import FAST, LABELS, NAMES, suggest, write_folders, write_table
from labelmend.cli.main import main
from labelmend.data import load
from labelmend.data.tables import read_table
from labelmend.errors import RunError, WriteError
from labelmend.runs.pictures import open_pictures
from labelmend.runs.run import load_run
from labelmend.verdicts.decisions import Decisions

ROOT = Path(__file__).parents[2]
FLAGS = [f"--{name.replace('_', '-')}={value}" for name, value in FAST.items()]
FLAGS = [flag.replace("[", "").replace("]", "") for flag in FLAGS]


def fit_apply_fit(document, kind):
    """The three lines in which a document does that, as lists of arguments."""
    text = (ROOT / document).read_text(encoding="utf-8")
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [[shlex.split(line[2:]) for line in block.splitlines()] for block in blocks]
    of_table, of_folder = (argvs for argvs in lines if [argv[1] for argv in argvs] == ["fit", "apply", "fit"])
    return of_folder if kind == "folder" else of_table


def run_line(argv, kind, suggestions):
    argv = [argument.replace(".csv", kind) if kind != "folder" else argument for argument in argv[1:]]
    assert main([*argv, *(FLAGS if argv[0] == "fit" else ())]) == 0
    if argv[0] == "fit":
        suggest(Path("runs/photos"), suggestions)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("document", ["README.md", "docs/LABELS.md"])
@pytest.mark.parametrize("kind", ["folder", ".csv", ".parquet", ".jsonl"])
def test_the_examples_fit_apply_and_fit_again(tmp_path, monkeypatch, capsys, document, kind):
    monkeypatch.chdir(tmp_path)
    if kind == "folder":
        write_folders(tmp_path / "photos")
        suggestions = {"cat/0.png": ("dog", 0.95)}
    else:
        write_table(tmp_path, kind)
        suggestions = {"0.png": ("dog", 0.95)}
    for argv in fit_apply_fit(document, kind):
        run_line(argv, kind, suggestions)
    given = load_run("runs/mended").verdicts.table.set_index("id")["given_label"]
    first = next(iter(suggestions))
    expected = {f"{la}/{n}" if kind == "folder" else n: la for n, la in zip(NAMES, LABELS, strict=True)}
    assert given.to_dict() == {**expected, first: "dog"}
    out = capsys.readouterr().out
    assert (
        "1 of 8 labels change: 1 suggestion with a confidence of 0.9 or more; left: 0 suggestions below"
        in out
    )
    assert "Back:  labelmend revert runs/photos" in out


def test_the_suggestions_of_a_run_without_a_file(folders, tmp_path, capsys, monkeypatch):
    photos, run = folders
    assert main(["fit", str(photos), "--labels", str(run), "--out", str(tmp_path / "again"), *FLAGS]) == 0
    assert f"labels are those that {run} suggests: 2 suggestions with a confidence" in capsys.readouterr().out
    assert load_run(tmp_path / "again").verdicts.table.set_index("id")["given_label"]["cat/0.png"] == "dog"


@pytest.mark.filterwarnings("ignore")
def test_what_a_person_decided_is_trusted_and_written(folders, tmp_path, capsys):
    photos, run = folders
    with Decisions.open(run, create=True) as decisions:
        decisions.record_all([("cat/4.png", "choose", "dog"), ("cat/0.png", "keep", None)])
    again = tmp_path / "again"
    assert main(["fit", str(photos), "--decisions", str(run), "--out", str(again), *FLAGS]) == 0
    assert "2 labels were decided by a person" in capsys.readouterr().out
    found = load_run(again).verdicts.table.set_index("id")
    for identity, label in (("cat/4.png", "dog"), ("cat/0.png", "cat")):
        row = found.loc[identity]
        assert (row.given_label, row.suggested_label, row.verdict) == (label, label, "easy")
        assert row.label_quality == 1
    assert main(["apply", str(suggest(again, {}))]) == 0
    assert "1 further labels are those that the run was given" in capsys.readouterr().out
    labels = read_table(again / "corrections" / "1" / "labels.csv").columns
    assert dict(zip(labels["id"], labels["label"], strict=True))["cat/4.png"] == "dog"


def test_decided_labels_are_no_labels_that_have_changed_since(folders, tmp_path, capsys):
    photos, run = folders
    with Decisions.open(run, create=True) as decisions:
        decisions.record("cat/4.png", "choose", "dog")
    again = tmp_path / "again"
    assert main(["fit", str(photos), "--decisions", str(run), "--out", str(again), *FLAGS]) == 0
    assert "has changed since the run" not in capsys.readouterr().out
    assert open_pictures(again).notice == ""
    shutil.rmtree(run)
    assert open_pictures(again).notice == ""
    (photos / "cat" / "0.png").rename(photos / "dog" / "c0.png")
    assert "1 of" in open_pictures(again).notice


def test_arrays_with_decided_labels_have_a_report(tmp_path):
    draw = np.random.default_rng(0)
    data = (draw.integers(0, 256, (24, 8, 8), dtype=np.uint8), np.arange(24) % 2)
    quick = {"epochs": 1, "widths": [8]}
    labelmend.fit(data, out=tmp_path / "a", **quick)
    with Decisions.open(tmp_path / "a", create=True) as decisions:
        decisions.record("3", "choose", "0")
    run = labelmend.fit(data, out=tmp_path / "b", decisions=str(tmp_path / "a"), **quick)
    assert run.verdicts.table["given_label"].iloc[3] == "0"
    assert labelmend.write_report(tmp_path / "b", data=data).is_file()
    others = (data[0], 1 - data[1])
    with pytest.raises(RunError, match="23 labels are others"):
        labelmend.write_report(tmp_path / "b", data=others)


def test_moves_are_planned_done_and_taken_back(folders, capsys):
    photos, run = folders
    assert main(["apply", str(run), "--move"]) == 0
    out = capsys.readouterr().out
    assert f"{photos}/cat/0.png -> {photos}/dog/0.png" in out
    assert f"nothing was moved; the plan is in {run}/corrections/plan.csv" in out
    assert main(["apply", str(run), "--move", "--yes"]) == 0
    assert (photos / "dog" / "0.png").exists()
    assert "2 images are in the folders of their new classes" in capsys.readouterr().out
    assert main(["revert", str(run)]) == 0
    assert capsys.readouterr().out == "2 images are back in their places\n"
    assert main(["apply", str(run)]) == 0
    assert main(["revert", str(run)]) == 0
    assert "labels.csv holds the labels as they were" in capsys.readouterr().out


def test_moves_that_stopped_half_way_are_named_before_they_go_on(folders, capsys):
    photos, run = folders
    assert main(["apply", str(run), "--move", "--yes"]) == 0
    journal = run / "corrections" / "1" / "journal.json"
    journal.write_text(journal.read_text().replace('"done"', '"begun"'))
    (photos / "dog" / "0.png").rename(photos / "cat" / "0.png")
    capsys.readouterr()
    assert main(["apply", str(run), "--move", "--yes"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first == f"going on with 2 moves within {photos} that stopped half-way ({run}/corrections/1)"
    assert (photos / "dog" / "0.png").exists()


def test_commands_that_are_named_can_be_copied_whatever_folders_are_called(folders, tmp_path, capsys):
    run = folders[1].rename(tmp_path / "my 'run' $1")
    said = []
    for argv in (["show", "--top", "3"], ["show"], ["apply"], ["apply", "--move"]):
        assert main([argv[0], str(run), *argv[1:]]) == 0
        said += capsys.readouterr().out.splitlines()
    commands = [
        shlex.split(line)[1:] for line in said if "labelmend " in line and line[:4] in ("Next", "Back")
    ]
    assert [command[1] for command in commands] == ["predict", "predict", "revert", "fit", "apply"]
    assert all(Path(command[2]).is_dir() for command in commands)
    (run / "summary.json").unlink()
    assert main(["show", str(run)]) == 2
    assert f"labelmend resume {shlex.quote(str(run))} goes on" in capsys.readouterr().err


def changes(run, *flags):
    """Labels that the command changes, by id."""
    done = sorted((run / "corrections").glob("[0-9]*"), key=lambda folder: int(folder.name))
    assert main(["apply", str(run), *flags]) == 0
    columns = read_table(run / "corrections" / str(len(done) + 1) / "patch.csv").columns
    return dict(zip(columns["id"], columns["to"], strict=True))


def test_it_says_what_comes_from_a_person_and_what_from_the_run_before_it_writes(
    folders, capsys, monkeypatch
):
    _, run = folders
    with Decisions.open(run, create=True) as decisions:
        decisions.record_all([("cat/4.png", "choose", "dog"), ("cat/0.png", "keep", None)])
        decisions.record("cat/6.png", "skip")
    assert changes(run) == {"cat/0.png": "dog", "dog/1.png": "cat"}
    out = capsys.readouterr().out
    assert (
        "2 of 8 labels change: 2 suggestions with a confidence of 0.9 or more; left: 1 suggestion below"
        in out
    )
    assert "what a person decided about 2 images is left out: --decisions takes it and sure sugg" in out
    assert changes(run, "--decisions") == {"cat/4.png": "dog", "dog/1.png": "cat"}
    out = capsys.readouterr().out
    assert (
        "2 of 8 labels change: 1 decided by a person, and 1 suggestion that nobody decided, with a "
        "confidence of 0.9 or more; left: 1 suggestion below it\na person decided about 2 images; 1 of"
    ) in out
    assert "left out" not in out
    assert changes(run, "--decisions-only") == {"cat/4.png": "dog"}
    assert (
        "1 of 8 labels change: 1 decided by a person; left: 2 suggestions that nobody decided"
        in capsys.readouterr().out
    )

    def full(*_):
        raise WriteError("the disk is full")

    monkeypatch.setattr("labelmend.runs.journal.next_folder", full)
    assert main(["apply", str(run), "--decisions"]) == 2
    assert "2 of 8 labels change" in capsys.readouterr().out


def test_however_sure_no_suggestion_is_taken_beside_decisions_alone(folders):
    _, run = folders
    suggest(run, {"cat/0.png": ("dog", 1.0)})
    with Decisions.open(run, create=True) as decisions:
        decisions.record("cat/4.png", "choose", "dog")
    assert changes(run, "--decisions") == {"cat/0.png": "dog", "cat/4.png": "dog"}
    assert changes(run, "--decisions-only") == {"cat/4.png": "dog"}


def test_decisions_that_nobody_asked_for_may_be_damaged(folders, capsys):
    _, run = folders
    (run / "decisions.sqlite").touch()
    assert len(changes(run)) == 2
    (run / "decisions.sqlite").write_bytes(b"no database" * 100)
    assert len(changes(run)) == 2
    assert main(["apply", str(run), "--decisions"]) == 2
    assert "decisions.sqlite" in capsys.readouterr().err


@pytest.mark.parametrize(
    "flags",
    [
        "",
        " --decisions",
        " --decisions-only",
        " --min-confidence 0.5 --include-test",
        " --decisions --min-confidence 1",
    ],
)
def test_a_plan_names_the_command_that_does_what_it_shows(folders, capsys, flags):
    _, run = folders
    with Decisions.open(run, create=True) as decisions:
        decisions.record("cat/4.png", "choose", "dog")
    assert main(["apply", str(run), "--move", *flags.split()]) == 0
    planned = capsys.readouterr().out
    assert planned.endswith(f"Next: labelmend apply {run} --move --yes{flags}\n")
    moves = [line.strip().split(" -> ") for line in planned.splitlines() if " -> " in line]
    assert main(planned.splitlines()[-1].split()[2:]) == 0
    assert moves
    assert all(Path(after).exists() and not Path(before).exists() for before, after in moves)


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (["--yes"], "--yes is for --move"),
        (["--move", "--out", "x.csv"], "--out is the name of a table, and --move writes none"),
        (["--min-confidence", "1.5"], "--min-confidence is 1.5, but must be in [0, 1]"),
        (["--decisions"], "nothing was decided about"),
        (["--decisions-only"], "nothing was decided about"),
    ],
)
def test_what_is_refused(folders, capsys, flags, error):
    assert main(["apply", str(folders[1]), *flags]) == 2
    assert error in capsys.readouterr().err


def test_nothing_that_a_label_holds_reaches_the_terminal(tmp_path, judge, capsys):
    labels = ["\x1b[31mred", "[bold]x"]
    photos = write_folders(tmp_path / "photos", labels * 4)
    run = judge(photos, {"\x1b[31mred/0.png": ("[bold]x", 1.0)})
    assert main(["apply", str(run), "--move"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert r"\x1b[31mred/0.png" in out


def test_a_new_class_has_a_way_on_that_works(tmp_path, judge, capsys):
    source = write_table(tmp_path / "photos", ".csv")
    run = judge(source, {})
    with Decisions.open(run, create=True) as decisions:
        decisions.record("0.png", "choose", "bird")
    assert main(["apply", str(run), "--decisions-only"]) == 0
    out = capsys.readouterr().out
    assert "New:   no image of the data has the class 'bird'; --out FILE beside a table" in out
    assert "Next:" not in out
    whole = source.parent / "new.csv"
    assert main(["apply", str(run), "--decisions-only", "--out", str(whole)]) == 0
    assert "bird" in load(whole).class_names


@pytest.mark.filterwarnings("ignore")
def test_the_next_command_reads_the_data_as_the_run_did(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path, ".csv")
    lines = ["shot,kind", *(f"{name},{label}" for name, label in zip(NAMES, LABELS, strict=True))]
    Path("own.csv").write_text("\n".join(lines) + "\n")
    asked = ["--image-column", "shot", "--label-column", "kind", "--group-column", "shot", "--skip-missing"]
    assert main(["fit", "own.csv", *asked, "--out", "run", *FLAGS]) == 0
    suggest(Path("run"), {"0.png": ("dog", 0.95)})
    capsys.readouterr()
    assert main(["apply", "run", "--out", "new.csv"]) == 0
    following = capsys.readouterr().out.splitlines()[-1]
    assert following == (
        f"Next:  labelmend fit {tmp_path / 'own.csv'} --labels new.csv --label-column kind "
        "--image-column shot --group-column shot --skip-missing"
    )
    assert main([*shlex.split(following)[2:], "--out", "again", *FLAGS]) == 0
    assert load_run("again").verdicts.table.set_index("id")["given_label"]["0.png"] == "dog"


@pytest.mark.parametrize("kind", [".csv", "folder"])
@pytest.mark.parametrize("flags", [[], ["--move"]], ids=str)
def test_labels_of_data_that_has_moved_are_applied_where_it_is_now(
    tmp_path, trained, folders, capsys, monkeypatch, kind, flags
):
    if kind == "folder":
        photos, run = folders
        source = photos
    else:
        source = write_table(tmp_path / "photos", kind)
        photos, run = source.parent, suggest(trained(source, tmp_path / "of table"), {"0.png": ("dog", 0.95)})
    if kind != "folder" and flags:
        pytest.skip("only images of class folders are moved")
    (tmp_path / "elsewhere").mkdir()
    now = photos.rename(tmp_path / "elsewhere" / "pictures")
    now = now if kind == "folder" else now / source.name
    assert main(["apply", str(run), *flags]) == 2
    assert (
        f"the data of {run} is not at {source} any more; say where it is now (--data WHERE), or put it back"
    ) in capsys.readouterr().err
    # Where the command runs does not matter later.
    monkeypatch.chdir(tmp_path / "elsewhere")
    asked = now.relative_to(tmp_path / "elsewhere")
    assert main(["apply", str(run), *flags, "--data", str(asked)]) == 0
    said = capsys.readouterr().out
    if flags:
        assert f"Next: labelmend apply {run} --move --yes --data {asked}" in said
        assert main(["apply", str(run), "--move", "--yes", "--data", str(asked)]) == 0
        assert f"Next:  labelmend fit {now}\n" in capsys.readouterr().out
        assert (now / "dog" / "0.png").is_file()
        assert main(["revert", str(run)]) == 0
        assert (now / "cat" / "0.png").is_file()
    else:
        assert f"Next:  labelmend fit {now} --labels " in said


def test_other_data_than_the_run_had_are_refused(tmp_path, folders, capsys):
    _, run = folders
    other = write_folders(tmp_path / "other", names=[f"{i}.png" for i in range(8, 16)])
    assert main(["apply", str(run), "--data", str(other)]) == 2
    assert "has no image 'cat/0.png' any more" in capsys.readouterr().err
    assert not (run / "corrections").exists()
