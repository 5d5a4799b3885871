"""``labelmend export``: a run in the format of another tool."""

from __future__ import annotations

from labelmend.cli.messages import plain_warnings, say
from labelmend.exports.export import export as write


def export(
    run: str,
    format: str = "csv",
    out: str | None = None,
    min_confidence: float = 0.9,
    data: str | None = None,
) -> None:
    """Write what a run found, or its classifier, in the format of another tool.

    Args:
        run: run folder.
        format: one of csv, cleanlab, huggingface, labelstudio, fiftyone and onnx.
        out: folder to write to, new or empty; by default one in the run folder.
        min_confidence: suggestions from this confidence on become labels; decisions always do.
        data: where the images are now, if they have moved since the run; for formats that name them.
    """
    with plain_warnings():
        written = write(run, format, out, min_confidence=min_confidence, data=data)
    for path in written:
        say(path)
