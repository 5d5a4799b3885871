"""One way in: a string, path, arrays, ImageSet or torch data set -> images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from labelmend.data.arrays import list_arrays, list_npz, npz_splits, read_npy, read_npz
from labelmend.data.assemble import MEMORY_LIMIT, Format, assemble, class_names_of, decode_listing
from labelmend.data.benchmarks import BENCHMARKS
from labelmend.data.class_folders import image_files
from labelmend.data.decode import ProgressCallback
from labelmend.data.digits import list_digits
from labelmend.data.folder import folder_splits, list_folder
from labelmend.data.image_set import Images, ImageSet, Skipped
from labelmend.data.label_file import replace_labels
from labelmend.data.listing import Listing
from labelmend.data.manifest import manifest_splits, read_manifest
from labelmend.data.splits import refuse_split
from labelmend.data.tables import TABLE_SUFFIXES, read_table
from labelmend.data.torch_dataset import list_dataset
from labelmend.errors import DataError


@dataclass(frozen=True)
class UnlabelledImages:
    """N images without labels.

    Attributes:
        images: the pixels.
        ids: N unique strings.
        paths: N file paths as given ("" where an image has none).
        skipped: images that could not be read.
    """

    images: Images
    ids: list[str]
    paths: list[str]
    skipped: list[Skipped]


@dataclass(frozen=True)
class _SetItem:
    """One image of an ImageSet, as an image that opens itself."""

    images: Images
    row: int

    def open(self) -> Image.Image:
        pixels = self.images.gather(torch.tensor([self.row]))[0].numpy()
        return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def _list_image_set(source: ImageSet) -> Listing:
    names = source.class_names
    true = source.true_labels
    return Listing(
        name=source.name or "images",
        ids=source.ids,
        paths=source.paths,
        items=[_SetItem(source.images, row) for row in range(len(source))],
        labels=[names[label] for label in source.given_labels],
        class_names=names,
        true_labels=None if true is None else [names[label] for label in true],
        trusted=None if source.trusted is None else [bool(flag) for flag in source.trusted],
        images=source.images,
        mirror_safe=source.mirror_safe,
        skipped=source.skipped,
    )


def _is_named(source: Any) -> bool:
    return isinstance(source, str) and (source == "digits" or source in BENCHMARKS)


def _existing_path(source: str | Path) -> Path:
    path = Path(source)
    if not path.exists():
        names = ", ".join(["digits", *BENCHMARKS])
        raise DataError(f"{source}: there is no such file or folder, nor a data set of this name ({names})")
    return path


def read_listing(
    source: Any, *, split: str | None = None, label_column: str = "label", root: str | Path | None = None
) -> Listing:
    """List the images of any source without decoding them; see ``load`` for the arguments.

    Raises:
        DataError: If the source is of no known kind, is not there, or is faulty.
    """
    if isinstance(source, ImageSet):
        refuse_split(split, source.name or "images")
        return _list_image_set(source)
    if _is_named(source):
        if source == "digits":
            return list_digits(split)
        return BENCHMARKS[source].listing(root, split)
    if isinstance(source, str | Path):
        return _list_path(_existing_path(source), split, label_column)
    if isinstance(source, tuple):
        refuse_split(split, "arrays")
        if len(source) != 2:
            raise DataError(f"a tuple of {len(source)} values is no source; give the pair (images, labels)")
        return list_arrays(source[0], source[1], "arrays")
    if hasattr(source, "__getitem__") and hasattr(source, "__len__"):
        refuse_split(split, type(source).__name__)
        return list_dataset(source)
    raise DataError(
        f"cannot read images from a {type(source).__name__}; give a path, a name, a pair (images, labels), "
        "an ImageSet or a map-style torch data set"
    )


def _list_path(path: Path, split: str | None, label_column: str) -> Listing:
    if path.is_dir():
        return list_folder(path, split, label_column)
    suffix = path.suffix.lower()
    if suffix in TABLE_SUFFIXES:
        return read_manifest(path, split, label_column)
    if suffix == ".npz":
        return list_npz(path, split)
    if suffix == ".npy":
        refuse_split(split, str(path))
        return list_arrays(read_npy(path), None, str(path))
    known = ", ".join((*TABLE_SUFFIXES, ".npz", ".npy"))
    raise DataError(f"{path}: cannot read {suffix!r} as a set of images; give a folder or one of {known}")


def splits_of(source: Any, *, root: str | Path | None = None) -> list[str]:
    """Names of the splits that a source has; empty where it has none.

    Raises:
        DataError: If the source is not there.
    """
    if _is_named(source):
        return ["train", "test"] if source == "digits" else list(BENCHMARKS[source].splits)
    if not isinstance(source, str | Path):
        return []
    path = _existing_path(source)
    if path.is_dir():
        return folder_splits(path)
    if path.suffix.lower() in TABLE_SUFFIXES:
        return manifest_splits([read_table(path, only="split")])
    return npz_splits(read_npz(path)) if path.suffix.lower() == ".npz" else []


def load(
    source: Any,
    *,
    split: str | None = None,
    label_column: str = "label",
    labels: str | Path | None = None,
    image_size: int | None = None,
    root: str | Path | None = None,
    limit: int | None = None,
    class_names: Sequence[str] | None = None,
    memory_limit: int = MEMORY_LIMIT,
    progress: ProgressCallback | None = None,
) -> ImageSet:
    """Read images and their given labels from anywhere.

    Args:
        source: a folder, manifest (CSV, TSV, JSON lines, Parquet), ``.npz`` or ``.npy`` file; the name
            ``digits`` or that of a benchmark (names go before paths: write ``./digits`` for a folder);
            a pair (images, labels) of arrays; an ImageSet; a map-style torch data set.
        split: which split to read; by default ``train`` where there are splits.
        label_column: column of a manifest that holds the given labels.
        labels: file whose labels replace those of the source, for all its images.
        image_size: side in pixels; by default taken from the data (``default_image_size``).
        root: folder of a named benchmark; by default ``$LABELMEND_DATA``.
        limit: use the first images only.
        class_names: classes in index order; by default those of the source, sorted.
        memory_limit: bytes up to which decoded images are held in memory; above, they are decoded
            each time they are asked for.
        progress: called with (images done, images in all) while decoding.

    Returns:
        The images: square, uint8, grey only if all files are stored as grey, RGB otherwise.

    Raises:
        DataError: If the source or the label file is missing or faulty; if there are fewer than two
            images or classes; if ``class_names`` lacks a class.

    Warns:
        LabelmendWarning: If a class has no image.
    """
    listing = read_listing(source, split=split, label_column=label_column, root=root)
    if labels is not None:
        names = class_names if class_names is not None else class_names_of(listing)
        listing = replace_labels(listing, Path(labels), names)
    size = image_size
    if size is None and isinstance(source, ImageSet):
        size = source.images.shape[1]
    format = Format(size, None, memory_limit, progress)
    return assemble(listing, format, class_names=class_names, limit=limit)


def load_test(
    source: Any,
    *,
    like: ImageSet,
    split: str | None = None,
    label_column: str = "label",
    root: str | Path | None = None,
    limit: int | None = None,
    memory_limit: int = MEMORY_LIMIT,
    progress: ProgressCallback | None = None,
) -> ImageSet:
    """Read a labelled test set in the form of a training set.

    Args:
        source: as for ``load``.
        like: the training set, whose class names, image size and channels are taken over.
        split: which split to read; by default the source's test split, else its validation split,
            else all of it.
        label_column: as for ``load``.
        root: as for ``load``.
        limit: as for ``load``.
        memory_limit: as for ``load``.
        progress: as for ``load``.

    Raises:
        DataError: If a class is unknown to the training set, or the source is faulty.
    """
    if split is None:
        split = _held_out(splits_of(source, root=root))
    listing = read_listing(source, split=split, label_column=label_column, root=root)
    _, height, width, channels = like.images.shape
    if height != width:
        raise DataError(f"{like.name}: images of {width} x {height} pixels; only squares can have a test set")
    format = Format(height, channels, memory_limit, progress)
    return assemble(listing, format, class_names=like.class_names, limit=limit, for_training=False)


def _held_out(splits: Sequence[str]) -> str | None:
    return next((split for split in ("test", "val") if split in splits), None)


def load_own_test(
    source: Any,
    *,
    like: ImageSet,
    label_column: str = "label",
    root: str | Path | None = None,
    memory_limit: int = MEMORY_LIMIT,
    progress: ProgressCallback | None = None,
) -> ImageSet | None:
    """The source's own test split (else its validation split), or None if it has neither.

    Takes the arguments of ``load_test``; ``like`` is the training split of the same source.
    """
    split = _held_out(splits_of(source, root=root))
    if split is None:
        return None
    return load_test(
        source,
        like=like,
        split=split,
        label_column=label_column,
        root=root,
        memory_limit=memory_limit,
        progress=progress,
    )


def load_unlabelled(
    source: Any,
    *,
    image_size: int,
    channels: int,
    memory_limit: int = MEMORY_LIMIT,
    progress: ProgressCallback | None = None,
) -> UnlabelledImages:
    """Read images to classify; labels, where there are any, are not looked at.

    Args:
        source: an image file, a folder (searched at any depth), a list of those, a manifest, an
            ``.npz`` or ``.npy`` file, or an array of images. Ids and paths of files are their paths
            as given.
        image_size: side in pixels.
        channels: 1 (grey) or 3 (RGB).
        memory_limit: as for ``load``.
        progress: as for ``load``.

    Raises:
        DataError: If a file is not there, or no image can be read.
    """
    listing = _list_unlabelled(source)
    images, rows, skipped = decode_listing(listing, Format(image_size, channels, memory_limit, progress))
    ids = [listing.ids[row] for row in rows]
    return UnlabelledImages(images, ids, [listing.paths[row] for row in rows], skipped)


def _list_unlabelled(source: Any) -> Listing:
    if isinstance(source, str | Path):
        path = Path(source)
        suffix = path.suffix.lower()
        if not path.exists():
            raise DataError(f"{source}: there is no such file or folder")
        if suffix in TABLE_SUFFIXES:
            return read_manifest(path, None, "label", labelled=False)
        if suffix == ".npz":
            return replace(list_npz(path, _held_out(npz_splits(read_npz(path)))), labels=None)
        if suffix == ".npy":
            return list_arrays(read_npy(path), None, str(path))
        source = [path]
    if isinstance(source, list | tuple) and all(isinstance(part, str | Path) for part in source):
        return _list_files([Path(part) for part in source])
    return list_arrays(source, None, "arrays")


def _list_files(parts: Sequence[Path]) -> Listing:
    files: dict[str, Path] = {}
    for part in parts:
        if not part.exists():
            raise DataError(f"{part}: there is no such file or folder")
        for file in image_files(part) if part.is_dir() else [part]:
            files.setdefault(str(file), file)
    names = list(files)
    name = str(parts[0]) if len(parts) == 1 else f"{len(parts)} files and folders"
    return Listing(name=name, ids=names, paths=list(names), items=list(files.values()))
