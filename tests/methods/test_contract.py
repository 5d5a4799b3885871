"""What every method promises; a method gets all of it by being in ``METHODS``."""

import os
import re
import signal
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from labelmend.config import AugmentationSettings, BudgetSettings, NetworkSettings, Settings, TrainingSettings
from labelmend.data.sources import load
from labelmend.errors import SettingsError
from labelmend.methods import METHODS
from labelmend.methods.base import Scores, Task
from labelmend.models.registry import build_network, describe_network
from labelmend.settings.loading import resolve
from labelmend.settings.names import leaves
from labelmend.training import state
from labelmend.training import trainer as trainer_module
from labelmend.training.listener import Silent
from labelmend.training.stages import Stages
from labelmend.training.trainer import Trainer, train
from labelmend.verdicts.frame import to_frame
from labelmend.verdicts.judge import EASY, HARD_CORRECTED, VERDICTS, judge

CLASSES, SAMPLES = 4, 60
every_method = pytest.mark.parametrize("name", list(METHODS))


FEW_STEPS = {"hallucinator_first_steps": 50, "hallucinator_steps": 10, "discrepancy_steps": 5}


def settings(name, epochs, **changes):
    has = {entry.name for entry in fields(METHODS[name].Settings)}
    return Settings(
        METHODS[name].Settings(**{flag: steps for flag, steps in FEW_STEPS.items() if flag in has}),
        network=NetworkSettings(widths=[16, 32]),
        budget=BudgetSettings(epochs=epochs),
        training=TrainingSettings(
            batch_size=50, lr=0.3, precision="float32", memory_format="channels_last", **changes
        ),
    )


def same_records(first, second):
    pairs = zip(first.tensors().values(), second.tensors().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def same_weights(first, second):
    mine, theirs = first.state_dict(), second.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


@every_method
def test_learns_more_than_the_commonest_class(name, noisy_digits, digits_test):
    trained = train(settings(name, 12.0), noisy_digits, digits_test)
    majority = np.bincount(digits_test.given_labels).max() / len(digits_test)
    assert trained.summary["test_accuracy_last"] > 3 * majority


SHARE = re.compile(r"(\w+: )?(smallest )?share of ", re.IGNORECASE)


@every_method
def test_a_setting_that_is_a_share_lies_between_0_and_1(name):
    for leaf in leaves(name).values():
        if leaf.section == "method" and SHARE.match(leaf.help):
            # The share of negative label smoothing, as its name says, may be below 0.
            for value in [1.01] if "below 0" in leaf.help else [-0.01, 1.01]:
                with pytest.raises(SettingsError, match=leaf.flag):
                    resolve("fast", name, {leaf.name: value})


class DieAt(Silent):
    """Kills its own process in the middle of the epoch after the given one."""

    def __init__(self, epoch):
        self.epoch, self.done = epoch, 0

    def on_step(self, share):
        if self.done == self.epoch:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_epoch(self, row):
        self.done = row["epoch"]


def run_until_killed(name, train_set, test_set, folder, epoch):
    torch.set_num_threads(1)
    train(settings(name, 4.0, ema_decay=0.9), train_set, test_set, folder=folder, listener=DieAt(epoch))


@every_method
def test_resumes_bit_for_bit_after_a_kill(name, noisy_digits, digits_test, tmp_path, processes):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        arguments = (settings(name, 4.0, ema_decay=0.9), noisy_digits, digits_test)
        whole = train(*arguments)
        victim = processes.Process(
            target=run_until_killed, args=(name, noisy_digits, digits_test, tmp_path, 1 + len(name) % 3)
        )
        victim.start()
        victim.join(120)
        assert victim.exitcode == -signal.SIGKILL
        resumed = train(*arguments, folder=tmp_path, resume=True)
    finally:
        torch.set_num_threads(threads)
    assert same_runs(whole, resumed)


@every_method
def test_resumes_bit_for_bit_between_two_steps(name, noisy_digits, digits_test, tmp_path):
    """Ctrl-C in the middle of two epochs: the method remembers all it needs for the steps that are left."""
    arguments = (settings(name, 4.0, ema_decay=0.9), noisy_digits, digits_test)
    whole = train(*arguments)
    for step in (5, 13):
        with pytest.raises(KeyboardInterrupt):
            train(*arguments, folder=tmp_path, listener=CtrlC(step), resume=step > 5)
        assert state.read(tmp_path)[1]["under_way"] is not None
    assert same_runs(whole, train(*arguments, folder=tmp_path, resume=True))


class CtrlC(Silent):
    """Sends the signal of Ctrl-C to its own process in a step."""

    def __init__(self, step):
        self.left = step

    def on_step(self, share):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)


def same_runs(first, second):
    drop = ("seconds", "preparation_seconds", "selection_seconds")
    rows = [[{k: v for k, v in r.items() if k not in drop} for r in t.rows] for t in (first, second)]
    return (
        same_records(first.record, second.record)
        and same_weights(first.network, second.network)
        and rows[0] == rows[1]
    )


@every_method
def test_steps_hold_no_image_that_is_held_out(name, noisy_digits):
    trainer = Trainer(settings(name, 3.0, validation=0.3), noisy_digits)
    start, seen = trainer.method.start_epoch, []

    def watched(progress):
        steps = start(progress)
        seen.extend(steps)
        return steps

    trainer.method.start_epoch = watched
    trainer.train()
    assert seen
    assert not any(trainer.held_out[step.index].any() for step in seen)


