import pytest

from labelmend.cli.fit import parse_fit
from labelmend.cli.main import main
from labelmend.errors import SettingsError
from labelmend.settings.retired import RETIRED


def test_flags_become_overrides():
    found = parse_fit(["photos", "--epochs", "3", "--batch_size=64", "--out", "runs/a_b", "--overwrite"])
    assert (found.data, found.out, found.overwrite) == ("photos", "runs/a_b", True)
    assert (found.recipe, found.method) == (None, "mend")
    assert found.overrides == {"epochs": 3.0, "batch_size": 64}


def test_nothing_given_overrides_nothing():
    assert parse_fit(["photos"]).overrides == {}


def test_dotted_names_are_the_same_flags():
    found = parse_fit(
        ["photos", "--budget.epochs", "3", "--training.batch_size=64", "--method.easy-percent", "50"]
    )
    assert found.overrides == {"epochs": 3.0, "batch_size": 64, "easy_percent": 50.0}


@pytest.mark.parametrize(
    "argv", [["--widths", "8,16"], ["--widths=8,16"], ["--widths", "[8, 16]"], ["--widths=[8,16]"]]
)
def test_lists(argv):
    assert parse_fit(["photos", *argv]).overrides == {"widths": [8, 16]}


@pytest.mark.parametrize("argv", [["--lr-milestones", "0.3,0.6"], ["--lr_milestones=[0.3, 0.6]"]])
def test_lists_of_numbers(argv):
    assert parse_fit(["photos", *argv]).overrides == {"lr_milestones": [0.3, 0.6]}


@pytest.mark.parametrize(
    ("argv", "epochs"),
    [
        (["--finetune"], 3),
        (["--finetune", "--seed", "1"], 3),
        (["--network.finetune"], 3),
        (["--finetune", "0.5"], 0.5),
        (["--finetune=2"], 2),
    ],
)
def test_finetune_alone_stands_for_a_number_of_epochs(argv, epochs):
    assert parse_fit(["photos", *argv]).overrides["finetune"] == epochs


@pytest.mark.parametrize(
    ("argv", "found"),
    [
        (["--partial"], {"partial": True}),
        (["--partial", "--flip", "--seed", "1"], {"partial": True, "flip": True, "seed": 1}),
        (["--skip-missing", "false", "--frozen=true"], {"skip_missing": False, "frozen": True}),
        (["--method", "anchor_hallucination", "--method.correction"], {"correction": True}),
    ],
)
def test_what_is_true_or_false_is_true_where_it_stands_alone(argv, found):
    assert parse_fit(["photos", *argv]).overrides == found


def test_what_is_neither_true_nor_false_is_refused():
    with pytest.raises(SettingsError, match="--partial is 'photos', but must be true or false"):
        parse_fit(["--partial", "photos"])


def test_the_method_decides_which_flags_there_are():
    assert parse_fit(["photos", "--method", "mixup", "--alpha", "0.5"]).overrides == {"alpha": 0.5}
    with pytest.raises(SettingsError, match="--alpha"):
        parse_fit(["photos", "--alpha", "0.5"])


def test_the_recipe_names_the_method(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("method: {name: mixup, alpha: 0.4}\nbudget: {epochs: 2}\n")
    found = parse_fit(["photos", "--recipe", str(path)])
    assert (found.method, found.overrides) == ("mixup", {})


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["photos", "--epochs", "ten"], "--epochs is 'ten', but must be a number"),
        (["photos", "--epoch", "3"], r"--epoch is not a flag.*did you mean --epochs"),
        (["photos", "--epochs"], "--epochs needs a value"),
        (["--finetune", "photos"], "--finetune is 'photos', but must be a number"),
        (["photos", "--method", "mixpu"], "did you mean 'mixup'"),
        (["photos", "--method"], "--method needs a value"),
        (["photos", "--method", ""], "--method is '', but must be one of mend"),
        (
            ["photos", "--lr-schedule", "cos"],
            "--lr-schedule is 'cos', but must be one of linear, cosine, step",
        ),
        (["photos", "--flip", "maybe"], "--flip is 'maybe', but must be true or false"),
        (["photos", "more"], "'more' is one argument too many"),
        ([], "DATA is missing"),
    ],
)
def test_errors_are_one_line(argv, message):
    with pytest.raises(SettingsError, match=message) as caught:
        parse_fit(argv)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("flag", ["--old-one", "--old_one=1", "--method.old-one"])
def test_a_retired_flag_says_so(monkeypatch, flag):
    monkeypatch.setitem(RETIRED, "mixup", {"old_one": 0.5})
    with pytest.raises(SettingsError, match=r"old.one of method 'mixup' was retired: it is now always 0\.5"):
        parse_fit(["photos", "--method", "mixup", flag, "1"])


def test_help_shows_the_recipes_defaults(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["fit", "--help", "--recipe", "cifar10-paper"])
    assert caught.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "over the labelled ones). (default: 300)" in text
    assert "--easy-percent" in text


def test_a_missing_source_is_one_line(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", "nowhere"]) == 2
    assert "nowhere: there is no such file or folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--guesses", "cached"], "--guesses of method 'mend' was retired: it is now always 'cached'"),
        (["--lambda-conf=0.4"], r"--lambda-conf of method 'mend' was retired: it is now always 0\.5"),
        (
            ["--method", "anchor_hallucination", "--teacher", "average"],
            "--teacher of method 'anchor_hallucination' was retired: it is now always 'network'",
        ),
    ],
)
def test_what_the_two_methods_lost_is_refused(argv, message):
    with pytest.raises(SettingsError, match=message) as caught:
        parse_fit(["photos", *argv])
    assert "\n" not in str(caught.value)


def test_the_papers_method_has_its_own_flags():
    found = parse_fit(["photos", "--method", "anchor_hallucination", "--lambda-conf", "0.4"])
    assert (found.method, found.overrides) == ("anchor_hallucination", {"lambda_conf": 0.4})


@pytest.mark.parametrize("blank", ["", " "])
def test_data_of_no_name_is_told(blank, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", blank, "--epochs", "1"]) == 2
    assert "the name of the data is empty" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
