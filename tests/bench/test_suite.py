import pytest

from labelmend.bench.suite import read_suite
from labelmend.errors import SettingsError

SUITE = """
title: Small
data: digits
settings: {epochs: 1, widths: [8]}
noises: ["symmetric:0.2", "symmetric:0.4"]
seeds: [3, 4]
rows:
  CE: {method: ce}
  Table 5, GMM: {method: anchor_hallucination, selection: gmm, correction: false, epochs: 2}
"""


def test_cells_are_the_product(tmp_path):
    (tmp_path / "small.yaml").write_text(SUITE)
    suite = read_suite(tmp_path / "small.yaml")
    assert suite.name == "small"
    assert suite.title == "Small"
    assert len(suite.cells) == 8
    first, last = suite.cells[0], suite.cells[-1]
    assert (first.row, first.noise, first.seed) == ("CE", "symmetric:0.2", 3)
    assert first.settings.method.name == "ce"
    assert first.settings.budget.epochs == 1
    assert first.settings.data.noise == "symmetric:0.2"
    assert last.settings.seed == 4
    assert last.settings.method.selection == "gmm"
    assert last.settings.budget.epochs == 2
    assert last.settings.network.widths == [8]
    names = [cell.name for cell in suite.cells]
    assert len(set(names)) == 8
    assert names[0] == "CE__symmetric-0.2__seed3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rows: {}", "needs 'data' and 'rows'"),
        ("data: digits\nrows: {CE: {method: ce}}\nseed: 1", "unknown key 'seed'"),
        ("data: [", "is not YAML"),
        ("data: digits\nrows: {CE: {method: ce, epocs: 1}}", "epocs"),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(SettingsError, match=message):
        read_suite(tmp_path / "bad.yaml")
    with pytest.raises(SettingsError, match="does not exist"):
        read_suite(tmp_path / "none.yaml")
