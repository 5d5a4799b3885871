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


def test_no_rule_is_an_error():
    with pytest.raises(SettingsError, match="give --epochs, --flops or --minutes"):
        share_spent(BudgetSettings(), Spent())
