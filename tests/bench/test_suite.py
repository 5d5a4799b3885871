import warnings
from pathlib import Path

import pytest
from PIL import Image

from labelmend.bench.suite import read_suite
from labelmend.errors import LabelmendWarning, SettingsError

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


def test_a_suite_without_a_recipe_takes_the_one_that_suits_its_images(tmp_path):
    for name, side in (("photos", 80), ("small", 32)):
        for label in "ab":
            (tmp_path / name / label).mkdir(parents=True)
            Image.new("RGB", (side, side)).save(tmp_path / name / label / "0.png")
    rows = "rows: {A: {}, B: {method: ce}, C: {recipe: fast}}"
    frozen = {}
    for name in ("photos", "small", "gone"):
        (tmp_path / "own.yaml").write_text(f"data: {tmp_path / name}\nsettings: {{epochs: 1}}\n{rows}\n")
        frozen[name] = [cell.settings.network.frozen for cell in read_suite(tmp_path / "own.yaml").cells]
    assert frozen == {"photos": [True, True, False], "small": [False] * 3, "gone": [False] * 3}


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
        ("rows: {}", "'data' is missing"),
        ("data: digits\nrows: {CE: {method: ce}}\nseed: 1", "unknown key 'seed'"),
        ("data: [", "is not valid YAML"),
        ("data: digits\nrows: {}", "'rows' is {}"),
        ("data: digits\nrows: [CE]", "'rows' is \\['CE'\\]: input should be a valid dictionary"),
        ("data: digits\nrows: {CE: ce}", "'rows.CE' is 'ce': input should be a valid dictionary"),
        ("data: [a]\nrows: {CE: {method: ce}}", "'data' is \\['a'\\]: input should be a valid string"),
        ("data: digits\nseeds: 3\nrows: {CE: {method: ce}}", "'seeds' is 3: input should be a valid list"),
        ("data: digits\nseeds: [true]\nrows: {CE: {method: ce}}", "'seeds.0' is True"),
        ("data: digits\nseeds: [-1]\nrows: {CE: {method: ce}}", "--seed is -1"),
        ("data: digits\nsettings: x\nrows: {CE: {method: ce}}", "'settings' is 'x'"),
        ("data: digits\nrecipe: 5\nrows: {CE: {method: ce}}", "'recipe' is 5"),
        ("data: digits\nrows: {CE: {method: [ce]}}", "--method is"),
        ("data: digits\nrows: {1: {method: ce}}", "the key 1, but names of settings are text"),
        (f"data: digits\nrows: {{{'n' * 300}: {{method: ce}}}}", "too long a name for a file"),
        ("data: digits\nrows: {CE: {method: ce, epocs: 1}}", r"bad\.yaml, row 'CE': .*epocs"),
        ("data: digits\nrows: {A: {method: ce}, B: {method: c}}", r"bad\.yaml, row 'B': .*method"),
        ("data: digits\nseeds: []\nrows: {CE: {method: ce}}", "'seeds' is \\[\\]: .*at least 1 item"),
        ("data: digits\nnoises: []\nrows: {CE: {method: ce}}", "'noises' is \\[\\]: .*at least 1 item"),
        ("data: digits\nseeds: [1, 2, 1]\nrows: {CE: {method: ce}}", "'seeds' has 1 twice; leave one out"),
        (
            "data: digits\nnoises: ['symmetric:0.2', 'symmetric:0.2']\nrows: {CE: {method: ce}}",
            "'noises' has 'symmetric:0.2' twice",
        ),
        (
            "data: digits\nnoises: ['symmetric:0.3', null, 'symmetric:0.30']\nrows: {CE: {method: ce}}",
            "'noises' has 'symmetric:0.3' and 'symmetric:0.30', which are the same noise; leave one out",
        ),
        (
            "data: digits\nnoises: ['symmetric:0.3', 'symmetric:0.3:seed=0']\nrows: {CE: {method: ce}}",
            "'symmetric:0.3' and 'symmetric:0.3:seed=0', which are the same noise",
        ),
        ("data: digits\nnoises: [null, '']\nrows: {CE: {method: ce}}", "has None and '', which are the same"),
        (
            "data: digits\nsettings: {data.noise: 'symmetric:0.4'}\nrows: {CE: {method: ce}}",
            r"row 'CE': 'data.noise' is 'symmetric:0.4' .* the suite lists None; remove it there, and list "
            r"it: 'noises: \[symmetric:0.4\]'",
        ),
        (
            "data: digits\nnoises: ['symetric:0.2']\nrows: {CE: {method: ce}}",
            r"bad\.yaml: --noise symetric:0.2: there is no noise 'symetric'; did you mean 'symmetric'",
        ),
        (
            "data: digits\nsettings: {noise: 'symmetric:0.4'}\nrows: {CE: {method: ce}}",
            r"'settings' has 'noise', .*; list it for all rows: 'noises: \[symmetric:0.4\]'",
        ),
        ("data: digits\nrows: {CE: {method: ce, seed: 5}}", r"'rows.CE' has 'seed', .*'seeds: \[5\]'"),
        (
            f"data: digits\nrows: {{{'λ' * 110}: {{method: ce}}, {'n' * 150}: {{method: ce}}}}",
            "the cell λ.* has too long a name for a file",
        ),
        (
            "data: digits\nrows: {a b: {method: ce}, a-b: {method: ce}}",
            "two cells are both called a-b__as-given",
        ),
        (
            "data: digits\nrows: {CE: {method: ce}, ce: {method: mixup}}",
            "two cells are both called CE__as-given",
        ),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(SettingsError, match=message):
        read_suite(tmp_path / "bad.yaml")
    with pytest.raises(SettingsError, match="there is no such file"):
        read_suite(tmp_path / "none.yaml")


