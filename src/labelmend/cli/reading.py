"""Reading the data of a run: a progress bar, then a few lines that say what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from labelmend.cli.messages import make_console
from labelmend.cli.plain_progress import PlainProgress
from labelmend.config import DataSettings
from labelmend.data.decode import ProgressCallback
from labelmend.data.image_set import Skipped
from labelmend.runs.finetuning import estimated_seconds
from labelmend.runs.jobs import Job
from labelmend.text import argument, duration

_REASONS = 4

# What a source is read by, in the order in which it is written.
_READING = (
    "split",
    "label_column",
    "image_column",
    "image_root",
    "group_column",
    "root",
    "skip_missing",
    "partial",
)
_DEFAULTS = DataSettings()


class SpeedColumn(ProgressColumn):
    """Images a second."""

    def render(self, task: Task) -> Text:
        """The speed of the last half minute."""
        return Text("" if task.speed is None else f"{task.speed:,.0f}/s")


def reading_flags(wanted: DataSettings) -> str:
    """The flags by which another command reads the same images, each with a space before it."""
    written = ""
    for name in _READING:
        value = getattr(wanted, name)
        if value != getattr(_DEFAULTS, name):
            written += f" --{name.replace('_', '-')}" + ("" if value is True else f" {argument(value)}")
    return written


@contextmanager
def image_bar(what: str = "reading images") -> Iterator[ProgressCallback]:
    """A bar that moves with the images done, gone when all are; plain lines where there is no terminal."""
    console = make_console()
    lines = PlainProgress(what.removesuffix(" images"), "images")
    with Progress(
        TextColumn(what),
        BarColumn(bar_width=40),
        MofNCompleteColumn(),
        SpeedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task(what, total=None)

        def update(done: int, total: int) -> None:
            if not console.is_terminal:
                lines.update(done, total)
            elif done == 0:
                progress.reset(task, total=total)
            else:
                progress.update(task, completed=done, total=total)

        yield update


def describe_job(job: Job) -> list[str]:
    """What was read, in a few lines."""
    train_set = job.train_set
    lines = [f"{train_set.name}: {len(train_set):,} images of {train_set.num_classes} classes"]
    if job.test_set is not None:
        lines[0] += f", and {len(job.test_set):,} test images"
    if job.noise is not None:
        lines.append(f"noise {job.noise.name}: {job.noise_rate:.1%} of the labels were changed")
    lines += train_set.notes
    if train_set.skipped:
        lines.append(describe_skipped(train_set.skipped))
    if job.frozen is not None and job.photographs is not None:
        seconds = estimated_seconds(job.settings, job.frozen, len(train_set))
        lines.append(_describe_finetuning(job.settings.network.finetune, job.frozen.backbone.name, seconds))
    return lines


def _describe_finetuning(epochs: float, network: str, seconds: float) -> str:
    """What a run that trains its backbone too is about to do, how long it takes, and what is quicker."""
    fewer = f"--finetune {epochs / 2:g} takes half of that, " if epochs > 1 else ""
    return (
        f"after heads on its features {network} itself is trained, {epochs:g} epochs: about "
        f"{duration(seconds)} on this machine; {fewer}without --finetune it stays as it is"
    )


def describe_skipped(skipped: Sequence[Skipped]) -> str:
    """Files that were left out, by reason."""
    first = {entry.reason: entry.path for entry in reversed(skipped)}
    counts = Counter(entry.reason for entry in skipped)
    shown = [f"{count:,} {reason} (first {first[reason]})" for reason, count in counts.most_common(_REASONS)]
    more = [f"{len(counts) - _REASONS} more reasons"] if len(counts) > _REASONS else []
    return f"{len(skipped):,} {'file' if len(skipped) == 1 else 'files'} left out: {', '.join(shown + more)}"
