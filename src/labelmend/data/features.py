"""Images embedded once by a frozen backbone, and their features: the same face as images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from labelmend.data.assemble import refuse_unreadable, skipped_images
from labelmend.data.decode import ProgressCallback, in_threads
from labelmend.data.feature_files import FeatureFolder
from labelmend.data.image_file import Encoded, image_bytes, square_pixels, upright
from labelmend.data.image_set import MEMORY_LIMIT, Images, Skipped, Subset
from labelmend.data.listing import Listing
from labelmend.errors import RunError

View = Literal["plain", "mirrored"]

BATCH = 32

# Part of each key: raised when equal bytes would be decoded or prepared differently.
FORMAT = 1


class Embedder(Protocol):
    """A frozen backbone, with the preparation of images that it was trained with.

    Attributes:
        size: side in pixels of its input.
        crop: side of the centre square that it looks at, as a share of the shorter side, in (0, 1].
        interpolation: how images are resized, as ``square_pixels`` names it.
        keep_aspect: whether images keep their proportions; see ``square_pixels``.
        feature_dim: d.
        fingerprint: of its weights, and of all else that decides its features.
    """

    @property
    def size(self) -> int: ...  # noqa: D102
    @property
    def crop(self) -> float: ...  # noqa: D102
    @property
    def interpolation(self) -> str: ...  # noqa: D102
    @property
    def keep_aspect(self) -> bool: ...  # noqa: D102
    @property
    def feature_dim(self) -> int: ...  # noqa: D102
    @property
    def fingerprint(self) -> str: ...  # noqa: D102

    def __call__(self, pixels: Tensor) -> Tensor:
        """Features float32 (B, d) of images uint8 (B, size, size, 3)."""
        ...


@dataclass(frozen=True)
class CachedFeatures:
    """N images as features of V stored views each: one view, or the image and its mirror image.

    Attributes:
        views: V float32 arrays of shape (M_v, d), in memory or mapped from a file; images that are equal
            can share a row.
        rows: int64 (N, V), where the features of each image stand in each of the arrays.
    """

    views: Sequence[np.ndarray]
    rows: np.ndarray

    @property
    def in_memory(self) -> bool:
        """Whether fetching reads no file."""
        return not any(isinstance(view, np.memmap) for view in self.views)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, V, d)."""
        return len(self.rows), len(self.views), self.views[0].shape[1]

    def gather(self, index: Tensor) -> Tensor:
        """Features of the images at ``index`` (int64, shape (B,)) as float32 of shape (B, V, d)."""
        _, views, dim = self.shape
        found = np.empty((len(index), views, dim), dtype=np.float32)
        for number, (view, rows) in enumerate(zip(self.views, self.rows[index.cpu().numpy()].T, strict=True)):
            found[:, number] = view[rows]
        return torch.from_numpy(found)


