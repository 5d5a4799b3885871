import pytest

from labelmend.config import BudgetSettings
from labelmend.errors import SettingsError
from labelmend.training.budget import Spent, share_spent


def test_each_rule_reads_its_own_counter():
    spent = Spent(epochs=3, flops=2e9, seconds=90)
    assert share_spent(BudgetSettings(epochs=12), spent) == 0.25
    assert share_spent(BudgetSettings(flops=4e9), spent) == 0.5
    assert share_spent(BudgetSettings(minutes=3), spent) == 0.5


def test_spent_is_never_above_one_and_survives_rounding():
    assert share_spent(BudgetSettings(epochs=1), Spent(epochs=sum([1 / 3] * 3))) == 1
    assert share_spent(BudgetSettings(epochs=1), Spent(epochs=7 * (1 / 7))) == 1
    assert share_spent(BudgetSettings(epochs=1), Spent(epochs=2)) == 1


def test_a_budget_in_minutes_keeps_time_for_judging():
    assert share_spent(BudgetSettings(minutes=2), Spent(seconds=30, reserved=30)) == 0.5
    assert share_spent(BudgetSettings(minutes=2), Spent(seconds=90, reserved=30)) == 1


def test_nothing_is_spent_at_first_and_a_whole_is_not_reached_early():
    for rule in ("epochs", "flops", "minutes"):
        assert share_spent(BudgetSettings(**{rule: 3}), Spent()) == 0
    assert share_spent(BudgetSettings(epochs=1), Spent(epochs=1 - 1e-8)) == 1 - 1e-8
    assert share_spent(BudgetSettings(epochs=3), Spent(epochs=3 * (1 - 1e-10))) == 1


def test_no_rule_is_an_error():
    with pytest.raises(SettingsError, match="give --epochs, --flops or --minutes"):
        share_spent(BudgetSettings(), Spent())
