"""labelmend: train image classifiers on wrongly labelled data, and learn which labels are wrong."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labelmend.api import fit, load_run, resume
    from labelmend.errors import DataError, LabelmendError, RunError, SettingsError
    from labelmend.estimator import NoisyLabelClassifier
    from labelmend.report.write import write_figures, write_report
    from labelmend.runs.run import Run
    from labelmend.tracker import LabelTracker
    from labelmend.verdicts.verdicts import Verdicts

__version__ = "0.1.0"

__all__ = [
    "DataError",
    "LabelTracker",
    "LabelmendError",
    "NoisyLabelClassifier",
    "Run",
    "RunError",
    "SettingsError",
    "Verdicts",
    "fit",
    "load_run",
    "resume",
    "write_figures",
    "write_report",
]

_HOMES = {
    "DataError": "labelmend.errors",
    "LabelTracker": "labelmend.tracker",
    "LabelmendError": "labelmend.errors",
    "NoisyLabelClassifier": "labelmend.estimator",
    "Run": "labelmend.runs.run",
    "RunError": "labelmend.errors",
    "SettingsError": "labelmend.errors",
    "Verdicts": "labelmend.verdicts.verdicts",
    "fit": "labelmend.api",
    "load_run": "labelmend.api",
    "resume": "labelmend.api",
    "write_figures": "labelmend.report.write",
    "write_report": "labelmend.report.write",
}


def __getattr__(name: str) -> Any:
    # Importing torch takes seconds, which `labelmend --help` need not wait for.
    if name not in _HOMES:
        raise AttributeError(f"module 'labelmend' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
