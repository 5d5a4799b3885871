import json
import pickle

import numpy as np
import pytest
import torch

from labelmend.config import BudgetSettings, NetworkSettings, Settings, TrainingSettings
from labelmend.data.image_set import Subset
from labelmend.errors import RunError
from labelmend.methods import METHODS
from labelmend.training import loop
from labelmend.training.loop import CHECKPOINT, METRICS, train

SMALL = NetworkSettings(widths=[8, 16])
FIXED = {"precision": "float32", "memory_format": "channels_last"}


def settings(method="anchor_hallucination", epochs=4.0, **changes):
    return Settings(
        METHODS[method].Settings(**changes.pop("method_settings", {})),
        network=SMALL,
        budget=changes.pop("budget", BudgetSettings(epochs=epochs)),
        training=TrainingSettings(batch_size=50, lr=0.1, **FIXED, **changes),
    )


class Killed(Exception):
    pass


class KillAfter:
    """Stops the process at a step of the given epoch, as a signal would."""

    def __init__(self, epoch):
        self.epoch, self.done = epoch, 0

    def on_start(self, info):
        self.info = info

    def on_step(self, share):
        if self.done >= self.epoch:
            raise Killed

    def on_epoch(self, row):
        self.done = row["epoch"]


def equal(a, b):
    return all(np.array_equal(getattr(a, n), getattr(b, n), equal_nan=True) for n in a.__dataclass_fields__)


CACHED = {"guesses": "cached", "guess_momentum": 0.5, "refresh": 3, "surrounding": "loose"}


@pytest.mark.parametrize("killed_after", [1, 3])
@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("ce", {}),
        ("mixup", {}),
        ("anchor_hallucination", {}),
        ("anchor_hallucination", {"ema_decay": 0.0}),
        ("anchor_hallucination", {"method_settings": CACHED}),
    ],
)
def test_same_seed_same_verdicts_and_a_killed_run_resumes_to_them(
    method, changes, killed_after, noisy_digits, digits_test, tmp_path
):
    def run(**kwargs):
        return train(settings(method, **changes), noisy_digits, digits_test, **kwargs)

    whole = run()
    with pytest.raises(Killed):
        run(folder=tmp_path, listener=KillAfter(killed_after))
    resumed = run(folder=tmp_path, resume=True)
    assert equal(whole.verdicts, resumed.verdicts)
    drop = ("seconds", "preparation_seconds", "selection_seconds")
    assert [{k: v for k, v in row.items() if k not in drop} for row in whole.rows] == [
        {k: v for k, v in row.items() if k not in drop} for row in resumed.rows
    ]
    weights = whole.network.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in resumed.network.state_dict().items())
    assert len((tmp_path / METRICS).read_text().splitlines()) == 4


def test_another_seed_gives_another_result(noisy_digits):
    first, second = settings("ce", epochs=1), settings("ce", epochs=1)
    second.seed = 1
    runs = [train(s, noisy_digits) for s in (first, second)]
    assert not np.array_equal(runs[0].verdicts.probabilities, runs[1].verdicts.probabilities)


def test_the_global_generators_are_left_alone(noisy_digits):
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    train(settings(epochs=2.0), noisy_digits)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


def test_a_flop_budget_is_kept(noisy_digits):
    budget = 2e9
    trained = train(settings("ce", budget=BudgetSettings(flops=budget)), noisy_digits)
    step = trained.rows[0]["flops"] / len(noisy_digits) * 50
    assert budget <= trained.rows[-1]["flops"] < budget + 2 * step
    assert trained.rows[-1]["share"] == 1


def test_part_of_an_epoch_is_trained(noisy_digits):
    trained = train(settings("ce", epochs=1.5), noisy_digits)
    assert [row["epoch"] for row in trained.rows] == [1, 2]
    assert trained.summary["epochs"] == pytest.approx(1.5)


def test_metrics_say_what_is_known_only(noisy_digits, digits_test):
    row = train(settings("mixup", epochs=1), noisy_digits, digits_test).rows[0]
    assert "test_accuracy" in row
    unknown = noisy_digits.__class__(**{**vars(noisy_digits), "true_labels": None})
    row = train(settings(epochs=2.0), unknown).rows[-1]
    assert "test_accuracy" not in row
    assert "easy_purity" not in row
    assert json.loads(json.dumps(row)) == row


def test_test_labels_change_nothing_that_is_learned(noisy_digits, digits_test):
    wrong = digits_test.with_labels((digits_test.given_labels + 1) % 10)
    runs = [train(settings(epochs=2.0), noisy_digits, test) for test in (None, digits_test, wrong)]
    assert equal(runs[0].verdicts, runs[1].verdicts)
    assert equal(runs[0].verdicts, runs[2].verdicts)


def test_images_decoded_ahead_train_like_images_in_memory(noisy_digits, monkeypatch):
    whole = train(settings("ce", epochs=2), noisy_digits)
    monkeypatch.setattr(loop, "_in_memory", lambda images: False)
    assert equal(whole.verdicts, train(settings("ce", epochs=2), noisy_digits).verdicts)
    monkeypatch.undo()
    assert loop._in_memory(Subset(noisy_digits.images, torch.arange(2)))


def test_divergence_is_noticed_at_once(noisy_digits):
    diverging = settings("ce", epochs=3)
    diverging.training.lr = 1e12
    with pytest.raises(RunError, match="training diverged; lower --lr"):
        train(diverging, noisy_digits)


def test_a_finished_network_is_free_of_hooks(noisy_digits):
    network = train(settings("ce", epochs=1), noisy_digits).network
    assert len(pickle.loads(pickle.dumps(network)).state_dict()) == len(network.state_dict())


def test_nothing_to_resume(noisy_digits, tmp_path):
    with pytest.raises(RunError, match=f"{CHECKPOINT} does not exist"):
        train(settings(), noisy_digits, folder=tmp_path, resume=True)


def test_batch_size_and_rate_follow_the_number_of_images():
    auto = TrainingSettings()
    sizes = [loop.resolve_batch_size(auto, count, 32) for count in (20, 1000, 10_000, 1_000_000)]
    assert sizes == [20, 32, 125, 250]
    assert loop.resolve_lr(auto, 125) == pytest.approx(0.2)
    assert loop.resolve_lr(auto, 500) == pytest.approx(0.4)
    fixed = TrainingSettings(batch_size=64, lr=0.02)
    assert loop.resolve_batch_size(auto, 1_000_000, 224) == 32
    assert loop.resolve_batch_size(fixed, 10_000, 224) == 64
    assert loop.resolve_lr(fixed, 64) == 0.02
