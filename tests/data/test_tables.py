from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelmend.data.tables import read_table
from labelmend.errors import DataError


def test_values_stay_as_written_and_blank_lines_are_passed_over(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('\ufeffid, label\n01,"a, ""b"""\n\nNA,\n', encoding="utf-8")
    table = read_table(path)
    assert table.columns == {"id": ["01", "NA"], "label": ['a, "b"', ""]}
    assert table.num_rows == 2


def test_columns_missing_from_some_lines_are_empty(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n\n{"a": 2, "b": [3]}\n')
    assert read_table(tmp_path / "t.jsonl").columns == {"a": [1, 2], "b": [None, [3]]}
    (tmp_path / "l.jsonl").write_text("[1]\n")
    with pytest.raises(DataError, match="line 1: each line must be one JSON object"):
        read_table(tmp_path / "l.jsonl")


@pytest.mark.parametrize(
    "metadata", [b"not json", b"[]", b"{}", b'{"info": {"features": null}}', b'{"info": 3}']
)
def test_foreign_schema_metadata_is_ignored(tmp_path, metadata):
    table = pa.table({"label": [1]}).replace_schema_metadata({b"huggingface": metadata})
    pq.write_table(table, tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").class_names == {}


def test_one_column_of_a_parquet_file(tmp_path):
    pq.write_table(pa.table({"image": [b"x", b"y"], "split": ["train", "test"]}), tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet", only="split").columns == {"split": ["train", "test"]}
    assert read_table(tmp_path / "t.parquet", only="label").columns == {"split": ["train", "test"]}


def test_a_column_that_is_there_twice_is_named(tmp_path):
    columns = pa.table([["a"], ["b"]], names=["label", "label"])
    pq.write_table(columns, tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"t\.parquet: column 'label' is there twice"):
        read_table(tmp_path / "t.parquet")


def test_a_nul_character_is_damage_and_utf_16_is_not(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"id,label\na,c\0t\n")
    with pytest.raises(DataError, match=r"t\.csv, line 2: a NUL character"):
        read_table(path)
    for encoding in ("utf-16-le", "utf-16-be"):
        path.write_bytes("id,label\n1,\u732b\u732b\n".encode(encoding))
        assert read_table(path).columns == {"id": ["1"], "label": ["\u732b\u732b"]}


def test_headers_and_columns(tmp_path):
    (tmp_path / "t.csv").write_text("a,a\n1,2\n")
    with pytest.raises(DataError, match="two columns of the header have the same name"):
        read_table(tmp_path / "t.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataError, match="there is no column 'label'; it has none"):
        read_table(tmp_path / "empty.csv").require_column("label")
