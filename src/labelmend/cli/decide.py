"""``labelmend decide``: choices made in Label Studio as decisions on a run."""

from __future__ import annotations

from pathlib import Path

from labelmend.cli.messages import plain_warnings, say
from labelmend.exports.label_studio import import_annotations
from labelmend.text import argument


def decide(run: str, file: str) -> None:
    """Take the choices that were made in Label Studio as decisions, as those of labelmend review.

    Args:
        run: run folder that 'labelmend export RUN --format labelstudio' was made of.
        file: what Label Studio exported, as JSON.
    """
    with plain_warnings():
        decided, others = import_annotations(Path(run), Path(file))
    say(f"{decided:,} decisions noted; {others:,} tasks have no annotation")
    say(f"Next: labelmend apply {argument(run)} --decisions")