def content_key(content: bytes | np.ndarray) -> bytes:
    """SHA-256 of the bytes of a file, or of the shape and pixels of an array."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).digest()
    digest = hashlib.sha256(str(content.shape).encode())
    digest.update(np.ascontiguousarray(content).data)
    return digest.digest()


def _content(item: Encoded) -> bytes | np.ndarray:
    if isinstance(item, Path):
        return image_bytes(item)
    if isinstance(item, bytes | np.ndarray):
        return item
    return np.asarray(upright(item.open(), 3))


class _Pending:
    """Images of one view that wait until there are enough for a pass of the network."""

    def __init__(self, view: View, embedder: Embedder, folder: FeatureFolder, batch_size: int) -> None:
        self.view, self.embedder, self.folder, self.batch_size = view, embedder, folder, batch_size
        self.images: dict[bytes, np.ndarray] = {}

    def add(self, key: bytes, pixels: np.ndarray) -> None:
        """Take an image, unless it is known or waits already."""
        if key in self.images or key in self.folder.files[self.view]:
            return
        self.images[key] = pixels
        if len(self.images) == self.batch_size:
            self.flush()

    def flush(self) -> None:
        """Embed the images that wait, and keep their features."""
        if not self.images:
            return
        pixels = torch.from_numpy(np.stack(list(self.images.values())))
        with torch.inference_mode():
            features = self.embedder(pixels.flip(2) if self.view == "mirrored" else pixels).float().cpu()
        if not features.isfinite().all():
            raise RunError(
                f"the features of {self.embedder.fingerprint} are not all finite numbers; "
                "its weights are damaged, or need another --precision"
            )
        self.folder.append(self.view, list(self.images), np.ascontiguousarray(features.numpy()))
        self.images.clear()


def open_folder(cache: Path, embedder: Embedder, views: Sequence[View]) -> FeatureFolder:
    """The folder below ``cache`` with the features of an embedder."""
    description = {
        "format": FORMAT,
        "embedder": embedder.fingerprint,
        "size": embedder.size,
        "crop": embedder.crop,
        "interpolation": embedder.interpolation,
        "keep_aspect": embedder.keep_aspect,
        "feature_dim": embedder.feature_dim,
    }
    name = hashlib.sha256(json.dumps(description).encode()).hexdigest()[:16]
    return FeatureFolder(cache / name, views, embedder.feature_dim, description)


def embed(
    items: Sequence[Encoded],
    embedder: Embedder,
    cache: Path,
    *,
    views: Sequence[View] = ("plain",),
    batch_size: int = BATCH,
    memory_limit: int = MEMORY_LIMIT,
    progress: ProgressCallback | None = None,
) -> tuple[CachedFeatures, dict[int, str]]:
    """Features of all images, each computed once for all time.

    Images stream through: threads read and decode a few batches ahead of the network. After each pass of the
    network its features are on disk, keyed by the content of the images, the embedder and the view; a process
    that is killed loses the pass it was in. Batches are the same ones when it starts again.

    Args:
        items: N encoded images.
        embedder: the frozen backbone.
        cache: folder of features, shared by data sets and backbones; may be deleted at any time.
        views: which views are stored of each image.
        batch_size: images in a pass of the network.
        memory_limit: bytes up to which the result is held in memory; above, it is mapped from its files.
        progress: called with (images done, images in all).

    Returns:
        Features of the readable images, in their order, and the rows of the unreadable ones with the reason.

    Raises:
        WriteError: If features cannot be written.
        RunError: If features are not finite.

    Warns:
        LabelmendWarning: If another process embeds with the same backbone, for which this one waits.
    """
    with closing(open_folder(cache, embedder, views)) as folder:

        def prepare(item: Encoded) -> tuple[bytes, np.ndarray | None]:
            content = _content(item)
            key = content_key(content)
            if folder.complete(key):
                return key, None
            return key, square_pixels(
                content, embedder.size, 3, embedder.crop, embedder.interpolation, embedder.keep_aspect
            )

        pending = [_Pending(view, embedder, folder, batch_size) for view in views]
        keys: list[bytes] = []
        unreadable: dict[int, str] = {}
        with closing(in_threads(prepare, items, progress)) as outcomes:
            for row, outcome in enumerate(outcomes):
                if isinstance(outcome, str):
                    unreadable[row] = outcome
                    continue
                key, pixels = outcome
                keys.append(key)
                if pixels is not None:
                    folder.start_writing()
                    for waiting in pending:
                        waiting.add(key, pixels)
        for waiting in pending:
            waiting.flush()
        return _collect(folder, keys, memory_limit), unreadable


def _collect(folder: FeatureFolder, keys: Sequence[bytes], memory_limit: int) -> CachedFeatures:
    files = list(folder.files.values())
    rows = np.empty((len(keys), len(files)), dtype=np.int64)
    for number, file in enumerate(files):
        rows[:, number] = [file.rows[key] for key in keys]
    mapped = [file.mapped() for file in files]
    if rows.size * files[0].dim * 4 > memory_limit:
        return CachedFeatures(mapped, rows)
    held = []
    for number, view in enumerate(mapped):
        kept, rows[:, number] = np.unique(rows[:, number], return_inverse=True)
        held.append(np.asarray(view[kept]))
    return CachedFeatures(held, rows)


class Arrays(Sequence[np.ndarray]):
    """Images that are decoded already, one by one."""

    def __init__(self, images: Images) -> None:
        self.images = images

    def __len__(self) -> int:
        return self.images.shape[0]

    def __getitem__(self, row: int) -> np.ndarray:  # type: ignore[override]
        return self.images.gather(torch.tensor([row]))[0].cpu().numpy()


def embed_listing(
    listing: Listing,
    embedder: Embedder,
    cache: Path,
    *,
    views: Sequence[View] = ("plain",),
    memory_limit: int = MEMORY_LIMIT,
    progress: ProgressCallback | None = None,
) -> tuple[CachedFeatures, list[int], list[Skipped]]:
    """Features of the images of a listing; see ``embed`` for the arguments.

    Returns:
        Features of the readable images, their rows in the listing, and the images that could not be read.

    Raises:
        DataError: If none can be read.
    """
    items = listing.items if listing.images is None else Arrays(listing.images)
    features, reasons = embed(
        items, embedder, cache, views=views, memory_limit=memory_limit, progress=progress
    )
    rows = [row for row in range(len(items)) if row not in reasons]
    if not rows:
        refuse_unreadable(listing, reasons)
    return features, rows, skipped_images(listing, reasons)


def stored_once(images: Images) -> Tensor:
    """int64 (N,): the same number for images of equal content, whose features are stored once.

    Numbers are given in the order of the images: where the features lie depends on what was embedded before.

    Args:
        images: ``CachedFeatures``, or a subset of them.
    """
    index = torch.arange(images.shape[0])
    while isinstance(images, Subset):
        index = images.index[index]
        images = images.images
    assert isinstance(images, CachedFeatures)
    return torch.from_numpy(pd.factorize(images.rows[index.numpy(), 0])[0].astype(np.int64))
