from __future__ import annotations

import json
import math
import os

import pytest

from labelmend.errors import RunError
from labelmend.runs.records import DataRecord, SummaryRecord, read_model, read_object, read_record

MODEL = {
    "network": "fastnet",
    "image_size": 8,
    "channels": 3,
    "num_classes": 2,
    "num_outputs": 3,
    "options": {"widths": [8, 8], "depth": 1, "activation": "gelu"},
    "classes": ["cat", "dog"],
    "mean": [0.5, 0, 0.5],
    "std": [0.2, 1, 0.2],
    "flip_average": True,
    "members": 2,
    "parameters": 5,
}
SUMMARY = {"epochs": 2.0, "flops": 3, "seconds": 0.5, "suggestions": 0, "estimated_noise_rate": 0.1}
DATA = {
    "source": None,
    "test_in_memory": False,
    "images": 3,
    "train": {"ids": "x"},
    "test": None,
    "precision": "float32",
    "memory_format": "contiguous",
    "machine": {"threads": 1},
}
EVERYTHING = [..., None, "x", 7, -1, [], {}, True, math.nan, math.inf, 10**30]
TAKEN = {
    "network": [],
    "image_size": [7],
    "num_outputs": [..., 7],
    "options": [],
    "flip_average": [True],
    "members": [..., 7],
    "epochs": [7, -1, 10**30],
    "flops": [7, -1, 10**30],
    "seconds": [7, -1, 10**30],
    "suggestions": [7],
    "source": [None, "x"],
    "test_in_memory": [True],
    "images": [7],
    "train": [{}],
    "test": [None, {}],
    "precision": [],
    "memory_format": [],
    "machine": [{}],
}
"""What of everything each key takes; ... is a key that is not there."""


def without(values, name):
    return {key: value for key, value in values.items() if key != name}


def test_what_a_run_writes_is_read_as_it_is(tmp_path):
    path = tmp_path / "f.json"
    path.write_text(json.dumps(MODEL))
    assert read_model(path) == MODEL
    features = {**MODEL, "network": "features", "image_size": 1280, "channels": 1, "options": {}}
    features["backbone"] = {"name": "efficientnet_lite0", "precision": "float32", "fingerprint": "x"}
    features = without(without(features, "mean"), "std")
    path.write_text(json.dumps(features))
    assert read_model(path) == features
    older = {**without(without(MODEL, "options"), "num_outputs"), **MODEL["options"]}
    path.write_text(json.dumps(older))
    assert read_model(path) == older
    path.write_text(json.dumps({**SUMMARY, "new": [1]}))
    assert read_record(path, SummaryRecord) == {**SUMMARY, "new": [1]}
    path.write_text(json.dumps(DATA))
    assert read_record(path, DataRecord) == DATA


NO_OBJECTS = [b"", b"{", b"[]", b"null", b"5", b'"x"', b"\xff\xfe", b"NaN", b"[" * 5000, b"1" * 6000, b"\0"]


@pytest.mark.parametrize("content", NO_OBJECTS, ids=range(len(NO_OBJECTS)))
def test_a_file_that_holds_no_object_is_damaged(tmp_path, content):
    (tmp_path / "f.json").write_bytes(content)
    with pytest.raises(RunError, match=r"f\.json is damaged \(.*; take it from a copy"):
        read_object(tmp_path / "f.json")


def test_a_missing_file_and_a_pipe_are_missing(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    for name in ("none.json", "pipe.json"):
        with pytest.raises(RunError, match=f"{name} is missing"):
            read_object(tmp_path / name)


@pytest.mark.parametrize(("values", "model"), [(MODEL, None), (SUMMARY, SummaryRecord), (DATA, DataRecord)])
def test_every_key_is_checked_and_the_file_is_named(tmp_path, values, model):
    path = tmp_path / "f.json"
    for name in without(values, "parameters"):
        for value in EVERYTHING:
            path.write_text(json.dumps(without(values, name) if value is ... else {**values, name: value}))
            # True is 1 for Python, and 7 is 7.0, but neither for a schema.
            if any(type(value) is type(taken) and value == taken for taken in TAKEN.get(name, [])):
                read_model(path) if model is None else read_record(path, model)
                continue
            with pytest.raises(RunError) as error:
                read_model(path) if model is None else read_record(path, model)
            assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ["cat", "cat"]}, "1 names of 2 classes"),
        ({"classes": ["a", "b", "c"]}, "3 names of 2 classes"),
        ({"mean": [0.5]}, "not of 3 channels"),
        ({"network": "features", "options": {}}, "whose features"),
        ({"pixel_range": [0]}, "pixel_range"),
        ({"pixel_range": [0, math.inf]}, r"pixel_range\.1"),
        ({"std": [0.2, 0, 0.2]}, r"std\.1"),
        ({"num_outputs": 1}, "num_outputs"),
        ({"num_outputs": 10**9}, "1000000000 outputs for 2 classes"),
        ({"network": "x"}, "--network is 'x'"),
        ({"options": {"widths": [100_000], "depth": 1, "activation": "gelu"}}, "--widths is"),
        ({"options": {"widths": [8]}}, "the options of fastnet are widths, depth, activation"),
        ({"options": {**MODEL["options"], "x": 1}}, "the options of fastnet are"),
        ({"image_size": 10**6}, "image_size"),
        ({"members": 10**6}, "members"),
    ],
)
def test_values_of_a_model_agree(tmp_path, change, message):
    (tmp_path / "model.json").write_text(json.dumps({**MODEL, **change}))
    with pytest.raises(RunError, match=message):
        read_model(tmp_path / "model.json")


def test_the_interval_of_the_noise_comes_with_whether_it_can_be_told(tmp_path):
    path = tmp_path / "s.json"
    whole = {**SUMMARY, "estimated_noise_interval": [0.0, 1], "estimated_noise_told": False}
    path.write_text(json.dumps(whole))
    assert read_record(path, SummaryRecord) == whole
    for wrong in (
        without(whole, "estimated_noise_told"),
        without(whole, "estimated_noise_interval"),
        {**whole, "estimated_noise_interval": [0.1]},
        {**whole, "estimated_noise_interval": [0.1, 2]},
    ):
        path.write_text(json.dumps(wrong))
        with pytest.raises(RunError, match=r"s\.json"):
            read_record(path, SummaryRecord)


def test_test_accuracies_come_together(tmp_path):
    (tmp_path / "s.json").write_text(json.dumps({**SUMMARY, "test_accuracy_last": 0.5}))
    with pytest.raises(RunError, match="there is only test_accuracy_last"):
        read_record(tmp_path / "s.json", SummaryRecord)
