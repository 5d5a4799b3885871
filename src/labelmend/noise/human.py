"""Human label noise: labels that people gave, read from a file and checked against the images."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelmend.data.benchmarks.base import DATA_VARIABLE
from labelmend.data.label_keys import ID_COLUMNS
from labelmend.data.numpy_files import read_npz
from labelmend.data.restricted_pickle import load_pickled_arrays
from labelmend.data.tables import TABLE_SUFFIXES, read_table
from labelmend.errors import DataError, LabelmendWarning
from labelmend.noise.record import NoiseRecord
from labelmend.text import first_of

NAME = "human"
PICKLE_SUFFIXES = (".pt", ".pth", ".pkl", ".pickle")


@dataclass(frozen=True)
class HumanLabels:
    """A published set of human labels (Wei et al., ICLR 2022; CC BY-NC 4.0, never bundled).

    Attributes:
        file: its file name.
        folder: where it is looked for below the data folder, beside the data folder itself.
        variants: name of each set of labels and its key in the file.
        clean: key of the clean labels.
    """

    file: str
    folder: str
    variants: dict[str, str]
    clean: str = "clean_label"


CIFAR_N = {
    "cifar10n": HumanLabels(
        "CIFAR-10_human.pt",
        "cifar10n",
        {
            "aggre": "aggre_label",
            "random1": "random_label1",
            "random2": "random_label2",
            "random3": "random_label3",
            "worse": "worse_label",
        },
    ),
    "cifar100n": HumanLabels("CIFAR-100_human.pt", "cifar10n", {"noisy": "noisy_label"}),
}
HOME = "https://github.com/UCSC-REAL/cifar-10-100n"


def human_labels(
    path: Path,
    key: str,
    true: np.ndarray,
    class_names: Sequence[str],
    clean: str = "clean_label",
    name: str = NAME,
    ids: Sequence[str] = (),
) -> tuple[np.ndarray, NoiseRecord]:
    """Read human labels and check that they are of these images, in this order.

    Rows of a file whose column ``id`` has the ids of the images are brought into the order of those.

    Args:
        path: a published ``.pt`` (read without an unpickler), an ``.npz``, or a table (CSV, TSV, JSON
            lines, Parquet).
        key: key or column of the human labels: class indices, or class names in a table.
        true: int64 (N,), the images' clean labels.
        class_names: names of the C classes.
        clean: key or column of the file's own clean labels.
        name: of the noise, for the record.
        ids: of the images, N; empty where rows are taken in their order whatever ids they have.

    Returns:
        The given labels, int64 (N,), and their record.

    Raises:
        DataError: If the file is missing or faulty, has no such key, its clean labels are not the images', or
            its ids are of some of the images only.

    Warns:
        LabelmendWarning: If the file has ids, but none of these images.
    """
    columns = read_columns(path)
    given, clean_labels = (_labels(columns, each, path, class_names) for each in (key, clean))
    named = next((columns[each] for each in columns if str(each).strip().lower() in ID_COLUMNS), None)
    order = _order(named, ids, path)
    if order is not None and len(order) == len(clean_labels):
        clean_labels = clean_labels[order]
    check_order(clean_labels, true, path)
    if len(given) != len(true):
        raise DataError(f"{path}: {key!r} has {len(given)} labels, but {clean!r} has {len(true)}")
    if order is not None:
        given = given[order]
    record = NoiseRecord.of(name, true, given, len(class_names), parameters={"file": path.name, "key": key})
    return given, record


def _order(named: Any, ids: Sequence[str], path: Path) -> np.ndarray | None:
    """Row of each image in a file with ids, (N,); None where rows are in the order of the images."""
    if named is None or not ids:
        return None
    if np.ndim(named) != 1:
        raise DataError(f"{path}: its ids have {np.ndim(named)} axes, but must be one an image")
    rows = {str(name): row for row, name in enumerate(named)}
    missing = [name for name in ids if name not in rows]
    if len(missing) == len(ids):
        warnings.warn(
            f"{path}: no id is that of an image ({first_of(list(rows), 1)}; of the images {ids[0]}), so its "
            "rows are taken to be in the order of the images",
            LabelmendWarning,
            stacklevel=2,
        )
        return None
    if missing or len(named) != len(ids) or len(rows) != len(named):
        raise DataError(
            f"{path}: its ids are not those of the images: {len(named):,} rows of {len(rows):,} ids for "
            f"{len(ids):,} images, {len(missing):,} of which have none"
            f"{f' (first {missing[0]})' if missing else ''}; give each image one row"
        )
    return np.array([rows[name] for name in ids])


def check_order(clean: np.ndarray, true: np.ndarray, path: Path) -> None:
    """Check that a file's clean labels (N,) are the images' (N,), position by position.

    Raises:
        DataError: If they are not; says whether the order or the images differ.
    """
    if len(clean) != len(true):
        raise DataError(
            f"{path}: {len(clean)} labels for {len(true)} images; human labels are for the full training "
            "split, in its original order (take a part of it afterwards)"
        )
    wrong = np.flatnonzero(clean != true)
    if len(wrong) == 0:
        return
    row = int(wrong[0])
    same_counts = np.array_equal(np.sort(clean), np.sort(true))
    reason = (
        "the labels are in another order; use the file in the order of the original (Python) release"
        if same_counts
        else "the file is for other images"
    )
    raise DataError(
        f"{path}: clean labels differ from the images' at {len(wrong)} of {len(true)} rows, first at row "
        f"{row} ({clean[row]} in the file, {true[row]} of the image): {reason}"
    )


def find_cifar_n(name: str, root: str | Path | None) -> Path:
    """The file of ``cifar10n`` or ``cifar100n`` at or below ``root`` (by default ``$LABELMEND_DATA``).

    Raises:
        DataError: If it is not there; says where to get it.
    """
    published = CIFAR_N[name]
    base = root if root is not None else os.environ.get(DATA_VARIABLE)
    places = [] if base is None else [Path(base) / published.folder, Path(base) / name, Path(base)]
    for place in places:
        if (place / published.file).is_file():
            return place / published.file
    looked = f"not found in {base} or its folder {published.folder}" if places else "no data folder is given"
    raise DataError(
        f"{published.file}: {looked}; get it from {HOME} and give its folder with --root or "
        f"${DATA_VARIABLE}, or its path with file="
    )


def read_columns(path: Path) -> dict[str, Any]:
    """All arrays of a file by name.

    Raises:
        DataError: If the file is missing, of another kind, or damaged.
    """
    suffix = path.suffix.lower()
    if suffix in TABLE_SUFFIXES:
        return read_table(path).columns
    if suffix in PICKLE_SUFFIXES:
        return load_pickled_arrays(path)
    if suffix == ".npz":
        return dict(read_npz(path))
    raise DataError(
        f"{path}: human labels are read from .pt, .npz, {', '.join(TABLE_SUFFIXES)}, not {suffix!r}"
    )


def _labels(columns: dict[str, Any], key: str, path: Path, class_names: Sequence[str]) -> np.ndarray:
    if key not in columns:
        raise DataError(f"{path}: has no {key!r}; it has {', '.join(map(str, columns))}")
    index = {name: i for i, name in enumerate(class_names)}
    values = columns[key]
    if np.ndim(values) != 1:
        raise DataError(f"{path}: {key!r} has {np.ndim(values)} axes, but must be one label an image")
    labels = np.empty(len(values), dtype=np.int64)
    for row, value in enumerate(values):
        label = index.get(str(value))
        if label is None:
            label = int(value) if str(value).isdecimal() else -1
        if not 0 <= label < len(class_names):
            raise DataError(
                f"{path}: {key!r} is {str(value)!r} at row {row}, but must be a class name or an index below "
                f"{len(class_names)}"
            )
        labels[row] = label
    return labels
