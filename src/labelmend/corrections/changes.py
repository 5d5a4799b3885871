"""Which labels change: sure suggestions of a run, and what a person decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from labelmend.verdicts.decisions import SKIP, Decision

SUGGESTION, DECISION = "suggestion", "decision"
"""Why a label changes: the run suggests it, or a person decided it."""


@dataclass(frozen=True)
class Change:
    """One label that is written in the place of another.

    Attributes:
        id: of the image.
        before: the label that the run was given.
        after: the label that it gets.
        why: ``SUGGESTION`` or ``DECISION``.
        confidence: of the run in its suggested label, in [0, 1], where that is the label it gets.
    """

    id: str
    before: str
    after: str
    why: str
    confidence: float | None = None


@dataclass(frozen=True)
class Chosen:
    """The label that each image is to have.

    Attributes:
        changes: by id, where it is not the one that the run was given.
        below: suggestions that are not sure enough, and that nobody decided.
        decided: images that a person decided about, those that keep their label included.
    """

    changes: dict[str, Change]
    below: int
    decided: int


def choose(verdicts: pd.DataFrame, min_confidence: float, decisions: Mapping[str, Decision]) -> Chosen:
    """Decisions where there are any, suggestions elsewhere.

    Args:
        verdicts: one row an image, with the columns of ``labelmend.verdicts.frame.COLUMNS``.
        min_confidence: of a suggestion that is taken, in [0, 1].
        decisions: by id; may be empty.
    """
    changes: dict[str, Change] = {}
    below = decided = 0
    columns = ("id", "given_label", "suggested_label", "suggestion_confidence")
    for identity, given, suggested, confidence in zip(*(verdicts[name] for name in columns), strict=True):
        decision = decisions.get(identity)
        if decision is not None and decision.action != SKIP:
            decided += 1
            label = decision.label or given
            if label != given:
                sure = float(confidence) if label == suggested else None
                changes[identity] = Change(identity, given, label, DECISION, sure)
        elif suggested == given:
            continue
        elif confidence >= min_confidence:
            changes[identity] = Change(identity, given, suggested, SUGGESTION, float(confidence))
        else:
            below += 1
    return Chosen(changes, below, decided)
