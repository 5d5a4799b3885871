import json
from dataclasses import replace

import pytest
import torch

from labelmend.config import BudgetSettings, NetworkSettings, Settings, TrainingSettings
from labelmend.errors import RunError
from labelmend.methods import METHODS, mend
from labelmend.tensors import load_tensors, save_tensors
from labelmend.training import state
from labelmend.training.trainer import Trainer


def settings(method="mend", **changes):
    return Settings(
        METHODS[method].Settings(**changes.pop("method_settings", {"hallucinator": "learned"})),
        network=NetworkSettings(widths=[8, 16]),
        budget=BudgetSettings(epochs=4),
        training=TrainingSettings(
            batch_size=50, lr=0.1, precision="float32", memory_format="channels_last", **changes
        ),
    )


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    monkeypatch.setattr(mend, "FIRST_STEPS", 20)
    monkeypatch.setattr(mend, "LATER_STEPS", 5)


@pytest.fixture
def stopped(noisy_digits, tmp_path):
    """A run after three epochs, two of which were trained on a selection; its folder."""
    run = Trainer(settings(), noisy_digits, folder=tmp_path)
    for _ in range(3):
        row = run.run_epoch()
        run.rows.append(row)
        state.keep(run, row, tmp_path)
    return run


def test_all_of_a_run_comes_back(stopped, noisy_digits, tmp_path):
    again = Trainer(settings(), noisy_digits, folder=tmp_path, resume=True)
    (tensors, info), (wanted, told) = state.capture(again), state.capture(stopped)
    assert info == told
    assert tensors.keys() == wanted.keys()
    assert all(torch.equal(tensors[name], wanted[name]) for name in wanted)
    kinds = ("method.", "optimizer.networks.", "optimizer.hallucinator.", "network0.", "average0.")
    assert all(any(name.startswith(kind) for name in wanted) for kind in kinds)
    assert {"generator", "method_generator"} <= wanted.keys()


def test_counters_and_clocks_come_back(stopped, noisy_digits, tmp_path):
    again = Trainer(settings(), noisy_digits, folder=tmp_path, resume=True)
    assert again.spent == stopped.spent
    assert again.spent.seconds > 0
    assert again.spent.flops > 0
    assert (again.epoch, again.stages.number, again.stage_epoch) == (3, 0, 3)
    assert again.averages[0].steps == 36
    assert again.rows == stopped.rows
    assert again.run_epoch()["seconds"] > stopped.rows[-1]["seconds"]


def test_precision_and_memory_format_of_a_run_stay(noisy_digits, tmp_path):
    chosen = settings("ce", method_settings={})
    chosen.training.memory_format = "contiguous"
    run = Trainer(chosen, noisy_digits, folder=tmp_path)
    row = run.run_epoch()
    state.keep(run, row, tmp_path)
    auto = settings("ce", method_settings={})
    auto.training.precision = auto.training.memory_format = "auto"
    again = Trainer(auto, noisy_digits, folder=tmp_path, resume=True)
    assert again.setup.arithmetic.precision == "float32"
    assert again.setup.arithmetic.memory_format == "contiguous"


def test_what_was_decided_on_mirroring_stays(noisy_digits, tmp_path):
    unknown, chosen = replace(noisy_digits, mirror_safe=None), settings("ce", method_settings={})
    run = Trainer(chosen, unknown, folder=tmp_path)
    state.keep(run, run.run_epoch(), tmp_path)
    assert (run.setup.mirroring.outcome, run.setup.mirroring.images) == ("unsafe", 600)
    safe = replace(noisy_digits, mirror_safe=True)
    assert Trainer(chosen, safe, folder=tmp_path, resume=True).setup.mirroring == run.setup.mirroring


def test_metrics_after_the_last_checkpoint_are_written_anew(stopped, noisy_digits, tmp_path):
    path = tmp_path / state.METRICS
    path.write_text(path.read_text() + '{"epoch": 4}\n')
    Trainer(settings(), noisy_digits, folder=tmp_path, resume=True)
    assert [json.loads(line)["epoch"] for line in path.read_text().splitlines()] == [1, 2, 3]


def without(prefix):
    return lambda tensors, info: [tensors.pop(name) for name in list(tensors) if name.startswith(prefix)]


@pytest.mark.parametrize(
    "damage",
    [
        without("network0.classifier"),
        without("method.selections.easiness"),
        without("generator"),
        lambda tensors, info: info.pop("spent"),
        lambda tensors, info: info["spent"].update(joules=1.0),
        lambda tensors, info: info.update(average_steps=[]),
        lambda tensors, info: info.pop("mirroring"),
        lambda tensors, info: info["mirroring"].update(glass=1),
        lambda tensors, info: tensors.update({"method.unknown": torch.zeros(1)}),
        lambda tensors, info: tensors.update({"network0.classifier.bias": torch.zeros(3)}),
    ],
)
def test_a_checkpoint_of_another_version_is_one_line(stopped, noisy_digits, tmp_path, damage):
    path = tmp_path / state.CHECKPOINT
    tensors, info = load_tensors(path)
    damage(tensors, info)
    save_tensors(path, tensors, info)
    with pytest.raises(RunError, match="written by another version of labelmend") as caught:
        Trainer(settings(), noisy_digits, folder=tmp_path, resume=True)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert "start the run anew" in str(caught.value)


def test_a_damaged_checkpoint_is_told_from_an_old_one(stopped, noisy_digits, tmp_path):
    (tmp_path / state.CHECKPOINT).write_bytes(b"no checkpoint")
    with pytest.raises(RunError, match="is damaged"):
        Trainer(settings(), noisy_digits, folder=tmp_path, resume=True)
