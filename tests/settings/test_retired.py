import copy
import json
from pathlib import Path

import pytest

from labelmend.errors import LabelmendWarning, SettingsError
from labelmend.methods import METHODS
from labelmend.settings import retired
from labelmend.settings.loading import from_dict
from labelmend.settings.names import leaves
from labelmend.settings.retired import RENAMED_METHODS, RETIRED, Renamed, modernise, refuse_retired

RESULTS = sorted((Path(__file__).parents[2] / "benchmarks" / "results").glob("*/*__seed*.json"))


def test_the_tables_name_methods_of_today_and_none_of_their_settings():
    assert RETIRED.keys() | {renamed.new for renamed in RENAMED_METHODS} <= METHODS.keys()
    assert all(not constants.keys() & leaves(method).keys() for method, constants in RETIRED.items())


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_settings_of_committed_results_are_understood(path):
    from_dict(modernise(json.loads(path.read_text())["settings"]))


def test_settings_of_today_stay_as_they_are():
    values = {"method": {"name": "ce"}, "budget": {"epochs": 3}, "seed": 1}
    assert modernise(values) == values
    assert modernise({"method": "ce"}) == {"method": "ce"}
    assert modernise({"seed": 1}) == {"seed": 1}


def test_only_the_methods_own_retired_settings_are_dropped(monkeypatch):
    monkeypatch.setitem(RETIRED, "a", {"x": 1})
    values = {"method": {"name": "a", "x": 1, "y": 2}, "training": {"x": 5}}
    before = copy.deepcopy(values)
    assert modernise(values) == {"method": {"name": "a", "y": 2}, "training": {"x": 5}}
    assert values == before
    assert modernise({"method": {"name": "b", "x": 1}}) == {"method": {"name": "b", "x": 1}}


def test_some_runs_of_a_method_have_another_name_now(monkeypatch):
    tables = (Renamed("old", "new", where={"mode": "fast"}, absent={"k": 0}),)
    monkeypatch.setattr(retired, "RENAMED_METHODS", tables)
    monkeypatch.setitem(RETIRED, "new", {"mode": "fast"})
    monkeypatch.setitem(RETIRED, "old", {"mode": "slow"})
    assert modernise({"method": {"name": "old", "mode": "fast"}}) == {"method": {"name": "new", "k": 0}}
    assert modernise({"method": {"name": "old", "mode": "fast", "k": 5}})["method"] == {"name": "new", "k": 5}
    assert modernise({"method": {"name": "old", "mode": "slow"}}) == {"method": {"name": "old"}}
    assert modernise({"method": {"name": "old"}}) == {"method": {"name": "old"}}
    with pytest.warns(LabelmendWarning, match=r"here: method 'old' .*mode \(it was 'other'.*always 'slow'"):
        modernise({"method": {"name": "old", "mode": "other"}}, "here")


def test_flags_and_names_are_refused_alike(monkeypatch):
    monkeypatch.setitem(RETIRED, "ce", {"old_one": 0.5})
    for name in ("--old-one", "old_one", "old-one", "method.old_one"):
        with pytest.raises(SettingsError, match=rf"^{name} of method 'ce' was retired: .* 0\.5; leave"):
            refuse_retired(name, "ce")
    refuse_retired("new_one", "ce")
    refuse_retired("old_one", "mixup")
