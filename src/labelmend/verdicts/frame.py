"""The per-sample table as a pandas DataFrame, and its files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import torch
from torch import Tensor

from labelmend.data.image_set import ImageSet
from labelmend.errors import RunError
from labelmend.files import csv_rows, replacing
from labelmend.text import argument, spreadsheet_safe
from labelmend.verdicts.issues import is_label_issue
from labelmend.verdicts.judge import VERDICTS, judge
from labelmend.verdicts.record import SampleRecord

DECIMALS = 6
"""Digits kept of every share, so that files do not differ in the last bits of a float."""

COLUMNS = {
    "id": "str",
    "path": "str",
    "given_label": "str",
    "predicted_label": "str",
    "suggested_label": "str",
    "verdict": "str",
    "is_label_issue": "bool",
    "label_quality": "float64",
    "suggestion_confidence": "float64",
    "easiness": "float64",
    "votes": "int64",
    "vote_share": "float64",
    "nearest_easy_ids": "object",
}
"""Name and type of each column, in the order of the files; ``true_label`` follows where it is known."""

TRUE_LABEL = "true_label"

SHARES = tuple(name for name, kind in COLUMNS.items() if kind == "float64")

ARROW_TYPES = {
    "str": pa.string(),
    "bool": pa.bool_(),
    "float64": pa.float64(),
    "int64": pa.int64(),
    "object": pa.list_(pa.string()),
}


def _share(values: Tensor) -> np.ndarray:
    # Adding 0.0 turns -0.0, which rounding can leave, into 0.0.
    return np.round(values.double().numpy(), DECIMALS) + 0.0


def to_frame(record: SampleRecord, image_set: ImageSet) -> pd.DataFrame:
    """One row a sample with the columns of ``COLUMNS``, in the order of the data.

    Labels are class names; shares are rounded to ``DECIMALS`` digits; ``nearest_easy_ids`` are lists.

    Args:
        record: of the N samples of ``image_set``.
        image_set: the training images, with the labels they were trained on.
    """
    names = np.asarray(image_set.class_names, dtype=object)
    ids = np.asarray(image_set.ids, dtype=object)
    given = torch.from_numpy(image_set.given_labels)
    judged = judge(record, given)
    verdict, quality = judged.verdict.numpy(), _share(record.label_quality)
    columns: dict[str, object] = {
        "id": ids,
        "path": np.asarray(image_set.paths, dtype=object),
        "given_label": names[image_set.given_labels],
        "predicted_label": names[record.probabilities.argmax(1).numpy()],
        "suggested_label": names[judged.suggested.numpy()],
        "verdict": np.asarray(VERDICTS, dtype=object)[verdict],
        "is_label_issue": is_label_issue(verdict, quality, record, given),
        "label_quality": quality,
        "suggestion_confidence": _share(judged.confidence),
        "easiness": _share(record.easiness),
        "votes": record.votes.numpy().astype(np.int64),
        "vote_share": _share(record.vote_share),
        "nearest_easy_ids": [[ids[i] for i in row if i >= 0] for row in record.sources.tolist()],
    }
    if image_set.true_labels is not None:
        columns[TRUE_LABEL] = names[image_set.true_labels]
    frame = pd.DataFrame(columns)
    return frame.astype({c: kind for c, kind in COLUMNS.items() if kind != "object"})


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write the table as Parquet; the same table gives the same bytes."""
    # Through Python's files, because Arrow itself takes no path that is not UTF-8.
    with replacing(path) as temporary, temporary.open("wb") as file:
        pyarrow.parquet.write_table(pa.Table.from_pandas(frame, preserve_index=False), file)


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write the table as CSV, ``nearest_easy_ids`` as JSON lists; the same table gives the same bytes.

    Texts that a spreadsheet would take for a formula get a ``'`` in front (``spreadsheet_safe``).
    """
    flat = frame.copy()
    flat["nearest_easy_ids"] = [
        json.dumps(list(row), ensure_ascii=False) for row in frame["nearest_easy_ids"]
    ]
    texts = [column for column in flat.columns if flat[column].dtype.kind not in "biuf"]
    flat[texts] = flat[texts].map(lambda cell: spreadsheet_safe(str(cell)))
    with replacing(path) as temporary, csv_rows(temporary) as file:
        flat.to_csv(file, index=False, float_format=f"%.{DECIMALS}f", lineterminator="\r\n")


def read_parquet(path: Path) -> pd.DataFrame:
    """Read the table that ``write_parquet`` wrote.

    Raises:
        RunError: If the file is missing, or is no such table.
    """
    if not path.parent.is_dir():
        raise RunError(f"there is no run folder {path.parent}")
    if not path.is_file():
        raise RunError(
            f"{path} is missing; labelmend resume {argument(path.parent)} goes on where the run is not "
            "finished, else take the file from a copy of the run, or train anew"
        )
    try:
        with path.open("rb") as file:
            table = pyarrow.parquet.read_table(file)
        table.validate(full=True)
        missing = [column for column in COLUMNS if column not in table.column_names]
        if missing:
            raise RunError(f"{path} has no column {missing[0]!r}; it is not a table of verdicts")
        known = COLUMNS | ({TRUE_LABEL: "str"} if TRUE_LABEL in table.column_names else {})
        schema = pa.schema([(column, ARROW_TYPES[kind]) for column, kind in known.items()])
        table = table.select(list(known)).cast(schema)
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise RunError(
            f"{path} cannot be read as Parquet: {' '.join(str(error).split())}; take it from a copy of the "
            "run, or train anew"
        ) from None
    for column in known:
        if table[column].null_count:
            raise RunError(f"{path} has an empty cell in column {column!r}; it is not a table of verdicts")
    # What pandas wrote about itself beside the table is not needed, and would have to be checked too.
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    strange = set(frame["verdict"]) - set(VERDICTS)
    if strange:
        raise RunError(f"{path} has the verdict {min(strange)!r}; the verdicts are {', '.join(VERDICTS)}")
    for column in SHARES:
        if not frame[column].between(0, 1).all():
            raise RunError(
                f"{path} has a value outside of 0 to 1 in column {column!r}; take it from a copy of "
                "the run, or train anew"
            )
    frame["nearest_easy_ids"] = [list(row) for row in frame["nearest_easy_ids"]]
    return frame
