"""Markdown tables, rendered from the JSON files of finished cells and from nothing else."""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from labelmend.bench.published import SOURCES, beside
from labelmend.bench.results import (
    LAST,
    ResultRecord,
    data_asked,
    grouped,
    labels_of,
    noise_name,
    read_results,
    values,
)
from labelmend.config import TRUSTED
from labelmend.errors import RunError
from labelmend.files import reason, write_text
from labelmend.text import printable

MARKER = re.compile(r"(<!-- table: (?P<name>[\w.-]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
ACCURACIES = {
    "last epoch": LAST,
    "mean of last 10": "test_accuracy_mean_of_last_10",
    "best epoch": "test_accuracy_best",
}
OF_DETECTION = "-detection"
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
        return key[0], statistics.fmean(values(groups[key], "detection_ap"))

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
    groups = grouped([record for record in records if _scored_by_trusted(record)])
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
        most, count = max(accuracy.values()), every[0]["summary"]["test_images"]
        # With one more right and one more wrong, so that it is not 0 where all are right.
        share = (most * count + 1) / (count + 2)
        error = math.sqrt(share * (1 - share) / (count + 2))
        best = [row for row, value in accuracy.items() if value == most]
        near = [row for row, value in accuracy.items() if most - error <= value < most]
        lines.append(
            f"Best by {count:,} trusted labels, {noise}: {' and '.join(best)}, {100 * most:.2f}, with a "
            f"standard error of {100 * error:.1f}; within that: {'; '.join(near) or 'no other row'}.\n"
        )
    return "\n".join(lines) or None


def _scored_by_trusted(record: ResultRecord) -> bool:
    asked: str | None = record.get("settings", {}).get("data", {}).get("test")
    return asked == TRUSTED and LAST in record["summary"]


def render_mixture(records: list[ResultRecord]) -> str | None:
    """Which cells of a suite asked for the same labels and were trained on others; None where none were.

    Args:
        records: of finished cells.
    """
    first: dict[str, ResultRecord] = {}
    lines = []
    for record in records:
        labels = labels_of(record, "train_set")
        if labels is None:
            continue
        asked = json.dumps([record["data"], data_asked(record["settings"]["data"])], sort_keys=True)
        other = first.setdefault(asked, record)
        if labels != labels_of(other, "train_set"):
            lines.append(
                f"{_cell(record)} and {_cell(other)} were trained on different labels, though the suite asks "
                "for the same; remove the older result and run it again.\n"
            )
    return "\n".join(lines) or None


def _cell(record: ResultRecord) -> str:
    return f"{record['row']} ({noise_name(record['noise'])}, seed {record['seed']})"


def render_page(records: list[ResultRecord]) -> str:
    """The tables of a suite as a page of its own."""
    choice, detection, mixture = render_choice(records), render_detection(records), render_mixture(records)
    return (
        render_suite(records)
        + ("" if mixture is None else f"\n{mixture}")
        + ("" if choice is None else f"\n{choice}")
        + ("" if detection is None else f"\n{DETECTION_LEGEND}\n\n{detection}")
    )


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(_in_table(cell) for cell in line) + " |\n" for line in lines)


def _in_table(cell: str) -> str:
    """A cell that stays in its place, whatever a row is called."""
    return printable(cell).replace("|", "\\|")


def suite_tables(results: Path) -> Callable[[str], str | None]:
    """How to render a suite by name, from a folder with one folder of JSON files a suite.

    ``NAME-detection`` is its table of detection.
    """

    def render(name: str) -> str | None:
        folder = results / name
        if name.endswith(OF_DETECTION) and not folder.is_dir():
            return render_detection(read_results(results / name.removesuffix(OF_DETECTION)))
        first = next(iter(sorted(folder.glob("*.json"))), None)
        of_suite = first is not None and "suite" in json.loads(first.read_text())
        return render_suite(read_results(folder)) if of_suite else None

    return render


def one_suite(name: str, records: list[ResultRecord]) -> Callable[[str], str | None]:
    """How to render the table of one suite, and that of its detection, and nothing else."""
    tables = {name: render_suite, f"{name}{OF_DETECTION}": render_detection}
    return lambda wanted: tables[wanted](records) if wanted in tables else None


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
