"""The live view of a run: a progress bar with the time left, and a line per epoch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from labelmend.cli.messages import make_console, plain
from labelmend.cli.plain_progress import PlainProgress
from labelmend.models.registry import FEATURES
from labelmend.runs import folder as run_folder
from labelmend.text import argument


@dataclass(frozen=True)
class Column:
    """A column of the epoch lines: a key of the metrics, and how it is shown."""

    key: str
    title: str
    kind: str
    width: int

    def format(self, row: dict[str, Any]) -> str:
        """The value of a row, right-aligned; a dash where it has none."""
        value = row.get(self.key)
        if value is None:
            text = "-"
        elif self.kind == "share":
            text = f"{100 * value:.1f}%"
        elif self.kind == "count":
            text = f"{int(value)}"
        else:
            text = f"{value:.3f}"
        return text.rjust(self.width)


COLUMNS = (
    Column("epoch", "epoch", "count", 5),
    Column("loss", "loss", "number", 6),
    Column("easy", "easy", "count", 7),
    Column("valid_anchors", "anchors", "count", 8),
    Column("hard_kept", "kept", "count", 6),
    Column("hard_corrected", "changed", "count", 7),
    Column("uncertain", "unsure", "count", 7),
    Column("estimated_noise_rate", "noise", "share", 6),
)
TRUTH_COLUMNS = (
    Column("easy_purity", "easy", "share", 6),
    Column("kept_accuracy", "kept", "share", 6),
    Column("corrected_accuracy", "changed", "share", 7),
    Column("detection_ap", "AP", "number", 5),
    Column("test_accuracy", "test", "share", 6),
)
LONG = 3600.0
"""Seconds of a run that is worth a second thought."""

LEGENDS = {
    "easy": (
        "easy: given labels that are believed; anchors: valid ones; kept, changed: hard labels that anchors\n"
        "confirm, change; unsure: no anchor near; noise: rough share of wrong labels"
    ),
    "easy_purity": (
        "after the bar, from true labels, which choose nothing: share of the easy, kept, changed labels\n"
        "that are true; AP: average precision of label_quality for finding wrong labels; test: accuracy"
    ),
}


def format_line(
    columns: tuple[Column, ...], truth_columns: tuple[Column, ...], row: dict[str, Any] | None
) -> str:
    """One epoch as a line of text, or the header where ``row`` is None."""

    def cells(some: tuple[Column, ...]) -> str:
        return " ".join(c.title.rjust(c.width) if row is None else c.format(row) for c in some)

    return cells(columns) + (f" | {cells(truth_columns)}" if truth_columns else "")


def time_line(seconds: float) -> str:
    """What a run will take, by a trial before it; what is quicker, where that is long.

    Args:
        seconds: of training, estimated.
    """
    if seconds < 90:
        return f"training takes about {max(seconds, 1):.0f} s on this machine, judging labels not counted"
    if seconds < LONG:
        return f"training takes about {seconds / 60:.0f} minutes on this machine, judging labels not counted"
    return (
        f"training takes about {seconds / 3600:.1f} hours on this machine; --minutes 30 ends after 30, "
        "a smaller --image-size or frozen features (--recipe photos) are quicker"
    )


def seen(info: dict[str, Any]) -> str:
    """What the network sees: images of some size, or the features of a frozen one."""
    if info["network"] == FEATURES:
        return f"{info['image_size']:,} features an image"
    return f"images of {info['image_size']} px"


class ProgressView:
    """Shows a run as it goes; a listener of the training loop, and a context manager.

    Columns appear with the first epoch that has something to put into them.

    Args:
        folder: the run folder, named when the run is interrupted.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.console = make_console()
        self.progress = Progress(
            TextColumn("training"),
            BarColumn(bar_width=40),
            TaskProgressColumn(),
            TextColumn("elapsed"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.task = self.progress.add_task("training", total=1.0, start=False)
        self.lines = PlainProgress("training")
        self.keys: set[str] = set()

    def __enter__(self) -> ProgressView:
        """Start the view; the bar appears with the first step."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the bar; say how to go on if the run was interrupted."""
        self.progress.stop()
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            self.console.print()
            if run_folder.is_unfinished(self.folder):
                self.console.print(plain(f"stopped; go on with:  labelmend resume {argument(self.folder)}"))

    def on_start(self, info: dict[str, Any]) -> None:
        """Print what is trained on what, and start the bar; again where a run has a second part."""
        self.console.print(
            plain(
                f"{info['network']} with {info['parameters']:,} parameters, "
                f"{seen(info)}, {info['precision']} on {info['device']}"
            )
        )
        self.console.print(plain(info["mirroring"]))
        self.console.print(plain(time_line(info["estimated_seconds"])))
        self.console.print(plain(f"run folder: {self.folder}"))
        self.console.print()
        self.keys.clear()
        self.lines = PlainProgress("training")
        self.progress.start()
        self.progress.reset(self.task)

    def on_step(self, share: float) -> None:
        """Move the bar, or now and then print a line; say what comes after the last step."""
        if self.console.is_terminal:
            self.progress.update(self.task, completed=share)
        else:
            self.lines.update(share, 1.0)
        if share >= 1:
            self.console.print(plain("trained; every label is judged now"))

    def on_epoch(self, row: dict[str, Any]) -> None:
        """Print the line of an epoch, below a new header where it has new columns."""
        new = {column.key for column in (*COLUMNS, *TRUTH_COLUMNS) if column.key in row} - self.keys
        self.keys |= new
        columns = tuple(c for c in COLUMNS if c.key in self.keys)
        truth_columns = tuple(c for c in TRUTH_COLUMNS if c.key in self.keys)
        if new:
            for key in [key for key in LEGENDS if key in new]:
                self.console.print(Text(LEGENDS[key], style="dim"))
            self.console.print(Text(format_line(columns, truth_columns, None), style="bold"))
        self.console.print(format_line(columns, truth_columns, row))
