import numpy as np
import pandas as pd
import pytest
import torch

from labelmend.data.image_set import ImageSet, MemoryImages
from labelmend.verdicts.frame import COLUMNS, to_frame
from labelmend.verdicts.record import SampleRecord
from labelmend.verdicts.verdicts import Verdicts


@pytest.fixture
def verdicts():
    rows = [
        ("a", "cat", "cat", "easy", False, 0.9, 0.9),
        ("b", "cat", "dog", "hard_corrected", True, 0.2, 0.6),
        ("c", "cat", "dog", "hard_corrected", True, 0.1, 0.9),
        ("d", "dog", "cat", "hard_corrected", True, 0.1, 0.6),
        ("e", "dog", "dog", "uncertain", False, 0.4, 0.4),
    ]
    names = ("id", "given_label", "suggested_label", "verdict", "is_label_issue", "label_quality")
    table = pd.DataFrame(rows, columns=[*names, "suggestion_confidence"])
    table["path"], table["nearest_easy_ids"] = "", [[]] * len(table)
    table["predicted_label"] = table["suggested_label"]
    for column in ("easiness", "votes", "vote_share"):
        table[column] = 0
    return Verdicts(table[list(COLUMNS)])


def test_summary_counts_by_hand(verdicts):
    summary = verdicts.summary()
    assert (summary["images"], summary["label_issues"], summary["suggestions"]) == (5, 3, 3)
    assert summary["verdicts"] == {"easy": 1, "hard_clean": 0, "hard_corrected": 3, "uncertain": 1}


def test_flow_counts_and_shares(verdicts):
    flow = verdicts.flow()
    assert flow.to_dict("records") == [
        {"given_label": "cat", "suggested_label": "dog", "images": 2, "share": pytest.approx(2 / 3)},
        {"given_label": "dog", "suggested_label": "cat", "images": 1, "share": 0.5},
    ]


def test_suggestions_are_ranked_by_confidence_then_quality(verdicts):
    assert list(verdicts.suggestions()["id"]) == ["c", "d", "b"]
    assert list(verdicts.suggestions(1)["id"]) == ["c"]


def test_issues_have_cleanlabs_columns_in_the_order_of_the_data(verdicts):
    issues = verdicts.issues()
    assert list(issues.columns) == ["is_label_issue", "label_quality", "given_label", "predicted_label"]
    assert list(issues["is_label_issue"]) == [False, True, True, True, False]


def test_no_suggestions_give_an_empty_flow(verdicts):
    quiet = Verdicts(verdicts.table[verdicts.table["verdict"] == "easy"])
    assert quiet.flow().empty
    assert quiet.summary()["flow"] == []


def test_a_folder_keeps_the_table(tmp_path, verdicts):
    verdicts.save(tmp_path)
    loaded = Verdicts.load(tmp_path)
    assert loaded.summary() == verdicts.summary()
    assert len(loaded) == 5


def test_the_table_of_a_record():
    image_set = ImageSet(
        images=MemoryImages(torch.zeros(3, 4, 4, 1, dtype=torch.uint8)),
        given_labels=np.array([0, 1, 1]),
        class_names=["cat", "dog"],
        ids=["a", "b", "c"],
        paths=["", "", ""],
    )
    record = SampleRecord.empty(3, 2)
    pd.testing.assert_frame_equal(Verdicts.from_record(record, image_set).table, to_frame(record, image_set))
    assert Verdicts.from_record(record, image_set).summary()["verdicts"]["uncertain"] == 3


def test_issues_have_the_index_of_the_table(verdicts):
    verdicts.table.index = [0, 2, 3, 5, 6]
    assert verdicts.issues().index.tolist() == [0, 2, 3, 5, 6]
