import pytest

from labelmend.training.schedule import lr_factor


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_rises_to_one_then_falls_to_zero(schedule):
    assert lr_factor(0.0, 0.2, schedule) == 0
    assert lr_factor(0.1, 0.2, schedule) == pytest.approx(0.5)
    assert lr_factor(0.2, 0.2, schedule) == pytest.approx(1)
    assert lr_factor(0.6, 0.2, schedule) == pytest.approx(0.5)
    assert lr_factor(1.0, 0.2, schedule) == pytest.approx(0, abs=1e-12)


def test_step_falls_to_a_tenth_half_way():
    assert [lr_factor(s, 0.0, "step") for s in (0.0, 0.49, 0.5, 1.0)] == [1, 1, 0.1, 0.1]
