"""Small images and tables for the cases."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image


def png(value: int) -> bytes:
    """A grey PNG of 6 x 6 pixels of one value."""
    stream = io.BytesIO()
    Image.new("L", (6, 6), value).save(stream, "PNG")
    return stream.getvalue()


def put(folder: Path, *files: str) -> Path:
    """Grey PNG files of the values 10, 20, ..., whatever their suffix; returns the folder."""
    for number, name in enumerate(files, start=1):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(number * 10))
    return folder


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    """A text file; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def deep(path: Path, array: np.ndarray) -> Path:
    """An image file of an array of 16 bits or floats."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path
