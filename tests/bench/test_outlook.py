import pytest

from bench.examples import cell, record
from labelmend.bench.outlook import Outlook
from labelmend.training.machine import machine

HERE = {name: machine()[name] for name in ("processor", "accelerator", "threads")}


def outlook(*records):
    return Outlook.of(records)


def done(row, seconds, flops=1e9, **other):
    return record(cell(row), seconds=seconds, flops=flops, **{**HERE, **other})


def test_nothing_is_known_of_a_machine_that_has_run_nothing():
    assert outlook().seconds(cell()) is None
    assert outlook().whole([cell()]) is None
    assert outlook().whole([]) == 0


@pytest.mark.parametrize("other", [{"processor": "Z80"}, {"accelerator": "GPU"}, {"threads": 999}])
def test_seconds_of_another_machine_say_nothing(other):
    assert outlook(done("CE", 10.0, **other)).seconds(cell("CE")) is None


def test_a_row_takes_the_median_of_its_own_cells():
    found = outlook(done("CE", 10.0), done("CE", 30.0), done("CE", 90.0), done("Mend", 1000.0))
    assert found.seconds(cell("CE")) == 30
    assert found.whole([cell("CE"), cell("CE", seed=2), cell("Mend")]) == 1060


def test_another_row_takes_its_operations_at_the_median_speed():
    found = outlook(done("A", 10.0, 1e9), done("B", 40.0, 2e9), done("C", 900.0, 3e9))
    assert found.seconds(cell("CE", flops=5e9)) == pytest.approx(100)


def test_another_row_that_counts_epochs_takes_the_median_of_all():
    found = outlook(done("A", 10.0), done("B", 20.0), done("B", 70.0))
    assert found.seconds(cell("CE", flops=None, epochs=3)) == 20


def test_minutes_are_what_they_say():
    assert outlook(done("CE", 10.0)).seconds(cell(flops=None, minutes=2)) == 120


def test_the_last_word_of_the_first_cell_stands_until_one_is_done():
    found = Outlook()
    found.expect(cell("A", flops=1e9), 50.0)
    assert found.whole([cell("A", flops=1e9), cell("B", flops=2e9)]) == pytest.approx(150)
    found.expect(cell("A", flops=1e9), 60.0)
    assert found.whole([cell("A", flops=1e9), cell("B", flops=2e9)]) == pytest.approx(180)
    found.learn(done("A", 20.0), 70.0)
    assert (found.seconds(cell("A")), found.seconds(cell("B", flops=2e9))) == (70, pytest.approx(140))


def test_a_cell_in_hand_tells_of_its_own_row_until_one_of_it_is_done():
    found = outlook(done("A", 70.0))
    found.expect(cell("B"), 700.0)
    assert (found.seconds(cell("B", seed=2)), found.seconds(cell("C"))) == (700, pytest.approx(70))
    found.expect(cell("A"), 700.0)
    assert found.seconds(cell("A", seed=2)) == 70
