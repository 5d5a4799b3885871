"""What a budget in minutes pays for, on a clock that the test moves."""

import pytest

from labelmend.config import BudgetSettings, NetworkSettings, Settings, TrainingSettings
from labelmend.methods import METHODS
from labelmend.training import trainer as module
from labelmend.training.metrics import TestAccuracy
from labelmend.training.trainer import Trainer

STEP, SCORING, TEST = 0.5, 2.0, 30.0


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]

    def costs(owner, name, seconds):
        original = getattr(owner, name)

        def slow(*args, **kwargs):
            now[0] += seconds
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, slow)

    class Clock:
        perf_counter = staticmethod(lambda: now[0])

    monkeypatch.setattr(module, "time", Clock)
    costs(Trainer, "train_step", STEP)
    costs(Trainer, "score", SCORING)
    costs(TestAccuracy, "__call__", TEST)
    return now


def settings(method, minutes):
    return Settings(
        METHODS[method].Settings(),
        network=NetworkSettings(widths=[8, 16]),
        budget=BudgetSettings(minutes=minutes),
        training=TrainingSettings(batch_size=50, lr=0.1, precision="float32"),
    )


@pytest.mark.parametrize("method", ["ce", "mend"])
def test_the_test_set_costs_no_training(method, clock, noisy_digits, digits_test):
    alone, scored = (
        Trainer(settings(method, 1.0), noisy_digits, test_set).run() for test_set in (None, digits_test)
    )
    assert len(alone.rows) == len(scored.rows)
    assert scored.summary["seconds"] == pytest.approx(alone.summary["seconds"])


def test_one_slow_step_ends_nothing(clock, noisy_digits):
    """As the first often is: what judging will take is not told by it alone."""
    run = Trainer(settings("cleanlab", 1.0), noisy_digits)
    step, stages = run.train_step, []

    def first_is_slow(*arguments):
        clock[0] += 0 if stages else 5
        stages.append(run.stages.number)
        return step(*arguments)

    run.train_step = first_is_slow
    run.train()
    assert stages == sorted(stages)
    assert set(stages) == set(range(5))
    assert all(stages.count(stage) >= 3 for stage in range(4))


@pytest.mark.parametrize("method", ["ce", "mend"])
def test_the_last_judgement_is_paid_for(method, clock, noisy_digits):
    started = clock[0]
    trained = Trainer(settings(method, 1.0), noisy_digits).run()
    assert trained.rows[-1]["share"] == 1
    assert 60 - 2 * SCORING <= clock[0] - started <= 60 + STEP
    assert trained.summary["seconds"] == pytest.approx(clock[0] - started)


def test_seconds_spent_before_a_stop_count(clock, noisy_digits, tmp_path):
    whole = Trainer(settings("ce", 1.0), noisy_digits).run()
    first = Trainer(settings("ce", 1.0), noisy_digits, None, tmp_path)
    for _ in range(2):
        row = first.run_epoch()
        first.rows.append(row)
        module.state.keep(first, row, tmp_path)
    clock[0] += 500
    resumed = Trainer(settings("ce", 1.0), noisy_digits, None, tmp_path, resume=True).run()
    assert len(resumed.rows) == len(whole.rows)
    assert resumed.summary["seconds"] == pytest.approx(whole.summary["seconds"])
