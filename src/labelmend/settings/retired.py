"""What settings that an older version wrote mean today.

Run folders and results keep the names of their time; the two tables here are all that is known of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labelmend.errors import LabelmendWarning, SettingsError


@dataclass(frozen=True)
class Renamed:
    """A method that has another name today.

    Attributes:
        old: the name it had.
        new: the name it has.
        where: values of settings that tell the runs it is about; empty for all runs of ``old``.
        absent: values that settings had which were not written yet, where they are not today's defaults.
    """

    old: str
    new: str
    where: Mapping[str, Any] = field(default_factory=dict)
    absent: Mapping[str, Any] = field(default_factory=dict)

    def fits(self, method: Mapping[str, Any]) -> bool:
        """Whether a method section is of such a run."""
        return method.get("name") == self.old and all(
            name in method and method[name] == value for name, value in self.where.items()
        )


RENAMED_METHODS: tuple[Renamed, ...] = (
    # One method used to be both algorithms; guesses cached between scoring passes are those of mend.
    Renamed(
        "anchor_hallucination",
        "mend",
        where={"guesses": "cached"},
        absent={"neighbours": 0, "posterior": "none"},
    ),
)
"""The first that fits counts."""

RETIRED: dict[str, dict[str, Any]] = {
    "mend": {
        "rank_by": "easiness",
        "gmm_threshold": 0.5,
        "hallucinator_first_epochs": 5,
        "hallucinator_epochs": 1,
        "hallucinator_lr": 1e-3,
        "lambda_conf": 0.5,
        "lambda_conf_mode": "quantile",
        "centre_features": True,
        "surrounding": "loose",
        "corrected_weight": "share",
        "views": 1,
        "guesses": "cached",
        "guess_momentum": 0.5,
        "teacher": "network",
        "lambda_unlabelled": 1.0,
        "ramp": 0.05,
        "prior_penalty": 0.0,
        "unlabelled_loss": "ce",
        "unlabelled": "proportional",
    },
    "anchor_hallucination": {
        # Passes over the easy set; now steps.
        "hallucinator_first_epochs": 5,
        "hallucinator_epochs": 1,
        "hallucinator_lr": 1e-3,
        "warmup_mixup": 0.0,
        "refresh": 1,
        "rank_by": "easiness",
        "gmm_threshold": 0.5,
        "lambda_conf_mode": "quantile",
        "centre_features": False,
        "min_votes": 1,
        "min_agreement": 0.0,
        "corrected_weight": "share",
        "views": 2,
        "strong_views": False,
        "guesses": "fresh",
        "neighbours": 0,
        "guess_momentum": 0.0,
        "teacher": "network",
        "unlabelled_loss": "mse",
        "posterior": "none",
        "unlabelled": "equal",
    },
}
"""For each method of today, settings that it no longer has, and the value that each now always has."""


def modernise(values: Mapping[str, Any], source: str | Path = "the settings") -> dict[str, Any]:
    """Settings as today's version would have written them.

    Retired settings are dropped, with a warning if any had another value than it now always has.

    Args:
        values: nested dictionary, as an older version or this one wrote it; stays as it is.
        source: where it comes from, for the warning.
    """
    method = values.get("method")
    if not isinstance(method, Mapping):
        return dict(values)
    method = _renamed(method)
    constants = RETIRED.get(method.get("name", ""), {})
    differ = [
        f"{name} (it was {method[name]!r}, and is now always {constant!r})"
        for name, constant in constants.items()
        if name in method and method[name] != constant
    ]
    if differ:
        warnings.warn(
            f"{source}: method {method['name']!r} no longer has {', '.join(differ)}; "
            "the same settings would give another result now",
            LabelmendWarning,
            stacklevel=3,
        )
    return {**values, "method": {name: value for name, value in method.items() if name not in constants}}


def _renamed(method: Mapping[str, Any]) -> dict[str, Any]:
    for renamed in RENAMED_METHODS:
        if renamed.fits(method):
            return {**renamed.absent, **method, "name": renamed.new}
    return dict(method)


def refuse_retired(name: str, method: str) -> None:
    """Refuse a setting or flag that a method had in an older version.

    Raises:
        SettingsError: If it is retired.
    """
    plain = name.lstrip("-").replace("-", "_").removeprefix("method.")
    constants = RETIRED.get(method, {})
    if plain in constants:
        raise SettingsError(
            f"{name} of method {method!r} was retired: it is now always {constants[plain]!r}; leave it out"
        )
