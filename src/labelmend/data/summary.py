"""What a data set holds: images by split and class, and how noisy its labels are, where that is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labelmend.data.assemble import class_names_of
from labelmend.data.benchmarks import BENCHMARKS, is_named
from labelmend.data.labels import encode_labels
from labelmend.data.listing import Listing
from labelmend.data.sources import read_listing, splits_of
from labelmend.errors import UnlabelledError


@dataclass(frozen=True)
class Summary:
    """Counts of a data set.

    Attributes:
        title: its full name.
        folder: where a named data set was found, or None: it was not, or needs no folder.
        class_names: its C classes in index order.
        class_counts: by split, int64 array of shape (C,): images of each given class.
        noise_rate: measured share of wrong training labels, or None where true labels are not known.
        noise: what else is known of the noise, or "".
        problems: what is missing, one line each; the splits it is missing from cannot be loaded.
        notes: what was assumed or left out, or differs from the official release.
        home: where to get it, or "".
    """

    title: str
    folder: Path | None
    class_names: list[str]
    class_counts: dict[str, np.ndarray]
    noise_rate: float | None = None
    noise: str = ""
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    home: str = ""


def wrong_share(listing: Listing) -> float | None:
    """Share of given labels that differ from the true ones, or None where those are not known."""
    if listing.labels is None or listing.true_labels is None or not listing.labels:
        return None
    pairs = zip(listing.labels, listing.true_labels, strict=True)
    return sum(str(given) != str(true) for given, true in pairs) / len(listing)


def _class_counts(listing: Listing, class_names: list[str]) -> np.ndarray:
    encoded = encode_labels(listing.labels or [], class_names, listing.name)
    return np.bincount(encoded, minlength=len(class_names))


def summarise(name: str, root: str | Path | None = None) -> Summary:
    """Verify a named data set, or list any other source, and count. No image is decoded.

    Args:
        name: the name of a data set, or a path that ``load`` reads.
        root: folder of a named data set; by default ``$LABELMEND_DATA``.

    Raises:
        DataError: If the source is not named and cannot be listed. Problems of a named data set are
            returned, not raised.
    """
    if is_named(name):
        return _summarise_benchmark(name, root)
    splits = splits_of(name)
    listings: dict[str, Listing] = {}
    notes: list[str] = []
    if not splits:
        listings["all"] = read_listing(name)
    for split in splits:
        try:
            listings[split] = read_listing(name, split=split)
        except UnlabelledError as error:
            if split == "train":
                raise
            notes.append(f"the {split} split has no labels: {error}")
    first = listings.get("train", next(iter(listings.values())))
    class_names = class_names_of(first) or []
    counts = {split: _class_counts(listing, class_names) for split, listing in listings.items()}
    notes = [*first.notes, *notes]
    if first.skipped:
        left_out = first.skipped[0]
        notes.append(f"{len(first.skipped):,} left out, the first is {left_out.path}: {left_out.reason}")
    return Summary(name, None, class_names, counts, wrong_share(first), notes=tuple(notes))


def _summarise_benchmark(name: str, root: str | Path | None) -> Summary:
    benchmark = BENCHMARKS[name]
    found = benchmark.verify(root)
    class_names: list[str] = []
    counts: dict[str, np.ndarray] = {}
    for split, listing in found.listings.items():
        class_names = class_names or class_names_of(listing) or []
        counts[split] = _class_counts(listing, class_names)
    return Summary(
        title=benchmark.title,
        folder=found.folder,
        class_names=class_names,
        class_counts=counts,
        noise_rate=found.noise_rate,
        noise=benchmark.noise,
        problems=tuple(found.problems),
        notes=tuple(found.notes),
        home=benchmark.home,
    )
