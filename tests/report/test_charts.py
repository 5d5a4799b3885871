from types import SimpleNamespace

import pandas as pd

from labelmend.report import charts
from labelmend.report.findings import Findings
from labelmend.verdicts.verdicts import Verdicts


def findings(given, suggested, verdict, quality=None, names=None, metrics=()):
    table = pd.DataFrame(
        {
            "id": [str(row) for row in range(len(given))],
            "given_label": list(given),
            "suggested_label": list(suggested),
            "verdict": verdict,
            "label_quality": [0.5] * len(given) if quality is None else quality,
        }
    )
    classes = sorted({*given, *suggested}) if names is None else names
    return Findings(SimpleNamespace(verdicts=Verdicts(table), classes=classes), None, "", [], list(metrics))


def test_flow_is_between_the_classes_of_the_run():
    found = charts.flow(findings("aabc", "bbbc", ["hard_corrected"] * 2 + ["easy"] * 2))
    assert (found.classes, found.images.tolist()) == ([0, 1], [[0, 2], [0, 0]])


def test_quality_is_counted_by_verdict():
    found = charts.quality_histogram(
        findings("aaa", "aaa", ["easy", "uncertain", "uncertain"], [1.0, 0.0, 0.99])
    )
    assert found.shape == (4, charts.BINS)
    assert found[0, -1] == 1
    assert (found[3, 0], found[3, -1]) == (1, 1)
    assert found.sum() == 3


def test_curves_have_gaps_where_nothing_was_measured():
    rows = [{"epoch": 1, "loss": 2.5}, {"epoch": 2, "loss": float("nan"), "test_accuracy": 0.5, "other": 1}]
    found = charts.curves(findings("ab", "ab", ["easy"] * 2, metrics=rows))
    assert found == {"epoch": [1.0, 2.0], "loss": [2.5, None], "test_accuracy": [None, 0.5]}


def test_classes_count_what_leaves_and_what_comes():
    rows = charts.class_rows(
        findings(
            "aab", "baa", ["hard_corrected", "hard_clean", "hard_corrected"], [0.1, 0.5, 0.2], ["a", "b", "c"]
        )
    )
    assert rows[0] == {
        "name": "a",
        "images": 2,
        "leaving": 1,
        "coming": 1,
        "hard_corrected": 1,
        "hard_clean": 1,
        "uncertain": 0,
        "quality": 0.3,
    }
    assert (rows[2]["images"], rows[2]["quality"]) == (0, None)
