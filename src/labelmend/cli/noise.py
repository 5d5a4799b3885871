"""``labelmend noise``: corrupt the labels of a clean data set, and show how."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pandas as pd

from labelmend.cli.messages import plain_warnings, say
from labelmend.cli.reading import describe_skipped, image_bar, reading_flags
from labelmend.config import DataSettings
from labelmend.data import load
from labelmend.errors import DataError, SettingsError
from labelmend.files import check_writable, csv_rows, replacing
from labelmend.noise.picture import save_picture
from labelmend.noise.record import NoiseRecord
from labelmend.noise.spec import KINDS, apply, parse
from labelmend.noise.trusted import draw_trusted
from labelmend.runs import folder as run_folder
from labelmend.text import argument, spreadsheet_safe
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
    image_column: str | None = None,
    image_root: str | None = None,
    skip_missing: bool = False,
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
        image_column: column of a table that names the images; by default one of a usual name.
        image_root: folder that the file names of a table are relative to; by default that of the table.
        skip_missing: leave out rows of a table whose file is missing, instead of refusing them.
        root: folder of a named data set and of human label files.
        overwrite: replace files that are there.
    """
    name, *options = kind.split(":")
    middle = [] if rate is None else [repr(float(rate))]
    # Which labels are trusted is drawn by the seed also where the noise has none.
    for_draw_alone = trusted is not None and name in KINDS and not KINDS[name].seeded
    seeds = [] if seed is None or for_draw_alone else [f"seed={seed}"]
    with _told_of_kind():
        spec = parse(":".join([name, *middle, *options, *seeds]))
    table = Path(out)
    if table.suffix.lower() != ".csv":
        raise DataError(f"--out is {out!r}, but must end in .csv")
    if not table.parent.is_dir():
        raise DataError(f"--out is {out!r}, but there is no folder {table.parent}")
    places = _places(table, source, overwrite)

    with plain_warnings(), image_bar() as progress:
        clean = load(
            source,
            split=split,
            progress=progress,
            label_column=label_column,
            image_column=image_column,
            image_root=image_root,
            skip_missing=skip_missing,
            root=root,
        )
        if trusted is not None:
            clean = draw_trusted(clean, trusted, seed or 0)
        with _told_of_kind():
            noisy, record = apply(spec, clean, root, train=averaged_softmax)
    for line in (*clean.notes, *([describe_skipped(clean.skipped)] if clean.skipped else [])):
        say(line)
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
    # All three or none: they are renamed once all are written.
    with replacing(places[0]) as rows, replacing(places[1]) as noted, replacing(places[2]) as drawn:
        with csv_rows(rows) as file:
            frame.to_csv(file, index=False, lineterminator="\r\n")
        noted.write_text(record.to_json() + "\n", encoding="utf-8", newline="\n")
        save_picture(drawn, noisy, record)
    say(f"{spec}: {record.realised_rate:.2%} of {len(noisy):,} labels changed, sha256 {record.sha256}")
    say(f"written: {', '.join(map(str, places))}")
    read_by = DataSettings(
        split=split,
        label_column=label_column,
        image_column=image_column,
        image_root=image_root,
        skip_missing=skip_missing,
        root=root,
        partial=bool(clean.skipped),  # Images that cannot be read have no row.
    )
    say(f"Next: labelmend fit {argument(source)} --labels {argument(table)}{reading_flags(read_by)}")


@contextmanager
def _told_of_kind() -> Iterator[None]:
    """Name the flag of this command in what is wrong with a noise; elsewhere it is ``--noise``."""
    try:
        yield
    except SettingsError as error:
        raise SettingsError(str(error).replace("--noise", "--kind", 1)) from None


def _places(table: Path, source: str, overwrite: bool) -> tuple[Path, Path, Path]:
    """Where the table, the record and the picture go, once it is sure that they can.

    Raises:
        DataError: If one of them is there and must not be replaced.
        RunError: If they would lie among the images that they are about, or over them.
        WriteError: If one of them cannot be written.
    """
    places = table, table.with_suffix(".json"), table.with_suffix(".png")
    own = _is_record(places[1])
    for path in places:
        run_folder.check_apart(path, (source,))
        if path.exists() and not overwrite:
            raise DataError(f"{path}: is there already; give another --out, or --overwrite")
        # Nobody has named these two, and a picture may be one of the data set.
        if path.exists() and path != table and not own:
            raise DataError(f"{path}: is there already, and not of labelmend noise; give another --out")
        check_writable(path)
    return places


def _is_record(path: Path) -> bool:
    """Whether a file is the record of an earlier noise."""
    if not path.is_file():
        return False
    try:
        NoiseRecord.from_json(path.read_text(encoding="utf-8", errors="replace"))
    except DataError:
        return False
    return True
