import pytest

from labelmend.cli.result import noise_line

SUMMARY = {
    "estimated_noise_rate": 0.3834,
    "estimated_noise_interval": [0.287, 0.4191],
    "estimated_noise_told": True,
}


def test_the_share_of_wrong_labels_comes_with_its_interval():
    assert noise_line(SUMMARY) == "Estimated share of wrong labels: 38.3 % (between 28.7 and 41.9 %)"


def test_a_share_that_cannot_be_told_is_not_given():
    line = noise_line(SUMMARY | {"estimated_noise_told": False})
    assert line.startswith("Share of wrong labels: cannot be told, anything between 28.7 and 41.9 %")
    assert "38.3" not in line
    assert "longer budget" in line


@pytest.mark.parametrize("told", [True, False])
def test_a_run_of_an_older_version_has_no_interval(told):
    old = {"estimated_noise_rate": 0.3834}
    assert noise_line(old) == "Estimated share of wrong labels: 38.3 %"
