import pytest

from labelmend.cli import detect, fit
from labelmend.cli.main import main


def test_it_is_fit_with_the_photographs_recipe_and_no_test_set(monkeypatch):
    seen = []
    monkeypatch.setattr(fit, "main", lambda argv: seen.append(fit.parse_fit(argv)))
    detect.main(["photos", "--seed", "3"])
    assert seen[0].data == "photos"
    assert seen[0].recipe == "photos"
    assert seen[0].overrides == {"test": "none", "seed": 3}


def test_what_is_given_counts(monkeypatch):
    seen = []
    monkeypatch.setattr(fit, "main", lambda argv: seen.append(fit.parse_fit(argv)))
    detect.main(["photos", "--test", "others", "--recipe", "fast"])
    assert (seen[0].recipe, seen[0].overrides["test"]) == ("fast", "others")


def test_help_and_missing_data(capsys):
    with pytest.raises(SystemExit):
        main(["detect", "--help"])
    assert "labelmend detect DATA" in capsys.readouterr().out
    assert main(["detect"]) == 2
    assert "DATA" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["detect", "fit"])
def test_settings_that_cannot_be_are_told_before_the_data_is_looked_at(command, capsys):
    assert main([command, "no-such-folder", "--lr", "-1"]) == 2
    assert "--lr" in capsys.readouterr().err
