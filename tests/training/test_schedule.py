import pytest

from labelmend.config import TrainingSettings
from labelmend.methods.plan import Schedule
from labelmend.training.schedule import lr_factor, schedule_of


@pytest.mark.parametrize("kind", ["linear", "cosine"])
def test_rises_to_one_then_falls_to_zero(kind):
    schedule = Schedule(kind, warmup=0.2)
    assert lr_factor(0.0, schedule) == 0
    assert lr_factor(0.1, schedule) == pytest.approx(0.5)
    assert lr_factor(0.2, schedule) == pytest.approx(1)
    assert lr_factor(0.6, schedule) == pytest.approx(0.5)
    assert lr_factor(1.0, schedule) == pytest.approx(0, abs=1e-12)


def test_the_two_falls_differ_by_hand():
    assert lr_factor(0.25, Schedule("linear")) == 0.75
    assert lr_factor(0.25, Schedule("cosine")) == pytest.approx(0.5 + 0.5 / 2**0.5)


def test_step_falls_to_a_tenth_half_way():
    assert [lr_factor(s, Schedule("step")) for s in (0.0, 0.49, 0.5, 1.0)] == [1, 1, 0.1, 0.1]


def test_step_divides_at_each_milestone():
    schedule = Schedule("step", milestones=(0.25, 0.5, 0.75), drop=4)
    factors = [lr_factor(s, schedule) for s in (0.0, 0.25, 0.49, 0.5, 0.8, 1.0)]
    assert factors == pytest.approx([1, 1 / 4, 1 / 4, 1 / 16, 1 / 64, 1 / 64])


def test_constant_stays_after_its_rise():
    schedule = Schedule("constant", warmup=0.5)
    assert [lr_factor(s, schedule) for s in (0.0, 0.25, 0.5, 1.0)] == [0, 0.5, 1, 1]
    assert [lr_factor(s, Schedule("constant")) for s in (0.0, 1.0)] == [1, 1]


def test_step_rises_first_too():
    schedule = Schedule("step", warmup=0.1, milestones=(0.5,), drop=2)
    assert [lr_factor(s, schedule) for s in (0.05, 0.1, 0.5)] == [0.5, 1, 0.5]


@pytest.mark.parametrize("kind", ["linear", "cosine"])
def test_holds_before_it_falls(kind):
    schedule = Schedule(kind, hold=0.4)
    assert [lr_factor(s, schedule) for s in (0.0, 0.2, 0.4)] == [1, 1, 1]
    assert lr_factor(0.7, schedule) == pytest.approx(0.5)
    assert lr_factor(1.0, schedule) == pytest.approx(0, abs=1e-12)
    rising = Schedule(kind, warmup=0.2, hold=0.4)
    assert [lr_factor(s, rising) for s in (0.1, 0.3)] == [0.5, 1]


@pytest.mark.parametrize("kind", ["linear", "cosine"])
def test_falls_to_its_floor(kind):
    schedule = Schedule(kind, floor=0.2)
    assert [lr_factor(s, schedule) for s in (0.0, 0.5, 1.0)] == pytest.approx([1, 0.6, 0.2])


def test_the_settings_of_a_run_describe_one():
    settings = TrainingSettings(lr_schedule="step", lr_warmup=0.05, lr_milestones=[0.3, 0.6], lr_drop=5.0)
    assert schedule_of(settings) == Schedule("step", warmup=0.05, milestones=(0.3, 0.6), drop=5.0)
    assert schedule_of(TrainingSettings()) == Schedule("linear", warmup=0.1)
