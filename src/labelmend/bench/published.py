"""What others published for the rows of a suite: the paper, and an independent re-run of its baselines."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

from labelmend.bench.results import ResultRecord

SOURCES = {
    "paper": (
        "The paper: all training images, best epoch, mean of three runs. ResNet-34; baselines of Table 2 "
        "presumably Wide-ResNet-28-10 and last epoch; some baselines are two networks."
    ),
    "re-run": (
        "The re-run: all training images, last epoch, mean of three runs with the published settings of each "
        "method (DivideMix: lambda_u 0, its better setting there), networks for images of 32 px "
        "(ReScience C 11(1), 2026, github.com/KlemenVovk/noisy-labels)."
    ),
}
"""Name of each source, and the scale of its figures; those of ours are averaged with mirror images, too."""


@dataclass(frozen=True)
class Published:
    """A published test accuracy.

    Attributes:
        accuracy: in percent.
        spread: standard deviation in percent; None where it is not known.
        scale: which table it is from, or how many epochs it took.
    """

    accuracy: float
    spread: float | None
    scale: str

    def __str__(self) -> str:
        """The accuracy with its spread and scale, for a table."""
        spread = "" if self.spread is None else f" ± {self.spread:.2f}"
        return f"{self.accuracy:.2f}{spread} ({self.scale})"


def beside(source: str, record: ResultRecord) -> Published | None:
    """What a source published for the row, data and noise of a finished cell, or None."""
    return published(source, record.get("data", ""), record["noise"], record["row"])


@cache
def _all() -> dict[tuple[str, str, str, str], Published]:
    text = (resources.files("labelmend.bench") / "published.csv").read_text(encoding="utf-8")
    return {
        (line["source"], line["data"], line["noise"], line["row"]): Published(
            float(line["accuracy"]), float(line["spread"]) if line["spread"] else None, line["scale"]
        )
        for line in csv.DictReader(text.splitlines())
    }


def published(source: str, data: str, noise: str | None, row: str) -> Published | None:
    """What a source published for a row, or None.

    Args:
        source: one of ``SOURCES``.
        data: name of a benchmark data set, e.g. ``cifar10``.
        noise: a noise spec; its seed, and which network made soft labels, do not matter.
        row: name of the row in our suites, e.g. ``Co-teaching+``.
    """
    plain = re.sub(r":(seed=\d+|recipe=full)", "", noise or "")
    return _all().get((source, data, plain, row))
