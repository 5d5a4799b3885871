import json

import pytest

from labelmend.bench.tables import mean_and_spread, render_suite, suite_tables, update_document
from labelmend.errors import RunError


def write(folder, row, seed, accuracy, **selection):
    record = {
        "suite": folder.name,
        "row": row,
        "noise": "cifar10n:worse",
        "summary": {
            "test_accuracy_last": accuracy,
            "test_accuracy_mean_of_last_10": accuracy,
            "test_accuracy_best": accuracy + 0.01,
            "flops": 2e13,
            "processor": "P",
        },
        "selection": selection,
    }
    (folder / f"{row}-{seed}.json").write_text(json.dumps(record))


def test_mean_and_sample_deviation_by_hand():
    assert mean_and_spread([0.5]) == "50.00"
    assert mean_and_spread([0.6, 0.7, 0.8]) == "70.00 ± 10.00"


def test_one_line_a_method_best_last(tmp_path):
    write(tmp_path, "Anchors", 1, 0.7, easy_purity=0.9)
    write(tmp_path, "Anchors", 2, 0.8, easy_purity=0.9)
    write(tmp_path, "CE", 1, 0.6)
    lines = render_suite(tmp_path).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| cifar10n:worse | CE | 1 | 60.00 | 60.00 | 61.00 |  |")
    assert lines[3].startswith("| cifar10n:worse | Anchors | 2 | 75.00 ± 7.07 |")
    assert "| 90.00 ± 0.00 |" in lines[3]
    assert len({line.count("|") for line in lines}) == 1


def test_no_results(tmp_path):
    with pytest.raises(RunError, match="holds no results"):
        render_suite(tmp_path)


def test_document_keeps_all_but_its_tables(tmp_path):
    document, results = tmp_path / "page.md", tmp_path / "results"
    (results / "known").mkdir(parents=True)
    write(results / "known", "CE", 1, 0.6)
    marks = "<!-- table: {} -->\nold\n<!-- end of table -->\n"
    known, unknown = marks.format("known"), marks.format("unknown")
    document.write_text(f"before\n{known}between\n{unknown}after\n")
    update_document(document, suite_tables(results))
    text = document.read_text()
    assert text.startswith("before\n<!-- table: known -->\n\n| noise |")
    assert text.endswith("between\n" + unknown + "after\n")
    assert "| CE | 1 | 60.00 |" in text
    update_document(document, suite_tables(results))
    assert document.read_text() == text


def test_results_that_are_of_no_suite_leave_a_document_as_it_is(tmp_path):
    document, results = tmp_path / "page.md", tmp_path / "results"
    (results / "other").mkdir(parents=True)
    (results / "other" / "seconds.json").write_text(json.dumps({"seconds": [1, 2]}))
    text = "<!-- table: other -->\nold\n<!-- end of table -->\n"
    document.write_text(text)
    update_document(document, suite_tables(results))
    assert document.read_text() == text
