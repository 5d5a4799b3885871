"""One file for each kind of source, and the registry that finds the one for a source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labelmend.data.benchmarks import BENCHMARKS
from labelmend.data.readers.array import ArrayReader
from labelmend.data.readers.base import Reader, Request
from labelmend.data.readers.columns import ColumnsReader
from labelmend.data.readers.files import FilesReader
from labelmend.data.readers.folder import FolderReader
from labelmend.data.readers.hugging_face import HuggingFaceReader
from labelmend.data.readers.image_set import ImageSetReader
from labelmend.data.readers.listing import ListingReader
from labelmend.data.readers.named import NamedReader
from labelmend.data.readers.npy import NpyReader
from labelmend.data.readers.npz import NpzReader
from labelmend.data.readers.pair import PairReader
from labelmend.data.readers.pictures import PicturesReader
from labelmend.data.readers.table import TableReader
from labelmend.data.readers.torch_dataset import TorchDatasetReader
from labelmend.errors import DataError

READERS: tuple[Reader, ...] = (
    NamedReader(),
    ImageSetReader(),
    ListingReader(),
    FolderReader(),
    TableReader(),
    NpzReader(),
    NpyReader(),
    HuggingFaceReader(),
    ColumnsReader(),
    PairReader(),
    TorchDatasetReader(),
    FilesReader(),
    PicturesReader(),
    ArrayReader(),
)
"""All readers. The first that matches a source reads it: names go before paths (``./digits`` is a folder),
and the last ones take whatever those before them do not know."""


def find_reader(source: Any, *, labelled: bool = True) -> Reader:
    """The reader of a source.

    Args:
        source: anything that ``labelmend.data.load`` takes, or ``load_unlabelled``.
        labelled: False for a reader of images to classify.

    Raises:
        DataError: If there is none.
    """
    if isinstance(source, str) and not source.strip():
        # A path of no letters would be the folder that the command runs in.
        raise DataError("the name of the data is empty; give a folder, a table or the name of a data set")
    for reader in READERS:
        if (reader.labelled if labelled else reader.unlabelled) and reader.matches(source):
            return reader
    raise DataError(_refusal(source))


def _refusal(source: Any) -> str:
    if not isinstance(source, str | Path):
        return (
            f"cannot read images from a {type(source).__name__}; give a path, a name, a pair "
            "(images, labels), a DataFrame, a dictionary, an ImageSet, a Hugging Face Dataset or a map-style "
            "torch data set"
        )
    path = Path(source)
    if not path.exists():
        names = ", ".join(BENCHMARKS)
        return f"{source}: there is no such file or folder, nor a data set of this name ({names})"
    known = ", ".join(suffix for reader in READERS for suffix in reader.suffixes)
    return f"{path}: cannot read {path.suffix.lower()!r} as a set of images; give a folder or one of {known}"


__all__ = ["READERS", "Reader", "Request", "find_reader"]
