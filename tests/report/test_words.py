import pytest

from labelmend.config import BudgetSettings
from labelmend.report.words import clean_line, headline, noise_line, overspent

SUMMARY = {
    "estimated_noise_rate": 0.3834,
    "estimated_noise_interval": [0.2871, 0.419],
    "estimated_noise_told": True,
}
COUNTS = {"easy": 90, "hard_clean": 2, "hard_corrected": 5, "uncertain": 3}


def test_the_share_of_wrong_labels_comes_with_its_interval():
    assert noise_line(SUMMARY) == "Estimated share of wrong labels: 38.3 % (between 28.7 and 41.9 %)"


def test_a_share_that_cannot_be_told_is_not_given():
    line = noise_line(SUMMARY | {"estimated_noise_told": False})
    assert "cannot be told, anything between 28.7 and 41.9 %" in line
    assert "38.3" not in line


def test_a_longer_budget_is_advised_where_it_may_help():
    summary = SUMMARY | {"estimated_noise_told": False, "samples": 4_999, "epochs": 40.0}
    assert noise_line(summary).endswith("28.7 and 41.9 %; there are too few images, or too alike ones")
    for change in {"samples": 5_000}, {"epochs": 39.9}:
        assert noise_line(summary | change).endswith("too few images (a longer budget may help)")


def test_labels_are_not_said_to_look_clean_where_nothing_can_be_told():
    few = SUMMARY | {"looks_clean": True, "estimated_noise_rate": 0.049}
    assert clean_line(few) == "These labels look clean."
    assert clean_line(few | {"estimated_noise_told": False}) == ""
    assert clean_line(few | {"looks_clean": False}) == ""
    assert clean_line(few | {"estimated_noise_rate": 0.05}) == ""
    assert clean_line(few | {"learns_features": True, "epochs": 146, "samples": 120}) == ""
    older = {"looks_clean": True, "estimated_noise_rate": 0.01}
    assert clean_line(older) == "These labels look clean."


def test_runs_of_older_versions_have_the_share_alone():
    old = {"estimated_noise_rate": 0.3834}
    assert noise_line(old) == "Estimated share of wrong labels: 38.3 %"
    assert headline(old, COUNTS, 5).startswith("About 38.3 % of the labels are wrong: another")


def test_one_sentence_says_what_was_found():
    assert headline(SUMMARY, COUNTS, 5) == (
        "About 38.3 % of the labels are wrong (between 28.7 and 41.9 %): another label is suggested for 5 of "
        "100 images, and 2 that are hard but right are kept."
    )


def test_the_sentence_without_suggestions_or_kept_images():
    counts = COUNTS | {"hard_clean": 0, "hard_corrected": 0, "easy": 97}
    assert headline(SUMMARY, counts, 0).endswith("no other label is suggested for any of 100 images.")
    one = headline(SUMMARY | {"estimated_noise_told": False}, COUNTS | {"hard_clean": 1}, 5)
    assert one.startswith("How many labels are wrong cannot be told yet (anything between 28.7 and 41.9 %)")
    assert one.endswith("and 1 that is hard but right is kept.")


@pytest.mark.parametrize(
    ("budget", "told"),
    [
        ({"flops": 1e9}, "More than --flops 1e+09: it took 5e+10, since a pass over all images,"),
        ({"minutes": 1}, "More than --minutes 1: it took 2.5, since a pass"),
        ({"flops": 4.1e10}, "More than --flops 4.1e+10: it took 5e+10,"),
        ({"flops": 4.2e10}, None),
        ({"minutes": 2.1}, None),
        ({"epochs": 1}, None),
    ],
)
def test_a_run_that_took_more_than_it_was_given_says_so(budget, told):
    effort = {"flops": 5e10, "seconds": 150.0}
    found = overspent(BudgetSettings(**budget), effort)
    assert found == told or (found and told and found.startswith(told))
    # What further training of the backbone took is not of the budget.
    tuned = {"flops": 1e12, "seconds": 9999.0, "frozen": effort}
    assert overspent(BudgetSettings(**budget), tuned) == found
