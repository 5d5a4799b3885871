import labelmend
from labelmend.cli.result import print_result


def test_a_run_that_took_more_than_it_was_given_is_told(capsys):
    run = labelmend.fit("digits", method="ce", limit=60, flops=1e6, widths=[8], test="none")
    print_result(run)
    assert "More than --flops 1e+06: it took " in capsys.readouterr().out


def test_a_run_within_its_budget_says_nothing_of_it(capsys):
    print_result(labelmend.fit("digits", method="ce", limit=60, epochs=1, widths=[8], test="none"))
    assert "More than" not in capsys.readouterr().out
