"""How good a selection is, where true labels are known; for reporting only, never for choosing."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import average_precision_score

from labelmend.methods.base import Selection


def _share(hits: np.ndarray) -> float:
    return float(hits.mean()) if len(hits) else float("nan")


def selection_quality(
    selection: Selection, given_labels: np.ndarray, true_labels: np.ndarray
) -> dict[str, float]:
    """Compare a selection with the true labels.

    Args:
        selection: of N samples.
        given_labels: int64 (N,).
        true_labels: int64 (N,).

    Returns:
        ``easy_purity`` (share of easy samples whose given label is true), ``kept_accuracy`` and
        ``corrected_accuracy`` (share of hard samples, whose vote confirms / changes the given label,
        that end with the true label) and ``detection_ap`` (average precision of low ``label_quality``
        for finding wrong labels). Each is in [0, 1], high = good, and left out where undefined.
    """
    easy, corrected = selection.easy.numpy(), selection.corrected.numpy()
    wrong = given_labels != true_labels
    voted = corrected >= 0
    kept, changed = voted & (corrected == given_labels), voted & (corrected != given_labels)
    found = {
        "easy_purity": _share(~wrong[easy]),
        "kept_accuracy": _share(~wrong[kept]),
        "corrected_accuracy": _share((corrected == true_labels)[changed]),
        "detection_ap": float("nan"),
    }
    if wrong.any():
        found["detection_ap"] = float(average_precision_score(wrong, 1 - selection.label_quality.numpy()))
    return {name: value for name, value in found.items() if not np.isnan(value)}
