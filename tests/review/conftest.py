"""A run on small pictures whose class names are as unfriendly as names can be."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import labelmend
from labelmend.review.session import Session
from labelmend.verdicts.verdicts import Verdicts

HOSTILE = ("\"'><script>alert(2)</script>", "<img src=x onerror=alert(1)>", "=cmd()|'/C calc'!A0")
IMAGES = 48
LAST_UNCERTAIN = 29


@pytest.fixture(scope="session")
def review_data(tmp_path_factory) -> Path:
    """A table of 48 pictures of three classes."""
    folder = tmp_path_factory.mktemp("review-data")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(IMAGES):
        pixels = rng.integers(0, 60, (12, 12, 3), dtype=np.uint8)
        pixels[2 + 3 * (number % 3) : 5 + 3 * (number % 3)] = 230
        name = f'{number} "quoted".png'
        Image.fromarray(pixels).save(folder / name)
        rows.append((name, HOSTILE[number % 3]))
    pd.DataFrame(rows, columns=["image", "label"]).to_csv(folder / "data.csv", index=False)
    return folder / "data.csv"


@pytest.fixture(scope="session")
def trained(review_data, tmp_path_factory) -> Path:
    """A finished run on it, whose verdicts are then replaced by known ones.

    Rows 0 to 19 are suggestions, of a confidence of 0.99, 0.98, ...; 20 to 29 uncertain, the last of them
    predicted as another class; the others easy.
    """
    folder = tmp_path_factory.mktemp("review") / "run"
    tiny = {"epochs": 1, "batch_size": 12, "widths": [8, 8], "depth": 1, "test": "none"}
    labelmend.fit(review_data, out=folder, **tiny)
    table = Verdicts.load(folder).table
    row = np.arange(IMAGES)
    other = np.asarray(HOSTILE, dtype=object)[(row + 1) % 3]
    suggests = row < 20
    table["suggested_label"] = np.where(suggests, other, table["given_label"])
    table["predicted_label"] = np.where(row == LAST_UNCERTAIN, other, table["suggested_label"])
    table["verdict"] = np.where(suggests, "hard_corrected", np.where(row < 30, "uncertain", "easy"))
    table["suggestion_confidence"] = np.where(suggests, 0.99 - 0.01 * row, 0.5)
    table["label_quality"] = row / IMAGES
    table["votes"], table["vote_share"] = np.where(suggests, 9, 0), np.where(suggests, 1.0, 0.0)
    table["nearest_easy_ids"] = [[*table["id"][30:33], table["id"][30]] if few else [] for few in suggests]
    Verdicts(table).save(folder)
    (folder / "SHA256SUMS").unlink()
    return folder


@pytest.fixture
def run(trained, tmp_path) -> Path:
    """A copy of the run that nothing is decided about."""
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture
def session(run) -> Iterator[Session]:
    """The run under review, with an audit sample of 30."""
    opened = Session(run, audit=30)
    yield opened
    opened.decisions.close()
