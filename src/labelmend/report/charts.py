"""The numbers behind the figures of a report."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from labelmend.report.findings import Findings
from labelmend.verdicts.flow import Flow, count_flow
from labelmend.verdicts.judge import HARD_CLEAN, HARD_CORRECTED, UNCERTAIN, VERDICTS

BINS = 20

LOSS = "loss"
CURVES = {
    LOSS: "training loss",
    "test_accuracy": "test accuracy",
    "validation_accuracy": "validation accuracy",
    "estimated_noise_rate": "estimated share of wrong labels",
    "easy_purity": "easy labels that are true",
    "corrected_accuracy": "changed labels that are true",
    "detection_ap": "average precision of label quality",
}
"""Metrics that are drawn, all but the loss shares in [0, 1]."""


def flow(findings: Findings) -> Flow:
    """How many images would move between classes if all suggestions were accepted."""
    return count_flow(findings.given, findings.suggested, len(findings.run.classes))


def quality_histogram(findings: Findings) -> np.ndarray:
    """Images by verdict and label quality, int64 (verdicts, ``BINS``), from 0 to 1 in equal steps."""
    quality = findings.table["label_quality"].to_numpy()
    return np.stack(
        [
            np.histogram(quality[findings.verdict == code], BINS, range=(0.0, 1.0))[0]
            for code in range(len(VERDICTS))
        ]
    )


def curves(findings: Findings) -> dict[str, list[float | None]]:
    """Each metric of ``CURVES`` that the run has, by name, and ``epoch``; None where it was not measured."""
    rows = findings.metrics
    found = {"epoch": [_number(row.get("epoch")) for row in rows]}
    for name in CURVES:
        values = [_number(row.get(name)) for row in rows]
        if any(value is not None for value in values):
            found[name] = values
    return found


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and math.isfinite(value)
    return round(float(value), 6) if is_number else None


def class_rows(findings: Findings) -> list[dict[str, Any]]:
    """One row a class: counts of images by given label, and what the run says of them."""
    size = len(findings.run.classes)
    moved = findings.given != findings.suggested

    def per_class(chosen: np.ndarray, labels: np.ndarray = findings.given) -> np.ndarray:
        return np.bincount(labels[chosen], minlength=size)

    images = per_class(np.ones(len(moved), dtype=bool))
    quality = np.bincount(findings.given, findings.table["label_quality"].to_numpy(), size)
    columns = {
        "images": images,
        "leaving": per_class(moved),
        "coming": per_class(moved, findings.suggested),
        **{
            name: per_class(findings.verdict == VERDICTS.index(name))
            for name in (HARD_CORRECTED, HARD_CLEAN, UNCERTAIN)
        },
    }
    return [
        {
            "name": name,
            **{column: int(values[row]) for column, values in columns.items()},
            "quality": float(quality[row] / images[row]) if images[row] else None,
        }
        for row, name in enumerate(findings.run.classes)
    ]
