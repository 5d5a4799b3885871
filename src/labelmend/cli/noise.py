"""``labelmend noise``: corrupt the labels of a clean data set, and show how."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from labelmend.cli.messages import say
from labelmend.cli.reading import image_bar
from labelmend.data import load
from labelmend.errors import DataError
from labelmend.files import csv_rows, replacing, write_text
from labelmend.noise.picture import save_picture
from labelmend.noise.spec import KINDS, apply, parse
from labelmend.noise.trusted import draw_trusted
from labelmend.text import spreadsheet_safe
from labelmend.training.soft_labels import averaged_softmax


def noise(
    source: str,
    kind: str = "symmetric",
    rate: float | None = None,
    seed: int | None = None,
    trusted: int | None = None,
    out: str = "noisy.csv",
    split: str | None = None,
    label_column: str = "label",
    root: str | None = None,
    overwrite: bool = False,
) -> None:
    """Add noise to the labels of a clean data set, for experiments.

    Writes a table (id, label, true_label, and trusted where labels are), and beside it a record (.json: rate,
    transition matrix, hash) and a picture (.png: the matrix and some changed labels). Train on it with
    'labelmend fit DATA --labels noisy.csv'.

    Args:
        source: folder, table or name of a data set with clean labels.
        kind: symmetric, symmetric-inclusive, asymmetric, pairflip, transition, instance-shared,
            instance-per-class, part-dependent, classifier, cifar10n:VARIANT, cifar100n or human;
            options follow, e.g. instance-per-class:scaling=unit.
        rate: share of labels to change, in [0, 1].
        seed: seed of the random draws (default 0).
        trusted: number of images, drawn at random, that keep their label and are marked as trusted.
        out: table to write, a .csv file.
        split: split of the source, by default its training split.
        label_column: column of a table that holds the labels.
        root: folder of a named data set and of human label files.
        overwrite: replace files that are there.
    """
    name, *options = kind.split(":")
    middle = [] if rate is None else [repr(float(rate))]
    # Which labels are trusted is drawn by the seed also where the noise has none.
    for_draw_alone = trusted is not None and name in KINDS and not KINDS[name].seeded
    seeds = [] if seed is None or for_draw_alone else [f"seed={seed}"]
    spec = parse(":".join([name, *middle, *options, *seeds]))
    table = Path(out)
    if table.suffix.lower() != ".csv":
        raise DataError(f"--out is {out!r}, but must end in .csv")
    if not table.parent.is_dir():
        raise DataError(f"--out is {out!r}, but there is no folder {table.parent}")
    record_path, picture_path = table.with_suffix(".json"), table.with_suffix(".png")
    for path in (table, record_path, picture_path):
        if path.exists() and not overwrite:
            raise DataError(f"{path}: is there already; give another --out, or --overwrite")

    with image_bar() as progress:
        clean = load(source, split=split, label_column=label_column, root=root, progress=progress)
    if trusted is not None:
        clean = draw_trusted(clean, trusted, seed or 0)
    noisy, record = apply(spec, clean, root, train=averaged_softmax)
    if trusted is not None:
        record = replace(record, parameters=record.parameters | {"trusted_seed": seed or 0})
    true = noisy.given_labels if noisy.true_labels is None else noisy.true_labels
    names = noisy.class_names
    frame = pd.DataFrame(
        {
            "id": list(map(spreadsheet_safe, noisy.ids)),
            "label": [spreadsheet_safe(names[label]) for label in noisy.given_labels],
            "true_label": [spreadsheet_safe(names[label]) for label in true],
            **({} if noisy.trusted is None else {"trusted": noisy.trusted}),
        }
    )
    with replacing(table) as temporary, csv_rows(temporary) as file:
        frame.to_csv(file, index=False, lineterminator="\r\n")
    write_text(record_path, record.to_json() + "\n")
    save_picture(picture_path, noisy, record)
    say(f"{spec}: {record.realised_rate:.2%} of {len(noisy):,} labels changed, sha256 {record.sha256}")
    say(f"written: {table}, {record_path}, {picture_path}")
