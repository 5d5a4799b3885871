import importlib.util
import warnings

import pytest

from labelmend.cli import review as module
from labelmend.cli.review import review
from labelmend.errors import LabelmendWarning, RunError, SettingsError


@pytest.mark.parametrize(
    ("flags", "said"),
    [({"audit": -1}, "--audit"), ({"port": -1}, "--port"), ({"port": 65536}, "--port")],
)
def test_bad_numbers_are_refused(tmp_path, flags, said):
    with pytest.raises(SettingsError, match=said):
        review(str(tmp_path), **flags)


@pytest.mark.parametrize("package", ["starlette", "uvicorn"])
def test_a_missing_package_is_one_line_that_says_what_to_install(tmp_path, monkeypatch, package):
    found = importlib.util.find_spec
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == package else found(name))
    with pytest.raises(SettingsError, match=rf"needs {package}.*pip install 'labelmend\[review\]'"):
        review(str(tmp_path))


def test_what_is_no_finished_run_is_refused(tmp_path):
    with pytest.raises(RunError, match="no run folder"):
        review(str(tmp_path / "nowhere"))
    with pytest.raises(RunError, match="not a run folder"):
        review(str(tmp_path))


def test_a_warning_about_the_data_is_one_line(tmp_path, monkeypatch, capsys):
    def session(*arguments):
        warnings.warn("no image in this class folder", LabelmendWarning, stacklevel=1)
        raise RunError("enough")

    monkeypatch.setattr("labelmend.review.session.Session", session)
    with pytest.raises(RunError, match="enough"):
        review(str(tmp_path))
    assert capsys.readouterr().err == "labelmend: warning: no image in this class folder\n"
