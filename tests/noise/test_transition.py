from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from labelmend.errors import DataError
from labelmend.noise.transition import check_matrix, load_matrix, transition

MATRIX = np.array([[0.9, 0.1, 0.0], [0.0, 0.5, 0.5], [0.25, 0.25, 0.5]])


def test_draws_follow_the_rows_of_the_true_classes() -> None:
    true = np.repeat([0, 1, 2], 20_000)
    _, record = transition(true, MATRIX, 0)
    np.testing.assert_allclose(record.transition, MATRIX, atol=0.012)
    assert record.nominal_rate == pytest.approx((0.1 + 0.5 + 0.5) / 3)
    assert record.parameters["matrix"] == MATRIX.tolist()


def test_every_format_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", MATRIX)
    np.savetxt(tmp_path / "t.csv", MATRIX, delimiter=",")
    (tmp_path / "t.json").write_text(json.dumps(MATRIX.tolist()))
    for name in ("t.npy", "t.csv", "t.json"):
        np.testing.assert_allclose(load_matrix(tmp_path / name), MATRIX)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "0.5,0.5\n0.9,0.2\n", "row 1 sums to 1.1"),
        ("t.csv", "a,b\n1,0\n", "cannot be read"),
        ("t.csv", "1,0,0\n0,1,0\n", "must be square"),
        ("t.json", "[[1.5, -0.5], [0, 1]]", r"entry \[0, 0\] is 1.5"),
        ("t.json", "[[NaN, 1], [0, 1]]", r"entry \[0, 0\] is nan"),
        ("t.json", '{"a": 1}', "cannot be read"),
        ("t.json", "[" * 100_000, "cannot be read"),
        ("t.txt", "1", "not '.txt'"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        load_matrix(tmp_path / name)


def test_a_transposed_matrix_is_recognised() -> None:
    with pytest.raises(DataError, match="transpose"):
        check_matrix(MATRIX.T)


def test_a_missing_file_and_a_pickled_array(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        load_matrix(tmp_path / "none.npy")
    for other, message in (
        (str, r"cannot be read as a matrix of numbers \(it holds"),
        (complex, "complex128"),
    ):
        np.save(tmp_path / "t.npy", MATRIX.astype(other))
        with pytest.raises(DataError, match=message):
            load_matrix(tmp_path / "t.npy")
    np.savez(tmp_path / "t.npz", t=MATRIX)
    (tmp_path / "t.npz").rename(tmp_path / "t.npy")
    with pytest.raises(DataError, match=r"t\.npy: not readable as an \.npy file"):
        load_matrix(tmp_path / "t.npy")
    np.save(tmp_path / "t.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"t\.npy"):
        load_matrix(tmp_path / "t.npy")


def test_a_rounded_matrix_is_scaled_and_an_exact_one_left_alone() -> None:
    rounded = np.array([[0.5000004, 0.5000004, 0.0], [0, 1, 0], [0.1, 0.2, 0.7]])
    found = check_matrix(rounded)
    np.testing.assert_array_equal(found[0], [0.5, 0.5, 0])
    np.testing.assert_array_equal(found[1:], rounded[1:])
    assert set(transition(np.zeros(100, dtype=np.int64), rounded, 0)[0]) == {0, 1}
