from types import SimpleNamespace

import numpy as np
import pandas as pd

from labelmend.report import gallery
from labelmend.report.findings import Findings
from labelmend.report.gallery import Known
from labelmend.verdicts.verdicts import Verdicts

NAMES = ["a", "b", "c"]


def findings(rows, duplicates=()):
    """Findings of rows (given, suggested, verdict, quality, confidence, votes, sources)."""
    columns = [
        "given_label",
        "suggested_label",
        "verdict",
        "label_quality",
        "suggestion_confidence",
        "votes",
        "nearest_easy_ids",
    ]
    table = pd.DataFrame(rows, columns=columns)
    table.insert(0, "id", [f"id{row}" for row in range(len(table))])
    run = SimpleNamespace(verdicts=Verdicts(table), classes=NAMES)
    return Findings(run, None, "", list(duplicates), [])


EASY_A = ("a", "a", "easy", 0.9, 0.9, 0, [])
EASY_B = ("b", "b", "easy", 0.8, 0.8, 0, [])


def test_surest_suggestions_come_first_and_easy_images_last():
    found = findings(
        [
            EASY_A,
            ("a", "b", "hard_corrected", 0.1, 0.7, 3, []),
            ("a", "a", "uncertain", 0.3, 0.3, 0, []),
            ("a", "c", "hard_corrected", 0.2, 0.9, 3, []),
            ("a", "a", "hard_clean", 0.5, 0.5, 3, []),
            ("b", "b", "uncertain", 0.1, 0.1, 0, []),
        ]
    )
    assert gallery.order(found).tolist() == [3, 1, 5, 2, 4, 0]


def test_evidence_is_what_the_anchors_came_from_as_far_as_it_is_there():
    found = findings([EASY_A, EASY_B, ("a", "b", "hard_corrected", 0, 1, 3, ["id1", "id1", "gone", "id0"])])
    assert gallery.evidence(found, [2], None) == {2: [1, 0]}


def test_without_votes_the_nearest_easy_images_are_the_evidence():
    rows = [EASY_A, EASY_A, EASY_B, EASY_B, ("a", "a", "uncertain", 0.1, 0.1, 0, [])]
    features = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9], [0.2, 1.0]], np.float32)
    found = gallery.evidence(findings(rows), [4, 0], Known(np.arange(5), features))
    assert set(found[4][:2]) == {2, 3}
    assert 0 not in found[0]
    assert found[0][0] == 1


def test_no_evidence_where_no_easy_image_is_known():
    rows = [("a", "a", "uncertain", 0.1, 0.1, 0, [])] * 3
    assert gallery.evidence(findings(rows), [0], Known(np.arange(3), np.eye(3, dtype=np.float32))) == {}


def test_long_ids_leave_room_for_fewer_rows(monkeypatch):
    monkeypatch.setattr(gallery, "LISTED_BYTES", 3 * (gallery.ROW_BYTES + 3))
    found = findings([EASY_A] * 9)
    assert gallery.listed(found, np.arange(9)).tolist() == [0, 1, 2]


def test_pictures_are_those_most_worth_a_look_of_each_verdict(monkeypatch):
    monkeypatch.setattr(gallery, "PICTURED", {"uncertain": 2, "easy": 1})
    uncertain = ("a", "a", "uncertain", 0.1, 0.1, 0, [])
    found = findings([EASY_A, uncertain, uncertain, uncertain, EASY_B], duplicates=[[4, 3]])
    assert gallery.pictured(found, np.array([1, 2, 3, 4, 0])) == [4, 3, 1, 2]
