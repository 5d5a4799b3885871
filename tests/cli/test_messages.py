"""No text of others reaches a terminal raw, whichever command prints it."""

from __future__ import annotations

import csv
import subprocess
import sys
import warnings

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from labelmend.cli.main import main
from labelmend.cli.messages import make_console, plain, plain_warnings
from labelmend.data import load
from labelmend.errors import LabelmendWarning

EVIL = "\x1b[31m[b]red\x1b]0;t\x07"
SHOWN = "\\x1b[31m[b]red\\x1b]0;t\\x07"
LINES = "two\nlines\tand a tab"
LINES_SHOWN = "two\\nlines\\tand a tab"
FORMULA = "=1+1"
FLAGS = ["--epochs=4", "--batch-size=16", "--widths=8,8", "--depth=1", "--precision=float32"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "photos"
    rng = np.random.default_rng(0)
    for label, name in enumerate((EVIL, LINES, FORMULA)):
        (root / name).mkdir(parents=True)
        for i in range(14):
            pixels = rng.integers(0, 60, (8, 8, 3)) + 90 * label
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{i}{EVIL}\n.png")
    (root.parent / f"broken{EVIL}.png").write_text("no image")
    return root


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / f"run{EVIL}"
    assert main(["fit", str(photos), "--out", str(folder), "--noise", "symmetric:0.3", *FLAGS]) == 0
    return folder


def clean(text):
    """Whether a terminal would obey nothing of it but line ends and the tabs between columns."""
    return not any((ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160 for c in text)


def test_rich_shows_text_as_it_is(capsys):
    make_console().print(plain(f"{EVIL}{LINES}"))
    assert capsys.readouterr().out == f"{SHOWN}{LINES_SHOWN}\n"


def test_a_terminal_gets_only_the_codes_of_our_own_styles():
    console = Console(force_terminal=True, record=True, width=200, markup=False)
    with console.capture() as captured:
        console.print(plain(EVIL, "bold"))
    assert captured.get() == f"\x1b[1m{SHOWN}\x1b[0m\n"


def test_warnings_are_one_line(capsys):
    with plain_warnings():
        warnings.warn(f"{EVIL}{LINES}", LabelmendWarning, stacklevel=1)
        warnings.warn(f"{EVIL}{LINES}", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == f"labelmend: warning: {SHOWN}{LINES_SHOWN}\n" * 2


@pytest.mark.parametrize(
    "argv",
    [
        ["data", "PHOTOS"],
        ["show", "RUN"],
        ["resume", "RUN"],
        ["predict", "RUN", "PHOTOS"],
        ["predict", "RUN", f"PHOTOS/../broken{EVIL}.png"],
        ["noise", "PHOTOS", "--rate", "0.2", "--out", f"TMP/{EVIL}.csv"],
        ["fit", "PHOTOS", "--out", "RUN"],
        ["fit", EVIL],
        ["fit", "PHOTOS", "--seed", EVIL],
        ["fit", "PHOTOS", f"--{EVIL}", "1"],
        ["fit", "PHOTOS", "--noise", EVIL],
        ["fit", "PHOTOS", "--recipe", EVIL],
        ["fit", "PHOTOS", "--method", EVIL],
        ["fit", "PHOTOS", "--labels", EVIL],
        ["predict", "RUN", EVIL],
        ["show", EVIL],
        ["bench", EVIL],
        [EVIL],
    ],
)
def test_no_command_prints_a_raw_escape_code(argv, photos, run, tmp_path, capsys):
    places = {"PHOTOS": str(photos), "RUN": str(run), "TMP": str(tmp_path)}
    filled = list(argv)
    for name, place in places.items():
        filled = [part.replace(name, place) for part in filled]
    assert main(filled) in (0, 2)
    captured = capsys.readouterr()
    assert clean(captured.out + captured.err), repr(captured)


def test_a_tab_or_line_end_in_a_name_breaks_no_table(photos, run, capsys):
    assert main(["predict", str(run), str(photos)]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) >= 42
    assert {len(row.split("\t")) for row in rows} == {len(rows[0].split("\t"))}
    assert main(["data", str(photos)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines if line.startswith((SHOWN, LINES_SHOWN, FORMULA))] == [
        "14"
    ] * 3


def test_no_cell_is_a_formula_and_ids_and_labels_come_back(photos, run, tmp_path):
    clean_set = load(photos)
    out = tmp_path / "noisy.csv"
    assert main(["noise", str(photos), "--rate", "0.2", "--out", str(out)]) == 0
    assert main(["predict", str(run), str(photos), "--out", str(tmp_path / "p.csv")]) == 0
    for path in (out, tmp_path / "p.csv", run / "verdicts.csv"):
        with path.open(newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not any(cell.startswith(tuple("=+@\t\r")) for cell in cells)
        if path.name != "p.csv":  # what is predicted is not known
            assert "'" + FORMULA in cells
    again = load(photos, labels=out)
    assert again.ids == clean_set.ids
    assert again.class_names == clean_set.class_names
    assert FORMULA in again.class_names
    np.testing.assert_array_equal(again.true_labels, clean_set.given_labels)


def test_a_terminal_without_unicode_gets_escapes(tmp_path):
    code = "import sys; from labelmend.cli.main import main; sys.exit(main(['show', 'caf\\u00e9']))"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env={"PYTHONIOENCODING": "ascii", "PATH": ""}
    )
    assert found.returncode == 2
    assert b"no run folder caf\\xe9" in found.stderr
