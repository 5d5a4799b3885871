"""Markdown tables, rendered from the JSON files of finished cells and from nothing else."""

from __future__ import annotations

import json
import math
import re
import statistics
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from labelmend.bench.published import SOURCES, beside
from labelmend.bench.results import (
    LAST,
    ResultRecord,
    data_asked,
    grouped,
    labels_of,
    noise_name,
    read_results,
    scored_by_trusted,
    values,
)
from labelmend.errors import LabelmendWarning, RunError
from labelmend.files import reason, write_text
from labelmend.runs.records import read_object
from labelmend.text import count, first_of, printable

MARKER = re.compile(r"(<!-- table: (?P<name>[^\n>]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
ACCURACIES = {
    "last epoch": LAST,
    "mean of last 10": "test_accuracy_mean_of_last_10",
    "best epoch": "test_accuracy_best",
}
OF_DETECTION = "-detection"
MOST_ROWS = 8
"""Rows that a sentence on mixed labels names."""
DETECTION = {
    "average precision": "detection_ap",
    "AUROC": "detection_auroc",
    "precision": "detection_precision",
    "recall": "detection_recall",
    "average precision, neighbours": "neighbour_ap",
    "AUROC, neighbours": "neighbour_auroc",
}


DETECTION_LEGEND = (
    "Finding wrong labels: precision and recall are of as many samples as the method estimates to be wrong, "
    'those of the lowest label quality; "neighbours" are the nearest in the features of the same run, which '
    "are asked for their given labels."
)


def mean_and_spread(values: Sequence[float]) -> str:
    """Mean in percent, with the sample standard deviation where there is more than one value."""
    mean = f"{100 * statistics.fmean(values):.2f}"
    return mean if len(values) < 2 else f"{mean} ± {100 * statistics.stdev(values):.2f}"


def _known(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return mean_and_spread(known) if known else ""


def _theirs(records: list[ResultRecord], source: str) -> str:
    found = beside(source, records[0])
    return "" if found is None else str(found)


def render_suite(records: list[ResultRecord]) -> str:
    """The table of a suite: one line for each row and noise, over its seeds, beside what others published.

    Rows stand in the order of their mean last-epoch accuracy, lowest first, after those that have none.

    Args:
        records: of finished cells.
    """
    groups = grouped(records)
    sources = [name for name in SOURCES if any(_theirs(records, name) for records in groups.values())]

    def place(key: tuple[str, str]) -> tuple[str, float]:
        # Without a test set there is none, which is no accuracy of 0.
        return key[0], statistics.fmean(values(groups[key], LAST) or [-1.0])

    head = ["noise", "method", "seeds", *ACCURACIES, *sources]
    head += ["easy purity", "kept", "corrected", "detection AP", "FLOPs", "processor"]
    lines = []
    for key in sorted(groups, key=place):
        records = groups[key]
        cells = [key[0], key[1], str(len(records))]
        cells += [_known(values(records, name)) for name in ACCURACIES.values()]
        cells += [_theirs(records, source) for source in sources]
        for name in ("easy_purity", "kept_accuracy", "corrected_accuracy"):
            cells.append(_known([r["selection"].get(name) for r in records]))
        final = [r["summary"].get("detection_ap", r["selection"].get("detection_ap")) for r in records]
        cells.append(_known(final))
        cells.append(f"{statistics.fmean(values(records, 'flops')):.2e}")
        cells.append("; ".join(sorted({r["summary"]["processor"] for r in records})))
        lines.append(cells)
    return markdown(head, lines) + "".join(f"\n{SOURCES[source]}\n" for source in sources)


def render_detection(records: list[ResultRecord]) -> str | None:
    """How well each row of a suite finds wrong labels, best last; None where no record tells.

    ``DETECTION_LEGEND`` says what its columns are.

    Args:
        records: of finished cells.
    """
    groups = grouped([r for r in records if "detection_auroc" in r["summary"]])

    def place(key: tuple[str, str]) -> tuple[str, float]:
        return key[0], statistics.fmean(values(groups[key], "detection_ap") or [-1.0])

    lines = [
        [*key, str(len(groups[key])), *(_known(values(groups[key], name)) for name in DETECTION.values())]
        for key in sorted(groups, key=place)
    ]
    return markdown(["noise", "method", "seeds", *DETECTION], lines) if lines else None


def render_choice(records: list[ResultRecord]) -> str | None:
    """Which row of a suite is best by labels that a person has confirmed; None where no such are scored.

    Args:
        records: of finished cells.
    """
    groups = grouped([record for record in records if scored_by_trusted(record)])
    lines = []
    for noise in dict.fromkeys(noise for noise, _ in groups):
        rows = {row: records for (n, row), records in groups.items() if n == noise}
        every = [record for records in rows.values() for record in records]
        if any(labels_of(record, "test_set") != labels_of(every[0], "test_set") for record in every):
            lines.append(
                f"No row is chosen for {noise}: they were scored by different trusted labels; remove the "
                "older results and run them again.\n"
            )
            continue
        accuracy = {row: statistics.fmean(values(records, LAST)) for row, records in rows.items()}
        most, images = max(accuracy.values()), every[0]["summary"]["test_images"]
        # With one more right and one more wrong, so that it is not 0 where all are right.
        share = (most * images + 1) / (images + 2)
        error = math.sqrt(share * (1 - share) / (images + 2))
        best = [row for row, value in accuracy.items() if value == most]
        near = [row for row, value in accuracy.items() if most - error <= value < most]
        lines.append(
            f"Best by {images:,} trusted labels, {noise}: {' and '.join(best)}, {100 * most:.2f}, with a "
            f"standard error of {100 * error:.1f}; within that: {'; '.join(near) or 'no other row'}.\n"
        )
    return "\n".join(lines) or None


def render_mixture(records: list[ResultRecord]) -> str | None:
    """Which cells of a suite asked for the same labels and had others than most; None where none had.

    One sentence for each noise. What older records do not tell of their labels is not compared.
    """
    asked: dict[str, dict[str, list[ResultRecord]]] = {}
    for record in records:
        settings = (record.get("settings") or {}).get("data") or {}
        wanted = json.dumps([record.get("data"), data_asked(settings)], sort_keys=True)
        asked.setdefault(noise_name(record["noise"]), {}).setdefault(wanted, []).append(record)
    lines = []
    for noise, alike in asked.items():
        other_labels = [one for some in alike.values() for one in _on_others(some, "train_set")]
        other_tests = [one for some in alike.values() for one in _on_others(some, "test_set")]
        told = [
            f"{what} others: {_seeds_of_rows(others)}"
            for what, others in (("trained on", other_labels), ("scored by", other_tests))
            if others
        ]
        if told:
            lines.append(
                f"Not all cells of {printable(noise)} had the labels of most, though the suite asks for the "
                f"same: {'; '.join(told)}. Remove the older results and run them again.\n"
            )
    return "\n".join(lines) or None


def _on_others(records: list[ResultRecord], part: Literal["train_set", "test_set"]) -> list[ResultRecord]:
    """The records whose labels are known to differ from those of most."""
    groups: list[tuple[dict[str, str], list[ResultRecord]]] = []
    for record in records:
        labels = labels_of(record, part)
        for known, same in groups:
            if all(known.get(name, value) == value for name, value in labels.items()):
                known |= labels
                same.append(record)
                break
        else:
            groups.append((labels, [record]))
    most = max((same for _, same in groups), key=len)
    return [record for _, same in groups if same is not most for record in same]


def _seeds_of_rows(records: list[ResultRecord]) -> str:
    """Cells in few words: ``seeds 1, 2 of CE, Mend; seed 1 of GCE``."""
    seeds: dict[str, list[str]] = {}
    for record in records:
        seeds.setdefault(printable(record["row"]), []).append(str(record["seed"]))
    rows: dict[str, list[str]] = {}
    for row, some in seeds.items():
        rows.setdefault(f"seed{'s' if some[1:] else ''} {', '.join(some)}", []).append(row)
    return "; ".join(f"{some} of {first_of(of, MOST_ROWS)}" for some, of in rows.items())


def render_table(records: list[ResultRecord]) -> str:
    """The table of a suite, and what it averages that should not be."""
    mixture = render_mixture(records)
    return render_suite(records) + ("" if mixture is None else f"\n{mixture}")


def render_absent(absent: Mapping[str, str], cells: int) -> str | None:
    """Which cells of a suite have no result, and why; None where all have one.

    Args:
        absent: why there is none, by the name of the cell, in the order of the suite.
        cells: number of all cells.
    """
    names: dict[str, list[str]] = {}
    for name, why in absent.items():
        names.setdefault(printable(why), []).append(f"`{name}`")
    lines = "".join(f"- {', '.join(of)}: {why}\n" for why, of in names.items())
    verb = "is" if len(absent) == 1 else "are"
    return f"{len(absent)} of {count(cells, 'cell')} {verb} not there:\n\n{lines}" if absent else None


def render_page(records: list[ResultRecord], absent: str | None = None) -> str:
    """The tables of a suite as a page of its own.

    Args:
        records: of finished cells; without any there is no table.
        absent: what ``render_absent`` says of the others.
    """
    choice, detection = render_choice(records), render_detection(records)
    parts = [
        render_table(records) if records else None,
        absent,
        choice,
        None if detection is None else f"{DETECTION_LEGEND}\n\n{detection}",
    ]
    return "\n".join(part for part in parts if part is not None)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(_in_table(cell) for cell in line) + " |\n" for line in lines)


def _in_table(cell: str) -> str:
    """A cell that stays in its place, whatever a row is called."""
    return printable(cell).replace("|", "\\|")


def suite_tables(results: Path) -> Callable[[str], str | None]:
    """How to render a suite by name, from a folder with one folder of JSON files a suite.

    ``NAME-detection`` is its table of detection. Where there are no results, or they are of no suite, it
    renders None.

    Warns:
        LabelmendWarning: When it renders a table whose results cannot be read; that is None, too.
    """

    def render(name: str) -> str | None:
        suite = name
        if name.endswith(OF_DETECTION) and not (results / name).is_dir():
            suite = name.removesuffix(OF_DETECTION)
        first = next(iter(sorted((results / suite).glob("*.json"))), None)
        try:
            if first is None or "suite" not in read_object(first):
                return None
            return one_suite(suite, read_results(results / suite))(name)
        except RunError as error:
            warnings.warn(f"the table {name} stays as it is: {error}", LabelmendWarning, stacklevel=2)
            return None

    return render


def one_suite(name: str, records: list[ResultRecord]) -> Callable[[str], str | None]:
    """How to render the table of one suite, and that of its detection, and nothing else."""
    tables = {name: render_table, f"{name}{OF_DETECTION}": render_detection}
    return lambda wanted: tables[wanted](records) if records and wanted in tables else None


def tables_of(document: Path) -> list[str]:
    """Names of the tables that a Markdown file has a place for.

    Raises:
        RunError: If it cannot be read as UTF-8 text.
    """
    return [match["name"] for match in MARKER.finditer(_text_of(document).replace("\r\n", "\n"))]


def update_document(document: Path, render: Callable[[str], str | None]) -> None:
    """Bring the tables of a Markdown file up to date.

    Each pair of lines ``<!-- table: NAME -->`` and ``<!-- end of table -->`` gets the table of that name
    between them. The rest stays as it is; where line ends are mixed, all become those of Unix.

    Args:
        document: the Markdown file.
        render: makes the table of a name; None leaves what is there.

    Raises:
        RunError: If it cannot be read as UTF-8 text.
        WriteError: If it cannot be written.
    """

    def table(match: re.Match[str]) -> str:
        rendered = render(match["name"])
        return match[0] if rendered is None else f"{match[1]}\n{rendered}\n{match[3]}"

    text = _text_of(document)
    of_windows = text.count("\r\n") == text.count("\n")
    rendered = MARKER.sub(table, text.replace("\r\n", "\n"))
    write_text(document, rendered, newline="\r\n" if of_windows else "\n")


def _text_of(document: Path) -> str:
    """The text of a file, with the line ends that it has."""
    try:
        return document.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise RunError(
            f"{document} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from error
    except OSError as error:
        raise RunError(f"{document} cannot be read: {reason(error)}") from error
