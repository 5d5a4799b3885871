from __future__ import annotations

import hashlib
import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmend.errors import DataError
from labelmend.noise.record import NoiseRecord, label_hash, transition_matrix

TRUE = np.array([0, 0, 0, 0, 1, 1])
GIVEN = np.array([0, 0, 0, 2, 1, 0])


def test_transition_rows_are_true_classes_and_an_empty_class_keeps_its_label() -> None:
    expected = [[0.75, 0, 0.25], [0.5, 0.5, 0], [0, 0, 1]]
    np.testing.assert_array_equal(transition_matrix(TRUE, GIVEN, 3), expected)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60))
def test_transition_is_the_normalised_confusion(pairs: list[tuple[int, int]]) -> None:
    true, noisy = np.array(pairs).T
    matrix = transition_matrix(true, noisy, 5)
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    for label in np.unique(true):
        for other in range(5):
            assert matrix[label, other] == pytest.approx(np.mean(noisy[true == label] == other))


def test_hash_is_of_little_endian_int64() -> None:
    expected = hashlib.sha256(struct.pack("<3q", 3, 0, 258)).hexdigest()
    assert label_hash(np.array([3, 0, 258], dtype=np.int32)) == expected
    assert label_hash(np.array([3, 0, 258], dtype=">i8")) == expected


def test_record_measures_and_survives_json() -> None:
    record = NoiseRecord.of("symmetric", TRUE, GIVEN, 3, parameters={"a": 1}, seed=7, nominal_rate=0.3)
    assert record.realised_rate == pytest.approx(2 / 6)
    assert record.sha256 == label_hash(GIVEN)
    assert NoiseRecord.from_json(record.to_json()) == record


@pytest.mark.parametrize("text", ["{", "[]", '{"name": "x"}', "[" * 100_000, "1" * 5000])
def test_a_broken_record_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="noise record"):
        NoiseRecord.from_json(text)


def test_a_record_of_other_types_is_refused() -> None:
    values = json.loads(NoiseRecord.of("symmetric", TRUE, GIVEN, 3, seed=7).to_json())
    for name, wrong in (("name", 1), ("version", "1"), ("seed", []), ("transition", [["0"]])):
        with pytest.raises(DataError, match=f"noise record: {name}"):
            NoiseRecord.from_json(json.dumps(values | {name: wrong}))
