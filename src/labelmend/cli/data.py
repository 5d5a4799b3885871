"""``labelmend data``: check and describe a data set."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.table import Table

from labelmend.cli.messages import make_console, plain, plain_warnings
from labelmend.data import is_named
from labelmend.data.benchmarks import BENCHMARKS
from labelmend.data.summary import Summary, summarise
from labelmend.errors import DataError
from labelmend.text import argument

_CLASSES_SHOWN = 20


def data(
    name: str,
    root: str | None = None,
    label_column: str = "label",
    image_column: str | None = None,
    image_root: str | None = None,
    group_column: str | None = None,
    skip_missing: bool = False,
    split: str | None = None,
    labels: str | None = None,
) -> None:
    """Check that a data set is complete, and count its images. Nothing is downloaded.

    Args:
        name: a named data set (digits, cifar10, cifar100, cifar10h, clothing1m, webvision, animal10n,
            food101n), or any folder or file of images.
        root: folder that holds a named data set; by default $LABELMEND_DATA.
        label_column: column of a table that has the labels.
        image_column: column of a table that names the images.
        image_root: folder that the names of a table are relative to.
        group_column: column of a table whose equal values keep images together.
        skip_missing: leave out rows of a table whose file is missing.
        split: which would be trained on; by default train where there are splits.
        labels: file whose labels would replace those of the images to train on.
    """
    with plain_warnings(), _each_once():
        found = summarise(
            name,
            split=split,
            labels=labels,
            root=root,
            label_column=label_column,
            image_column=image_column,
            image_root=image_root,
            group_column=group_column,
            skip_missing=skip_missing,
        )
    if found.problems and found.folder is None:
        raise DataError(found.problems[0])
    console = make_console()
    console.print(plain(found.title, "bold").append(plain(f" in {found.folder}" if found.folder else "")))
    if found.class_counts:
        console.print(_table(found))
    if found.noise_rate is not None:
        console.print(
            plain(
                f"noise: {found.noise_rate:.2%} of the labels differ from the true ones, "
                "where those are known"
            )
        )
    if found.noise:
        console.print(plain(f"noise: {found.noise}"))
    for note in found.notes:
        console.print(plain(f"note: {note}"))
    for problem in found.problems:
        console.print(plain(f"problem: {problem}"))
    if found.problems:
        needed = BENCHMARKS[name].splits[0]
        if needed not in found.class_counts:
            raise DataError(
                f"{name}: the {needed} split cannot be loaded; get what is missing from {found.home}"
            )
        console.print(
            plain(f"the splits with problems cannot be loaded; get what is missing from {found.home}")
        )
    if found.refused:
        raise DataError(f"labelmend fit does not train on it: {found.refused}")
    if is_named(name):
        where = f" --root {argument(root)}" if root is not None else ""
        console.print(plain(f"next: labelmend fit {argument(name)}{where}"), soft_wrap=True)


@contextmanager
def _each_once() -> Iterator[None]:
    """Show each warning once, though splits are read one after another."""
    with warnings.catch_warnings():
        show, shown = warnings.showwarning, set()

        def show_new(message: Warning | str, *details: Any, **more: Any) -> None:
            if str(message) not in shown:
                shown.add(str(message))
                show(message, *details, **more)

        warnings.showwarning = show_new
        yield


def _table(found: Summary) -> Table:
    """Images by class and split; long lists of classes are cut."""
    table = Table(box=None, pad_edge=False)
    table.add_column("class")
    for split in found.class_counts:
        table.add_column(plain(split), justify="right")
    for label, class_name in enumerate(found.class_names[:_CLASSES_SHOWN]):
        counts = (f"{int(counts[label]):,}" for counts in found.class_counts.values())
        table.add_row(plain(class_name), *counts)
    if len(found.class_names) > _CLASSES_SHOWN:
        table.add_row(f"({len(found.class_names) - _CLASSES_SHOWN} more classes)")
    totals = (f"{int(counts.sum()):,}" for counts in found.class_counts.values())
    table.add_row(f"all {len(found.class_names)} classes", *totals, style="bold")
    return table
