"""Markdown tables, rendered from the JSON files of finished cells and from nothing else."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from labelmend.errors import RunError
from labelmend.files import write_text
from labelmend.runs.records import Record, read_record

MARKER = re.compile(r"(<!-- table: (?P<name>[\w.-]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
ACCURACIES = {
    "last epoch": "test_accuracy_last",
    "mean of last 10": "test_accuracy_mean_of_last_10",
    "best epoch": "test_accuracy_best",
}


class Result(Record):
    """The JSON file of a finished cell, as far as tables are made of it."""

    row: str
    noise: str | None
    summary: dict[str, Any]


def read_results(folder: Path) -> list[dict[str, Any]]:
    """Records of the finished cells in a folder, by file name.

    Raises:
        RunError: If there are none, or a file is no such record.
    """
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise RunError(f"{folder} holds no results; run labelmend bench first")
    return [read_record(path, Result) for path in paths]


def mean_and_spread(values: Sequence[float]) -> str:
    """Mean in percent, with the sample standard deviation where there is more than one value."""
    mean = f"{100 * statistics.fmean(values):.2f}"
    return mean if len(values) < 2 else f"{mean} ± {100 * statistics.stdev(values):.2f}"


def _known(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return mean_and_spread(known) if known else ""


def render_suite(folder: Path) -> str:
    """The table of a suite: one line for each row and noise, over its seeds.

    Rows stand in the order of their mean last-epoch accuracy, lowest first.

    Args:
        folder: of JSON files, one a finished cell.
    """
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for record in read_results(folder):
        groups.setdefault((record["noise"] or "as given", record["row"]), []).append(record)

    def place(key: tuple[str, str]) -> tuple[str, float]:
        return key[0], statistics.fmean(r["summary"].get("test_accuracy_last", 0.0) for r in groups[key])

    lines = [
        "| noise | method | seeds | " + " | ".join(ACCURACIES) + " | easy purity | kept | corrected "
        "| detection AP | FLOPs | processor |",
        "|---|---|---|" + "---|" * (len(ACCURACIES) + 6),
    ]
    for key in sorted(groups, key=place):
        records = groups[key]
        cells = [key[0], key[1], str(len(records))]
        cells += [_known([r["summary"].get(name) for r in records]) for name in ACCURACIES.values()]
        for name in ("easy_purity", "kept_accuracy", "corrected_accuracy"):
            cells.append(_known([r["selection"].get(name) for r in records]))
        final = [r["summary"].get("detection_ap", r["selection"].get("detection_ap")) for r in records]
        cells.append(_known(final))
        cells.append(f"{statistics.fmean(r['summary']['flops'] for r in records):.2e}")
        cells.append("; ".join(sorted({r["summary"]["processor"] for r in records})))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def suite_tables(results: Path) -> Callable[[str], str | None]:
    """How to render a suite by name, from a folder with one folder of JSON files a suite."""

    def render(name: str) -> str | None:
        folder = results / name
        first = next(iter(sorted(folder.glob("*.json"))), None)
        of_suite = first is not None and "suite" in json.loads(first.read_text())
        return render_suite(folder) if of_suite else None

    return render


def update_document(document: Path, render: Callable[[str], str | None]) -> None:
    """Bring the tables of a Markdown file up to date.

    Each pair of lines ``<!-- table: NAME -->`` and ``<!-- end of table -->`` gets the table of that name
    between them.

    Args:
        document: the Markdown file.
        render: makes the table of a name; None leaves what is there.
    """

    def table(match: re.Match[str]) -> str:
        rendered = render(match["name"])
        return match[0] if rendered is None else f"{match[1]}\n{rendered}\n{match[3]}"

    write_text(document, MARKER.sub(table, document.read_text(encoding="utf-8")))
