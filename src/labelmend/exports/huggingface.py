"""Hugging Face: a table to lie beside the images, and a Parquet file that holds them."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
from PIL import Image

from labelmend.data.image_file import Encoded, image_bytes
from labelmend.errors import LabelmendWarning
from labelmend.exports.labelled import LabelledRun
from labelmend.files import replacing, write_text
from labelmend.runs.pictures import RunPictures
from labelmend.text import as_name, printable
from labelmend.verdicts.frame import DECIMALS

GROUP = 256
"""Images in a row group, and in memory at a time."""
CHUNK = 10_000
"""Rows that datasets reads of a CSV file at once, guessing the types of each part anew."""

_KEPT = ("id", "given_label", "suggested_label", "verdict", "label_quality", "suggestion_confidence")


def export_huggingface(run: LabelledRun, out: Path) -> list[Path]:
    """``data.parquet`` (``load_dataset("parquet", data_files=...)``); of files also a table beside them.

    The latter goes into the folder that its ``file_name`` is relative to: ``load_dataset("imagefolder")``. It
    is ``metadata.csv``, or ``metadata.jsonl`` where CSV would be read as other values.
    """
    written = [out / "data.parquet"]
    pictures = run.pictures()
    _write_parquet(run, pictures, written[0])
    items = pictures.listing.items
    if items and all(isinstance(item, Path) for item in items):
        names = [pictures.listing.paths[pictures.rows[i]] for i in run.table["id"]]
        foreign = [name for name in names if not _is_found(name)]
        if foreign:
            warnings.warn(
                f"no metadata.csv is written: {printable(foreign[0])} and {len(foreign) - 1:,} other names "
                "of files are not ones that imagefolder finds below a folder; data.parquet has all images",
                LabelmendWarning,
                stacklevel=2,
            )
        else:
            written.append(_write_metadata(run.table, names, out))
    return written


def _is_found(name: str) -> bool:
    """Whether ``datasets`` finds a file by this name: a plain relative path."""
    path = PurePosixPath(name)
    plain = "\\" not in name and "://" not in name and as_name(name) == name
    return plain and not path.is_absolute() and ".." not in path.parts


def _write_metadata(table: pd.DataFrame, names: list[str], out: Path) -> Path:
    """Write the table for ``imagefolder``; no text of it is made safe for spreadsheets, none is another."""
    near = [json.dumps(list(row), ensure_ascii=False) for row in table["nearest_easy_ids"]]
    found = table[["label", *_KEPT]].assign(nearest_easy_ids=near)
    found.insert(0, "file_name", names)
    text = found.to_csv(index=False, float_format=f"%.{DECIMALS}f", lineterminator="\n")
    path, other = out / "metadata.csv", out / "metadata.jsonl"
    if not _reads_alike(found, text):
        path, other = other, path
        text = found.to_json(orient="records", lines=True, force_ascii=False, double_precision=DECIMALS)
    write_text(path, text)
    # Two of them would be refused by datasets.
    other.unlink(missing_ok=True)
    return path


def _reads_alike(table: pd.DataFrame, text: str) -> bool:
    """Whether the texts of a table are the same to a reader that guesses types, as datasets does."""
    names = [name for name in table.columns if _dtype(name) == "string"]
    parts = pd.read_csv(io.StringIO(text, newline=""), chunksize=CHUNK)
    try:
        read: dict[str, list[object]] = {name: [] for name in names}
        for part in parts:
            for name in names:
                read[name] += part[name].tolist()
    except pd.errors.ParserError:
        return False
    return all(read[name] == table[name].tolist() for name in names)


def _write_parquet(run: LabelledRun, pictures: RunPictures, path: Path) -> None:
    features = {
        "image": {"_type": "Image"},
        "label": {"names": run.classes, "_type": "ClassLabel"},
        **{name: {"dtype": _dtype(name), "_type": "Value"} for name in _KEPT},
    }
    schema = pa.schema(
        [
            ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            ("label", pa.int64()),
            *((name, pa.float64() if _dtype(name) == "float64" else pa.string()) for name in _KEPT),
        ],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    labels = run.indices("label").to_numpy()
    with (
        replacing(path) as temporary,
        temporary.open("wb") as file,
        pyarrow.parquet.ParquetWriter(file, schema) as writer,
    ):
        for start in range(0, len(run.table), GROUP):
            part = run.table.iloc[start : start + GROUP]
            columns = {
                "image": list(_images(pictures, part["id"].tolist())),
                "label": labels[start : start + GROUP].tolist(),
                **{name: part[name].tolist() for name in _KEPT},
            }
            writer.write_table(pa.table(columns, schema=schema))


def _dtype(name: str) -> str:
    return "float64" if name in ("label_quality", "suggestion_confidence") else "string"


def _images(pictures: RunPictures, ids: list[str]) -> Iterator[dict[str, object]]:
    for identity in ids:
        row = pictures.rows[identity]
        item: Encoded = pictures.listing.items[row] if pictures.listing.items else pictures.item(identity)
        if isinstance(item, np.ndarray) and not _fits_png(item):
            item = pictures.item(identity)
        yield {"bytes": _encoded(item), "path": pictures.listing.paths[row] or None}


def _fits_png(pixels: np.ndarray) -> bool:
    """Whether a PNG holds the values as they are; others become those of 8 bits that the run saw."""
    return pixels.dtype == np.uint8 or (pixels.dtype == np.uint16 and np.squeeze(pixels).ndim == 2)


def _encoded(item: Encoded) -> bytes:
    """The bytes of a file as they are, or of a PNG."""
    if isinstance(item, bytes):
        return item
    if isinstance(item, Path):
        return bytes(image_bytes(item))
    stream = io.BytesIO()
    picture = Image.fromarray(np.squeeze(item)) if isinstance(item, np.ndarray) else item.open()
    picture.save(stream, "PNG")
    return stream.getvalue()
