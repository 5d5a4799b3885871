from __future__ import annotations

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from labelmend.data import load
from labelmend.data.benchmarks import BENCHMARKS
from labelmend.data.benchmarks.cifar10h import load_soft_labels
from labelmend.errors import DataError

pytestmark = pytest.mark.filterwarnings("ignore::labelmend.errors.LabelmendWarning")


def test_counts_and_probabilities_agree(tmp_path):
    counts = np.zeros((3, 10), dtype=np.int64)
    counts[:, 2] = 30
    counts[1, 5] = 10
    np.save(tmp_path / "counts.npy", counts)
    np.save(tmp_path / "probs.npy", counts / counts.sum(axis=1, keepdims=True))
    soft = load_soft_labels(tmp_path / "counts.npy", rows=3)
    assert soft[1, 2] == 0.75
    assert soft[1, 5] == 0.25
    np.testing.assert_allclose(load_soft_labels(tmp_path / "probs.npy", rows=3), soft)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (np.full((3, 9), 1 / 9), r"has shape \(3, 9\), expected \(3, 10\)"),
        (np.full((2, 10), 0.1), "has shape"),
        (np.full((3, 10), 0.05), "row 1: probabilities sum to 0.5"),
        (np.full((3, 10), -1.0), "neither counts nor probabilities"),
        (np.full((3, 10), np.nan), "neither counts nor probabilities"),
        (np.zeros((3, 10)), "row 1: no label at all"),
        (np.full((3, 10), "a"), "neither counts nor probabilities"),
    ],
)
def test_faulty_files(tmp_path, values, match):
    np.save(tmp_path / "x.npy", values)
    with pytest.raises(DataError, match=match):
        load_soft_labels(tmp_path / "x.npy", rows=3)


def make(root, labels):
    stream = io.BytesIO()
    Image.new("RGB", (32, 32)).save(stream, "PNG")
    table = pa.table({"img": [{"bytes": stream.getvalue(), "path": "a"}] * len(labels), "label": labels})
    info = {"info": {"features": {"label": {"names": [f"k{i}" for i in range(10)]}}}}
    (root / "cifar10").mkdir(parents=True)
    pq.write_table(
        table.replace_schema_metadata({"huggingface": json.dumps(info)}), root / "cifar10/test.parquet"
    )


def test_most_frequent_human_label_over_the_test_images(tmp_path):
    make(tmp_path, [4, 7, 0, 1])
    (tmp_path / "cifar10h").mkdir()
    soft = np.eye(10)[[4, 7, 0, 2]]
    np.save(tmp_path / "cifar10h/cifar10h-probs.npy", soft)
    images = load("cifar10h", root=tmp_path)
    assert images.given_labels.tolist() == [4, 7, 0, 2]
    assert images.true_labels.tolist() == [4, 7, 0, 1]
    benchmark = BENCHMARKS["cifar10h"]
    assert benchmark.noise_rate(benchmark.find(tmp_path)) == 0.25


def test_labels_in_another_order_are_refused(tmp_path):
    make(tmp_path, [4, 7, 0, 1])
    np.save(tmp_path / "cifar10h-counts.npy", 50 * np.eye(10, dtype=int)[[7, 0, 1, 4]])
    with pytest.raises(DataError, match="agrees with the CIFAR-10 labels on 0% of the images"):
        load("cifar10h", root=tmp_path)


def test_images_must_be_there(tmp_path):
    np.save(tmp_path / "cifar10h-probs.npy", np.eye(10))
    found = BENCHMARKS["cifar10h"].verify(tmp_path)
    assert "no CIFAR-10 images" in found.problems[0]
