"""The page on adding a method is right: its example works from outside, its tables are those of the code."""

import importlib
import inspect
import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch

import labelmend
from labelmend.errors import SettingsError
from labelmend.methods import METHODS, plan
from labelmend.methods.base import Method, Task
from labelmend.training.listener import Silent

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "ADDING_A_METHOD.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
NOT_HOOKS = {"check_smoothing", "final_model", "shuffled_steps", "smoothed_labels"}
FIT = {"method": "taylor", "noise": "symmetric:0.3", "widths": [16, 32], "epochs": 8, "precision": "float32"}


class StopAfter(Silent):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch(self, row):
        if row["epoch"] == self.epoch:
            raise KeyboardInterrupt


@pytest.fixture
def taylor(monkeypatch, tmp_path):
    """The module of the page, registered as the page says."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "taylor_of_the_page.py").write_text(BLOCKS[0])
    module = importlib.import_module("taylor_of_the_page")
    monkeypatch.setitem(METHODS, "taylor", module.Taylor)
    yield module
    importlib.sys.modules.pop("taylor_of_the_page")


def test_the_example_is_no_part_of_the_package():
    assert "taylor" not in METHODS
    assert not (ROOT / "src" / "labelmend" / "methods" / "taylor.py").exists()


def test_its_loss_lies_between_cross_entropy_and_absolute_error(taylor):
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    own = logits.softmax(1)[torch.arange(6), labels]
    loss = taylor.taylor_cross_entropy
    assert torch.allclose(loss(logits, labels, 1), 1 - own)
    assert torch.allclose(loss(logits, labels, 2), 1 - own + (1 - own) ** 2 / 2)
    assert torch.allclose(loss(logits, labels, 5000), -own.log())


def test_it_learns_digits_is_kept_and_read_again(taylor, tmp_path):
    run = labelmend.fit("digits", out=tmp_path / "run", terms=3, **FIT)
    assert run.summary["test_accuracy_last"] > 0.8
    assert set(run.verdicts.table["verdict"]) <= {"easy", "uncertain"}
    again = labelmend.load_run(tmp_path / "run")
    assert (again.settings.method.name, again.settings.method.terms) == ("taylor", 3)
    images = np.random.default_rng(0).integers(0, 255, (5, 8, 8), dtype=np.uint8)
    assert np.array_equal(run.predict_proba(images), again.predict_proba(images))
    assert set(again.predict(images)) <= set(again.classes)


def test_it_goes_on_where_it_was_stopped(taylor, tmp_path):
    whole = labelmend.fit("digits", memory_format="channels_last", **FIT)
    with pytest.raises(KeyboardInterrupt):
        labelmend.fit(
            "digits", out=tmp_path / "run", memory_format="channels_last", listener=StopAfter(3), **FIT
        )
    resumed = labelmend.resume(tmp_path / "run")
    assert resumed.verdicts.table.equals(whole.verdicts.table)
    weights = whole.network.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in resumed.network.state_dict().items())


def test_its_settings_are_checked_like_all_others(taylor):
    with pytest.raises(SettingsError, match=r"--terms is 0, but must be at least 1"):
        labelmend.fit("digits", method="taylor", terms=0)


def test_it_refuses_what_it_does_not_do(taylor):
    with pytest.raises(SettingsError, match=r"--label-smoothing is 0\.3, but --method taylor learns given"):
        labelmend.fit("digits", method="taylor", label_smoothing=0.3)


def test_the_second_example_runs(taylor, monkeypatch):
    monkeypatch.delitem(METHODS, "taylor")
    found = {"Taylor": taylor.Taylor}
    exec(compile(BLOCKS[1].replace("epochs=8", "epochs=1"), "ADDING_A_METHOD.md", "exec"), found)
    assert found["run"].settings.method.terms == 3


def hooks_of_the_page():
    rows = re.findall(r"^\| `(\w+)\(([\w, ]*)\)` \|.*\| (.*) \|$", PAGE, re.MULTILINE)
    return {name: (arguments, users) for name, arguments, users in rows}


def test_the_table_has_every_hook_with_its_arguments():
    own = {
        name: member
        for name, member in vars(Method).items()
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, classmethod))
    }
    hooks = hooks_of_the_page()
    assert set(hooks) == set(own) - NOT_HOOKS
    for name, (arguments, _) in hooks.items():
        parameters = [p for p in inspect.signature(getattr(Method, name)).parameters if p != "self"]
        assert arguments == ", ".join(parameters), name


def test_the_table_names_the_methods_that_use_a_hook():
    tests = (ROOT / "tests" / "training" / "test_hooks.py").read_text()
    for hook, (_, users) in hooks_of_the_page().items():
        overriding = {
            name for name, method in METHODS.items() if getattr(method, hook).__qualname__ != f"Method.{hook}"
        }
        named = set(re.findall(r"`(\w+)`", users))
        assert named == overriding or (users == "all" and overriding == set(METHODS)), hook
        assert "in tests" not in users or f"def {hook}(" in tests, hook


def test_the_page_names_all_that_a_method_is_given_and_says():
    given = PAGE.split("**What a method is given**")[1].split("\n\n")[0]
    assert {f.name for f in fields(Task)} <= set(re.findall(r"`(\w+)`", given))
    for name in ("Stage", "Step", "Update", "OptimizerPlan", "ParameterGroup", "Schedule", "Progress"):
        row = re.search(rf"^\| `{name}` \| (.*) \|$", PAGE, re.MULTILINE)[1]
        assert {f.name for f in fields(getattr(plan, name))} <= set(re.findall(r"`(\w+)`", row)), name
