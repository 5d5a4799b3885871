"""What is printed at the end of a run, and by ``labelmend show``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich.table import Table

from labelmend.cli.messages import make_console, plain
from labelmend.report.words import MEANINGS, clean_line, noise_line, overspent, percent
from labelmend.runs import folder as run_folder
from labelmend.runs.run import Run
from labelmend.text import argument, duration

TOP_FLOWS = 10
NUMBERS = ("images", "share", "of the class", "confidence", "votes")


def _table(title: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in NUMBERS else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(plain, row))
    return table


def _verdict_table(run: Run) -> Table:
    summary = run.verdicts.summary()
    rows = [
        (name, f"{count:,}", percent(count / max(summary["images"], 1)), MEANINGS[name])
        for name, count in summary["verdicts"].items()
    ]
    return _table("Verdicts", ("verdict", "images", "share", "meaning"), rows)


def _flow_table(run: Run) -> Table:
    flow = run.verdicts.flow().head(TOP_FLOWS)
    rows = [
        (given, suggested, f"{images:,}", percent(share))
        for given, suggested, images, share in flow.to_numpy().tolist()
    ]
    title = "Largest flows from given to suggested label"
    return _table(title, ("given", "suggested", "images", "of the class"), rows)


def _suggestion_table(run: Run, top: int) -> Table:
    found = run.verdicts.suggestions(top)
    columns = ["path", "id", "given_label", "suggested_label", "suggestion_confidence", "votes"]
    rows = [
        (path or identifier, given, suggested, f"{confidence:.3f}", str(votes))
        for path, identifier, given, suggested, confidence, votes in found[columns].to_numpy().tolist()
    ]
    return _table("Surest suggestions", ("image", "given", "suggested", "confidence", "votes"), rows)


def _facts(run: Run) -> Iterable[str]:
    summary = run.summary
    if clean := clean_line(summary):
        yield clean
    yield noise_line(summary)
    if "test_accuracy_last" in summary:
        last, mean, best = (
            percent(summary[f"test_accuracy_{kind}"]) for kind in ("last", "mean_of_last_10", "best")
        )
        yield f"Test accuracy: last epoch {last}, mean of the last 10 {mean}, best {best}"
        if "frozen" in summary:
            before = percent(summary["frozen"]["test_accuracy_last"])
            yield f"Test accuracy of the frozen network, before it was trained: {before}"
    yield f"{summary['epochs']:.3g} epochs, {summary['flops']:.2e} FLOPs, {duration(summary['seconds'])}"
    if more := overspent(run.settings.budget, summary):
        yield more


def _places(folder: Path) -> Iterable[str]:
    reports = [run_folder.REPORT] if (folder / run_folder.REPORT).is_file() else []
    names = (*reports, run_folder.VERDICTS_CSV, run_folder.MODEL, run_folder.README)
    width = max(map(len, names))
    yield f"In {folder}"
    for name in names:
        yield f"  {name:<{width}}  {run_folder.CONTENTS[name]}"


def print_result(run: Run, top: int = 0) -> None:
    """Print verdict counts, flows, accuracies, where things are, and the next command.

    Args:
        run: a finished run.
        top: how many of the surest suggestions to list.
    """
    console = make_console()
    tables = [_verdict_table(run)]
    if run.summary["suggestions"]:
        tables.append(_flow_table(run))
        if top:
            tables.append(_suggestion_table(run, top))
    for table in tables:
        console.print()
        console.print(table)
    console.print()
    for fact in _facts(run):
        console.print(plain(fact))
    if run.folder is None:
        return
    console.print()
    for line in _places(run.folder):
        console.print(plain(line))
    console.print()
    folder = argument(run.folder)
    following = f"predict {folder} IMAGES" if top else f"show {folder} --top 20"
    console.print(plain(f"Next: labelmend {following}"))