@every_method
def test_losses_and_memory_are_of_full_precision_where_networks_are_not(name, noisy_digits):
    chosen = settings(name, 3.0)
    half = replace(chosen, training=replace(chosen.training, precision="bfloat16"))
    trainer, step, losses = Trainer(half, noisy_digits), Stages.step, []

    def watched(loss, names):
        losses.append(loss.detach())
        step(trainer.stages, loss, names)

    trainer.stages.step = watched
    record = trainer.run().record
    assert {loss.dtype for loss in losses} == {torch.float32}
    assert torch.stack(losses).isfinite().all()
    assert not any(buffer.dtype == torch.bfloat16 for buffer in trainer.method.buffers())
    assert record.probabilities.dtype == record.label_quality.dtype == torch.float32
    assert record.probabilities.isfinite().all()


@every_method
def test_smooths_labels_or_says_that_it_does_not(name, noisy_digits):
    plain = train(settings(name, 1.0), noisy_digits)
    if METHODS[name].refuses_smoothing:
        with pytest.raises(SettingsError, match=rf"--label-smoothing is 0\.3, but --method {name} .*; "):
            train(settings(name, 1.0, label_smoothing=0.3), noisy_digits)
    else:
        smoothed = train(settings(name, 1.0, label_smoothing=0.3), noisy_digits)
        assert not same_weights(plain.network, smoothed.network)


@every_method
def test_strong_views_count_where_it_says_that_it_learns_them(name, noisy_digits):
    mild, strong = (
        replace(settings(name, 3.0), augmentation=AugmentationSettings(cutout=cutout))
        for cutout in (0.0, 0.5)
    )
    same = same_weights(train(mild, noisy_digits).network, train(strong, noisy_digits).network)
    assert same != METHODS[name].learns_strong_views(mild.method)


@every_method
def test_leaves_the_global_generators_alone(name, noisy_digits):
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    train(settings(name, 2.0), noisy_digits)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


def quiet(name):
    """The method's settings without what is drawn at random in a selection."""
    chosen = METHODS[name].Settings()
    has = {entry.name for entry in fields(chosen)}
    return replace(chosen, correction=False) if "correction" in has else chosen


def record_of(name, given, trusted, scores):
    method = METHODS[name]
    outputs = method.num_outputs(CLASSES)
    description = describe_network(NetworkSettings(widths=[4]), 8, 1, CLASSES, outputs)
    number = method.num_networks(quiet(name))
    networks = [build_network(description, torch.Generator().manual_seed(i)) for i in range(number)]
    task = Task(
        given_labels=given,
        trusted=trusted,
        num_classes=CLASSES,
        networks=networks,
        averages=networks,
        score=lambda network, views=0, probabilities=None: scores,
        batch_size=8,
        label_smoothing=0.0,
        generator=torch.Generator().manual_seed(0),
        device=torch.device("cpu"),
        learnable=torch.ones(len(given), dtype=torch.bool),
    )
    return method(quiet(name), task).record()


@every_method
@pytest.mark.parametrize("seed", range(3))
def test_selecting_and_judging_commute_with_a_permutation_of_the_samples(name, seed):
    draw = torch.Generator().manual_seed(seed)
    given = torch.randint(CLASSES, (SAMPLES,), generator=draw)
    trusted = torch.rand(SAMPLES, generator=draw) < 0.1
    probabilities = (2 * torch.randn(SAMPLES, CLASSES, generator=draw)).softmax(1)
    features = torch.rand(SAMPLES, 4, generator=draw)
    order = torch.randperm(SAMPLES, generator=draw)

    record = record_of(name, given, trusted, Scores(probabilities, features))
    moved = record_of(name, given[order], trusted[order], Scores(probabilities[order], features[order]))
    for column in ("easy", "corrected", "votes", "vote_share"):
        assert torch.equal(getattr(record, column)[order], getattr(moved, column))
    for column in ("probabilities", "easiness", "label_quality"):
        assert torch.allclose(getattr(record, column)[order], getattr(moved, column), atol=1e-5)
    verdicts = judge(record, given), judge(moved, given[order])
    assert torch.equal(verdicts[0].verdict[order], verdicts[1].verdict)
    assert torch.equal(verdicts[0].suggested[order], verdicts[1].suggested)


@every_method
def test_renamed_classes_rename_the_verdicts_which_partition_the_data(name):
    clean = load("digits", limit=300)
    rng = np.random.default_rng(0)
    given = np.where(rng.random(300) < 0.3, rng.integers(0, 10, 300), clean.given_labels)
    noisy = replace(clean.with_labels(given), true_labels=None)
    other = replace(noisy, class_names=[f"digit {label}" for label in noisy.class_names])
    tables = [to_frame(train(settings(name, 3.0), data).record, data) for data in (noisy, other)]
    for column in ("given_label", "predicted_label", "suggested_label"):
        assert ("digit " + tables[0][column] == tables[1][column]).all()
    unnamed = [column for column in tables[0].columns if not column.endswith("_label")]
    assert tables[0][unnamed].equals(tables[1][unnamed])

    table = tables[0]
    assert list(table["id"]) == noisy.ids
    assert set(table["verdict"]) <= set(VERDICTS)
    changed = table["suggested_label"] != table["given_label"]
    assert (changed == (table["verdict"] == HARD_CORRECTED)).all()
    assert table["label_quality"].between(0, 1).all()
    easy = table[table["verdict"] == EASY]
    assert (easy["predicted_label"] == easy["given_label"]).all()


@every_method
def test_samples_are_scored_by_weight_averages_alone(name, noisy_digits, monkeypatch):
    score, asked = trainer_module.score_images, []
    monkeypatch.setattr(
        trainer_module,
        "score_images",
        lambda network, *a, **k: asked.append(network) or score(network, *a, **k),
    )
    trainer = Trainer(settings(name, 4.0, ema_decay=0.9), noisy_digits)
    trainer.run()
    members = [m for network in asked for m in getattr(network, "networks", [network])]
    assert members
    assert {id(m) for m in members} <= {id(average.average) for average in trainer.averages}
