import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from labelmend.data.image_set import ImageSet, MemoryImages
from labelmend.errors import RunError
from labelmend.verdicts import frame
from labelmend.verdicts.record import SampleRecord


@pytest.fixture
def image_set():
    return ImageSet(
        images=MemoryImages(torch.zeros(4, 4, 4, 1, dtype=torch.uint8)),
        given_labels=np.array([0, 1, 1, 0]),
        class_names=["cat", "dög, big"],
        ids=["a", "b,1", "c", "d"],
        paths=["a.png", "b.png", "c.png", ""],
    )


@pytest.fixture
def samples():
    return SampleRecord(
        probabilities=torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.05, 0.95]]),
        easiness=torch.tensor([1.0, 0.9, 0.1, 1 / 3]),
        easy=torch.tensor([True, False, False, False]),
        label_quality=torch.tensor([0.9, 0.8, 0.3, 0.05]),
        corrected=torch.tensor([-1, 1, 0, -1]),
        votes=torch.tensor([0, 3, 2, 0], dtype=torch.int32),
        vote_share=torch.tensor([0, 2 / 3, 1, -0.0]),
        sources=torch.tensor([[-1, -1, -1], [0, -1, -1], [0, 1, -1], [-1, -1, -1]]),
        neighbour_label=torch.tensor([-1, -1, -1, -1]),
        neighbour_support=torch.full((4,), 0.5),
    )


def test_rows_by_hand(samples, image_set):
    table = frame.to_frame(samples, image_set)
    assert list(table.columns) == list(frame.COLUMNS)
    assert list(table["predicted_label"]) == ["cat", "dög, big", "cat", "dög, big"]
    assert list(table["suggested_label"]) == ["cat", "dög, big", "cat", "cat"]
    assert list(table["verdict"]) == ["easy", "hard_clean", "hard_corrected", "uncertain"]
    assert list(table["is_label_issue"]) == [False, False, True, True]
    assert list(table["label_quality"]) == [0.9, 0.8, 0.3, 0.05]
    # A voted label is as sure as model and anchors on average, any other as the model is of it.
    assert list(table["suggestion_confidence"]) == [0.9, 0.733333, 0.85, 0.05]
    assert list(table["vote_share"]) == [0, 0.666667, 1, 0]
    assert "-0.0" not in str(list(table["vote_share"]))
    assert list(table["nearest_easy_ids"]) == [[], ["a"], ["a", "b,1"], []]


def test_the_neighbours_of_a_record_decide_with_the_model(samples, image_set):
    doubted = replace(
        samples,
        probabilities=torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.16, 0.84]]),
        label_quality=torch.tensor([0.9, 0.8, 0.3, 0.16]),
    )
    assert not frame.to_frame(doubted, image_set)["is_label_issue"][3]
    against = replace(doubted, neighbour_label=torch.tensor([-1, -1, -1, 1]))
    assert frame.to_frame(against, image_set)["is_label_issue"][3]


def test_true_labels_come_last_where_known(samples, image_set):
    known = ImageSet(**{**vars(image_set), "true_labels": np.array([0, 1, 0, 1])})
    table = frame.to_frame(samples, known)
    assert table.columns[-1] == "true_label"
    assert list(table["true_label"]) == ["cat", "dög, big", "cat", "dög, big"]


def test_parquet_round_trip(tmp_path, samples, image_set):
    table = frame.to_frame(samples, image_set)
    frame.write_parquet(table, tmp_path / "v.parquet")
    pd.testing.assert_frame_equal(frame.read_parquet(tmp_path / "v.parquet"), table)


def test_csv_text(tmp_path, samples, image_set):
    frame.write_csv(frame.to_frame(samples, image_set), tmp_path / "v.csv")
    lines = (tmp_path / "v.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == ",".join(frame.COLUMNS)
    assert lines[1] == "a,a.png,cat,cat,cat,easy,False,0.900000,0.900000,1.000000,0,0.000000,[]"
    read = pd.read_csv(tmp_path / "v.csv")
    assert json.loads(read["nearest_easy_ids"][2]) == ["a", "b,1"]


def test_same_table_same_bytes_whatever_the_last_bits(tmp_path, samples, image_set):
    noisy = replace(samples, easiness=samples.easiness + 1e-7)
    assert not torch.equal(noisy.easiness, samples.easiness)
    for name, some in (("1", samples), ("2", noisy)):
        frame.write_parquet(frame.to_frame(some, image_set), tmp_path / f"{name}.parquet")
        frame.write_csv(frame.to_frame(some, image_set), tmp_path / f"{name}.csv")
    for kind in ("parquet", "csv"):
        assert (tmp_path / f"1.{kind}").read_bytes() == (tmp_path / f"2.{kind}").read_bytes()


def test_unreadable_tables_are_named(tmp_path):
    path = tmp_path / "verdicts.parquet"
    with pytest.raises(RunError, match="is missing"):
        frame.read_parquet(path)
    path.write_bytes(b"PAR1 no")
    with pytest.raises(RunError, match="cannot be read"):
        frame.read_parquet(path)
    pd.DataFrame({"id": ["a"]}).to_parquet(path)
    with pytest.raises(RunError, match="no column 'path'"):
        frame.read_parquet(path)


def test_damaged_tables_are_named(tmp_path, samples, image_set):
    path, table = tmp_path / "verdicts.parquet", frame.to_frame(samples, image_set)
    for column, cell in (("votes", None), ("nearest_easy_ids", None), ("given_label", None)):
        table.astype({column: object}).assign(**{column: [cell, *table[column][1:]]}).to_parquet(path)
        with pytest.raises(RunError, match=f"an empty cell in column '{column}'"):
            frame.read_parquet(path)
    table.assign(label_quality="high").to_parquet(path)
    with pytest.raises(RunError, match="cannot be read"):
        frame.read_parquet(path)
    frame.write_parquet(table, path)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"easy", b"\xbf\xbf\xbf\xbf"))
    with pytest.raises(RunError, match="cannot be read"):
        frame.read_parquet(path)
    path.write_bytes(
        whole.replace(b'"numpy_type"', b'"numpy_typ_"').replace(b'{"index_columns', b'{"index_colum;s')
    )
    pd.testing.assert_frame_equal(frame.read_parquet(path), table)


@pytest.mark.parametrize(
    ("column", "cell", "told"),
    [
        ("verdict", "doubtful", "has the verdict 'doubtful'; the verdicts are easy, hard_clean"),
        ("label_quality", 2.0, "outside of 0 to 1 in column 'label_quality'"),
        ("suggestion_confidence", 1.5, "outside of 0 to 1 in column 'suggestion_confidence'"),
        ("easiness", -0.1, "outside of 0 to 1 in column 'easiness'"),
    ],
)
def test_what_no_run_writes_into_its_table_is_named(tmp_path, samples, image_set, column, cell, told):
    path, table = tmp_path / "verdicts.parquet", frame.to_frame(samples, image_set)
    table.assign(**{column: [cell, *table[column][1:]]}).to_parquet(path)
    with pytest.raises(RunError, match=told):
        frame.read_parquet(path)
