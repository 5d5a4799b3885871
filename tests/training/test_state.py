import json
import warnings
from dataclasses import replace

import pytest
import torch

from labelmend.config import BudgetSettings, NetworkSettings, Settings, TrainingSettings
from labelmend.errors import DivergedError, LabelmendWarning, RunError
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


@pytest.fixture
def last_two(stopped, tmp_path):
    """Names of the two states, with the epoch of each."""
    info = {name: load_tensors(tmp_path / name)[1] for name in (state.CHECKPOINT, state.PREVIOUS)}
    return {name: value["epoch"] for name, value in info.items()}


def test_the_last_two_states_are_kept(last_two):
    assert last_two == {state.CHECKPOINT: 3, state.PREVIOUS: 2}


def flip(data):
    data[len(data) // 2] ^= 1


def zero_tail(data):
    data[-4096:] = bytes(4096)


def cut(data):
    del data[len(data) // 2 :]


def count(data):
    place = data.index(b'\\"epoch\\": 3')
    data[place + 11] = ord("4")


def empty(data):
    data.clear()


@pytest.mark.parametrize("damage", [flip, zero_tail, cut, count, empty])
def test_a_damaged_state_falls_back_to_the_one_before_with_one_line(last_two, noisy_digits, tmp_path, damage):
    path = tmp_path / state.CHECKPOINT
    data = bytearray(path.read_bytes())
    before = bytes(data)
    damage(data)
    assert data != before
    path.write_bytes(data)
    with pytest.warns(LabelmendWarning, match=r"checkpoint\.safetensors is damaged .*one before it") as told:
        again = Trainer(settings(), noisy_digits, folder=tmp_path, resume=True)
    assert len(told) == 1
    assert "\n" not in str(told[0].message)
    assert again.epoch == 2
    # The damaged one never takes the place of the whole one.
    state.keep(again, again.run_epoch(), tmp_path)
    assert load_tensors(tmp_path / state.PREVIOUS)[1]["epoch"] == 2
    assert load_tensors(tmp_path / state.CHECKPOINT)[1]["epoch"] == 3


def test_a_stop_between_the_two_renames_goes_on_from_the_one_before(last_two, noisy_digits, tmp_path):
    (tmp_path / state.CHECKPOINT).unlink()
    assert state.exists(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", LabelmendWarning)
        assert Trainer(settings(), noisy_digits, folder=tmp_path, resume=True).epoch == 2


def test_two_damaged_states_are_one_line_that_says_how_to_go_on(stopped, noisy_digits, tmp_path):
    for name in (state.CHECKPOINT, state.PREVIOUS):
        (tmp_path / name).write_bytes(b"no checkpoint")
    with pytest.raises(RunError, match=r"is damaged .*remove what is left .*labelmend resume"):
        Trainer(settings(), noisy_digits, folder=tmp_path, resume=True)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("part", ["network0.", "average0."])
def test_weights_that_are_no_numbers_are_refused(stopped, noisy_digits, tmp_path, part, value):
    path = tmp_path / state.CHECKPOINT
    tensors, info = load_tensors(path)
    weights = (name for name, each in tensors.items() if name.startswith(part) and each.is_floating_point())
    tensors[next(weights)].view(-1)[0] = value
    save_tensors(path, tensors, info)
    with pytest.raises(DivergedError, match="no finite numbers"):
        Trainer(settings(), noisy_digits, folder=tmp_path, resume=True)