def test_a_recipe_makes_no_noise_that_the_suite_does_not_list(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "noisy.yaml").write_text("data: {noise: 'symmetric:0.4'}\nbudget: {epochs: 1}")
    path = tmp_path / "small.yaml"
    path.write_text("data: digits\nrecipe: noisy.yaml\nnoises: ['symmetric:0.1']\nrows: {CE: {method: ce}}")
    assert read_suite(path).cells[0].settings.data.noise == "symmetric:0.1"
    path.write_text("data: digits\nrows: {CE: {method: ce}, B: {method: ce, recipe: noisy.yaml}}")
    with pytest.raises(SettingsError, match=r"row 'B': 'data.noise' is 'symmetric:0.4' by the recipe"):
        read_suite(path)


def test_the_name_of_the_suite_counts_too(tmp_path):
    text = f"data: digits\nrows: {{{'n' * 150}: {{method: ce}}}}"
    for name in ("s" * 10, "s" * 40):
        (tmp_path / f"{name}.yaml").write_text(text)
    assert len(read_suite(tmp_path / f"{'s' * 10}.yaml").cells) == 1
    with pytest.raises(SettingsError, match=r"too long a name for a file.*or of the suite"):
        read_suite(tmp_path / f"{'s' * 40}.yaml")


def test_names_of_other_alphabets_are_told_apart(tmp_path):
    (tmp_path / "small.yaml").write_text(
        "data: digits\nrows: {λ: {method: ce}, ω_ 1: {method: mixup}}", "utf-8"
    )
    assert [cell.name for cell in read_suite(tmp_path / "small.yaml").cells] == [
        "λ__as-given__seed0",
        "ω-1__as-given__seed0",
    ]


IDLE = """
data: digits
settings: {epochs: 1, cutout: 0.2, easy_percent: 60, padding: zero}
rows:
  Weak: {method: mixup, strong_views: false, jitter: 0.1}
  Strong: {method: mixup, strong_views: true, crop: 0}
"""


def test_settings_that_do_nothing_are_told_of_rows_and_of_all(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(IDLE.replace("easy_percent: 60, ", ""))
    with pytest.warns(LabelmendWarning) as said:
        read_suite(path)
    # Cutout and padding do something in one of the rows.
    assert [str(one.message) for one in said] == [
        f"suite {path}, row 'Weak': --jitter has no effect: this run learns no strong views"
    ]
    path.write_text(
        IDLE.replace("easy_percent: 60, ", "").replace("strong_views: true", "strong_views: false")
    )
    with pytest.warns(LabelmendWarning) as said:
        read_suite(path)
    assert f"suite {path}: --cutout has no effect: this run learns no strong views" in [
        str(one.message) for one in said
    ]


def test_suites_of_the_project_have_no_idle_settings():
    suites = sorted((Path(__file__).parents[2] / "benchmarks" / "suites").rglob("*.yaml"))
    assert suites
    with warnings.catch_warnings():
        warnings.simplefilter("error", LabelmendWarning)
        for path in suites:
            read_suite(path)
