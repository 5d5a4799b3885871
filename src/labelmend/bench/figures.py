"""Figures of a suite, drawn from the records of its finished cells."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from labelmend.bench.published import SOURCES, beside
from labelmend.bench.results import LAST, Groups, ResultRecord, grouped, values
from labelmend.files import replacing
from labelmend.verdicts.figures import text_of

DOTS = 150
"""An inch."""

MARKERS = {"paper": "D", "re-run": "s"}
OURS, THEIRS = "#2a6f97", "#b5651d"
FEWEST_VALUES = 3
"""Of a setting, for a line through them."""

Varied = dict[str, dict[float, str]]
"""Rows by the value of the one setting that they change, for each setting."""


def draw_suite(records: list[ResultRecord]) -> Figure:
    """Test accuracy of the last epoch of each row, mean and spread over seeds, beside what others published.

    Where all rows change one number each of one of them, the accuracy is drawn over that number instead.
    """
    groups = grouped(records)
    noises = sorted({noise for noise, _ in groups})
    varied = varied_settings(records)
    return _lines(groups, noises, varied) if varied else _rows(groups, noises)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG; the same figure gives the same bytes.

    Raises:
        WriteError: If the file cannot be written.
    """
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DOTS, metadata={"Software": "labelmend"})


def _rows(groups: Groups, noises: list[str]) -> Figure:
    most = max(sum(noise == n for n, _ in groups) for noise in noises)
    figure = Figure(figsize=(5.2 * len(noises) + 1, 0.28 * most + 1.6), layout="constrained")
    drawn: dict[str, Any] = {}
    for axes, noise in zip(figure.subplots(1, len(noises), squeeze=False)[0], noises, strict=True):
        rows = {row: records for (n, row), records in groups.items() if n == noise and values(records, LAST)}
        order = sorted(rows, key=lambda row: statistics.fmean(values(rows[row], LAST)))
        for place, row in enumerate(order):
            found = [100 * value for value in values(rows[row], LAST)]
            drawn["ours"] = axes.errorbar(
                statistics.fmean(found), place, xerr=_spread(found), fmt="o", color=OURS, capsize=3
            )
            for source in SOURCES:
                theirs = beside(source, rows[row][0])
                if theirs is not None:
                    drawn[source] = axes.errorbar(
                        theirs.accuracy,
                        place,
                        xerr=theirs.spread,
                        fmt=MARKERS[source],
                        color=THEIRS,
                        markerfacecolor="none",
                        capsize=3,
                    )
        axes.set_yticks(range(len(order)), [text_of(row) for row in order])
        axes.grid(axis="x", alpha=0.3)
        axes.set_title(text_of(noise), fontsize="medium")
        axes.set_xlabel("test accuracy of the last epoch, %")
    names = {
        "ours": "this suite",
        "paper": "the paper, full scale, best epoch",
        "re-run": "re-run, full scale",
    }
    shown = [name for name in names if name in drawn]
    if len(shown) > 1:
        handles, labels = [drawn[name] for name in shown], [names[name] for name in shown]
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _lines(groups: Groups, noises: list[str], varied: Varied) -> Figure:
    figure = Figure(figsize=(3.4 * len(varied), 2.9 * len(noises)), layout="constrained")
    grid = figure.subplots(len(noises), len(varied), squeeze=False, sharey="row")
    for line, noise in zip(grid, noises, strict=True):
        for axes, (setting, rows) in zip(line, varied.items(), strict=True):
            found = {
                value: [100 * accuracy for accuracy in values(groups.get((noise, rows[value]), []), LAST)]
                for value in sorted(rows)
            }
            found = {value: accuracies for value, accuracies in found.items() if accuracies}
            axes.errorbar(
                list(found),
                [statistics.fmean(accuracies) for accuracies in found.values()],
                yerr=[_spread(accuracies) or 0 for accuracies in found.values()],
                fmt="o-",
                color=OURS,
                capsize=3,
            )
            if min(rows) > 0 and max(rows) >= 20 * min(rows):
                axes.set_xscale("log")
            axes.set_xticks(list(found), [f"{value:g}" for value in found])
            axes.minorticks_off()
            axes.grid(alpha=0.3)
            axes.set_xlabel(setting)
            axes.set_title(text_of(noise), fontsize="medium")
        line[0].set_ylabel("test accuracy of the last epoch, %")
    return figure


def varied_settings(records: list[ResultRecord]) -> Varied:
    """Which row stands for which value, where every row changes at most one number of one of them.

    Empty where rows differ otherwise, or a setting has fewer than three values: no row is left out.
    """
    settings = {record["row"]: _flat(record.get("settings", {})) for record in records}
    for base, own in settings.items():
        changed = {
            row: [n for n in own.keys() | other if own.get(n) != other.get(n)]
            for row, other in settings.items()
            if row != base
        }
        if all(len(names) == 1 for names in changed.values()):
            found: Varied = {}
            for row, (name,) in changed.items():
                pair = own.get(name), settings[row].get(name)
                if not all(isinstance(value, Real) and not isinstance(value, bool) for value in pair):
                    return {}
                found.setdefault(name, {float(own[name]): base})[float(settings[row][name])] = row
            if any(len(rows) < FEWEST_VALUES for rows in found.values()):
                return {}
            return {name.split(".")[-1]: rows for name, rows in found.items()}
    return {}


def _flat(settings: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Settings by dotted name, without seed and noise, which differ within a row."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{before}{name}.")
        elif f"{before}{name}" not in ("seed", "data.noise"):
            found[f"{before}{name}"] = value
    return found


def _spread(found: list[float]) -> float | None:
    return statistics.stdev(found) if len(found) > 1 else None
