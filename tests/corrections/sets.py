"""Small data sets of every kind, and finished runs on them whose suggestions are written by hand."""

from __future__ import annotations

import gzip
import json
import shutil
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

import labelmend
from labelmend.runs.checksums import SUMS
from labelmend.verdicts.frame import read_parquet, write_parquet

FAST = {"epochs": 1, "batch_size": 4, "widths": [8], "depth": 1, "precision": "float32"}
NAMES = [f"{i}.png" for i in range(8)]
LABELS = ["cat", "dog"] * 4


def picture(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(value).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, format="PNG")
    return path


def images(folder, names=NAMES):
    for value, name in enumerate(names):
        picture(folder / name, value)
    return folder


def write_table(folder, kind, labels=LABELS, names=NAMES, **more):
    """A table of eight images with labels, a column of comments, and a column of numbers."""
    images(folder, names)
    columns = {
        "file_name": list(names),
        "comment": ['a "quoted", one', "two\nlines", " blank ", "", "é", "x;y", "'", "=1+1"][: len(names)],
        "label": list(labels),
        "weight": [f"{i / 10:.3f}" for i in range(len(names))],
        **more,
    }
    frame = pd.DataFrame(columns)
    path = folder / f"photos{kind}"
    if kind == ".parquet":
        table = pa.Table.from_pandas(frame.assign(weight=frame["weight"].astype(float)), preserve_index=False)
        pyarrow.parquet.write_table(table, path, row_group_size=3)
    elif kind == ".jsonl":
        rows = frame.to_dict("records")
        path.write_text("\n\n".join(json.dumps(row, separators=(", ", " : ")) for row in rows) + "\r\n")
    else:
        text = frame.to_csv(index=False, sep="\t" if kind.startswith(".tsv") else ",", lineterminator="\r\n")
        path.write_bytes(gzip.compress(text.encode()) if kind.endswith(".gz") else text.encode())
    return path


def write_folders(folder, labels=LABELS, names=NAMES):
    for value, (name, label) in enumerate(zip(names, labels, strict=True)):
        picture(folder / label / name, value)
    return folder


def suggest(run, suggestions):
    """Let a run suggest labels: by id, (label, confidence)."""
    path = run / "verdicts.parquet"
    table = read_parquet(path)
    table["suggested_label"] = table["given_label"]
    table["suggestion_confidence"] = 0.5
    for identity, (label, confidence) in suggestions.items():
        (row,) = np.flatnonzero(table["id"] == identity)
        table.loc[row, ["suggested_label", "suggestion_confidence"]] = [label, confidence]
    write_parquet(table, path)
    (run / SUMS).unlink(missing_ok=True)
    return run


@pytest.fixture(scope="session")
def trained():
    """Trains on a source, into a folder; what it finds is of no account."""

    def fit(source, out, **settings):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            labelmend.fit(source, out=out, **{**FAST, **settings})
        return out

    return fit


@pytest.fixture
def judge(trained, tmp_path):
    """A run on a source with suggestions written by hand."""

    def run(source, suggestions, **settings):
        return suggest(trained(source, tmp_path / "run", **settings), suggestions)

    return run


@pytest.fixture(scope="session")
def _folders(tmp_path_factory, trained):
    root = tmp_path_factory.mktemp("folders")
    return write_folders(root / "photos"), trained(root / "photos", root / "run")


@pytest.fixture
def folders(_folders, tmp_path):
    """Class folders, and a run on them that suggests two labels surely and one less so."""
    photos, run = (shutil.copytree(path, tmp_path / path.name) for path in _folders)
    record = json.loads((run / "data.json").read_text())
    (run / "data.json").write_text(json.dumps({**record, "source": str(photos)}))
    suggestions = {"cat/0.png": ("dog", 0.95), "dog/1.png": ("cat", 0.9), "cat/2.png": ("dog", 0.6)}
    return photos, suggest(run, suggestions)
