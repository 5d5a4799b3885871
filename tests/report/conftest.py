"""A small run on pictures whose classes have names that want to be more than names, and its report."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import labelmend
from labelmend.report.write import write_report

MARKUP, FORMULA, QUOTES = "<img src=x onerror=hacked=1>", "=cmd()", "a\"b'c</script><script>hacked=1</script>"
CLASSES = (MARKUP, FORMULA, QUOTES)
TINY = {
    "epochs": 6,
    "batch_size": 15,
    "widths": [8, 8],
    "depth": 1,
    "warmup": 0.5,
    "lr": 0.05,
    "test": "none",
}


def bars(number: int) -> np.ndarray:
    """A picture of 8 px with a bright row, column or corner, as its number is 0, 1 or 2 modulo 3."""
    pixels = np.random.default_rng(number).integers(0, 60, (8, 8, 3), dtype=np.uint8)
    place = [(slice(2, 4), slice(None)), (slice(None), slice(5, 7)), (slice(0, 4), slice(0, 4))][number % 3]
    pixels[place] = 220
    return pixels


@pytest.fixture(scope="session")
def pictures_table(tmp_path_factory):
    """A table of 62 pictures, a sixth of them with a wrong label, and two twice under different labels."""
    root = tmp_path_factory.mktemp("pictures")
    rows = []
    for number in range(60):
        name = f"<b>{number}</b>'\".png".replace("/", "_")
        Image.fromarray(bars(number)).save(root / name)
        label = (number + (number % 6 == 5)) % 3
        rows.append({"file_name": name, "label": CLASSES[label]})
        if number < 2:
            Image.fromarray(bars(number)).save(root / f"again{number}.png")
            rows.append({"file_name": f"again{number}.png", "label": CLASSES[(number + 2) % 3]})
    pd.DataFrame(rows).to_csv(root / "table.csv", index=False)
    return root / "table.csv"


@pytest.fixture(scope="session")
def run(pictures_table, tmp_path_factory):
    """Folder of a run with votes."""
    with pytest.warns(labelmend.errors.LabelmendWarning):
        return labelmend.fit(pictures_table, out=tmp_path_factory.mktemp("runs") / "run", **TINY).folder


@pytest.fixture(scope="session")
def page(run):
    """Path of the report of the run."""
    return write_report(run)


@pytest.fixture(scope="session")
def text_without_plotly():
    """The text of a page without the largest script in it."""

    def text(path):
        found = path.read_text(encoding="utf-8")
        return re.sub(r'<script type="text/plain" id="plotly">.*?</script>', "", found, flags=re.DOTALL)

    return text
