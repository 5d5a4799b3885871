"""Hugging Face: a ``metadata.csv`` to lie beside the images, and a Parquet file that holds them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from PIL import Image

from labelmend.data.image_file import Encoded, image_bytes
from labelmend.exports.labelled import LabelledRun
from labelmend.files import replacing
from labelmend.runs.pictures import RunPictures
from labelmend.verdicts.frame import write_csv

GROUP = 256
"""Images in a row group, and in memory at a time."""

_KEPT = ("id", "given_label", "suggested_label", "verdict", "label_quality", "suggestion_confidence")


def export_huggingface(run: LabelledRun, out: Path) -> list[Path]:
    """``data.parquet`` (``load_dataset("parquet", data_files=...)``); of files also ``metadata.csv``.

    The latter goes into the folder that its ``file_name`` is relative to: ``load_dataset("imagefolder")``.
    """
    written = [out / "data.parquet"]
    pictures = run.pictures()
    _write_parquet(run, pictures, written[0])
    items = pictures.listing.items
    if items and all(isinstance(item, Path) for item in items):
        columns = ["file_name", "label", *_KEPT, "nearest_easy_ids"]
        table = run.table.assign(
            file_name=[pictures.listing.paths[pictures.rows[i]] for i in run.table["id"]]
        )
        written.append(out / "metadata.csv")
        write_csv(table[columns], written[1])
    return written


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
        yield {"bytes": _encoded(item), "path": pictures.listing.paths[row] or None}


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
