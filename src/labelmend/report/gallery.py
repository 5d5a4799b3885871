"""Which images a report shows, in which order, and what stands beside them as evidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelmend.report.findings import Findings
from labelmend.runs.features import nearest
from labelmend.verdicts.judge import EASY, HARD_CLEAN, HARD_CORRECTED, UNCERTAIN, VERDICTS

PICTURED = {HARD_CORRECTED: 240, HARD_CLEAN: 120, UNCERTAIN: 160, EASY: 40}
"""Images of each verdict that are shown with their picture, the first in order."""
DUPLICATES = 60
COPIES = 6
"""Of one picture under more than one label."""

EVIDENCE = 3
"""Images shown beside each as evidence."""

LISTED_BYTES = 3_500_000
"""Of the list of images; those least in need of a look are left out where there are more."""
ROW_BYTES = 40
"""Of an image in that list, its id aside."""


def order(findings: Findings) -> np.ndarray:
    """All rows, those first that are most worth a look: surest suggestions, then lowest label quality."""
    table = findings.table
    group = np.asarray([(HARD_CORRECTED, UNCERTAIN, HARD_CLEAN, EASY).index(name) for name in VERDICTS])
    confidence = np.where(findings.given != findings.suggested, table["suggestion_confidence"], 0.0)
    keys = (table["label_quality"].to_numpy(), -confidence, group[findings.verdict])
    return np.lexsort(keys)


def listed(findings: Findings, ranked: np.ndarray) -> np.ndarray:
    """The rows that fit into the list of a report, ranked."""
    sizes = [ROW_BYTES + len(image_id.encode()) for image_id in findings.table["id"].iloc[ranked]]
    fitting = int((np.cumsum(sizes) <= LISTED_BYTES).sum())
    return ranked[: max(fitting, 1)]


def pictured(findings: Findings, ranked: np.ndarray) -> list[int]:
    """Rows of ``ranked`` that are shown with their picture, duplicates first."""
    rows = [row for group in findings.duplicates[:DUPLICATES] for row in group[:COPIES]]
    for name, most in PICTURED.items():
        rows += ranked[findings.verdict[ranked] == VERDICTS.index(name)][:most].tolist()
    allowed = set(ranked.tolist())
    return [row for row in dict.fromkeys(rows) if row in allowed]


@dataclass(frozen=True)
class Known:
    """Features of some images of a run.

    Attributes:
        rows: int64 (M,), which images.
        features: float32 (M, d).
    """

    rows: np.ndarray
    features: np.ndarray


def evidence(findings: Findings, rows: list[int], known: Known | None) -> dict[int, list[int]]:
    """Rows of easy images that speak for what is said of others, the best first.

    Args:
        findings: of the run.
        rows: of the images in question.
        known: features, for images on which no anchor voted: the evidence is then their nearest easy images
            among the known ones.

    Returns:
        Up to ``EVIDENCE`` rows for each; images without evidence are left out.
    """
    found: dict[int, list[int]] = {}
    sources = findings.table["nearest_easy_ids"]
    for row in rows:
        near = [findings.row_of[source] for source in sources.iloc[row] if source in findings.row_of]
        if near:
            found[row] = list(dict.fromkeys(near))[:EVIDENCE]
    if known is not None:
        found |= _neighbours(findings, [row for row in rows if row not in found], known)
    return found


def _neighbours(findings: Findings, rows: list[int], known: Known) -> dict[int, list[int]]:
    """The nearest easy images of each that is known, itself excepted."""
    place = {row: at for at, row in enumerate(known.rows.tolist())}
    asked = [row for row in rows if row in place]
    easy = known.rows[findings.verdict[known.rows] == VERDICTS.index(EASY)]
    if not asked or not len(easy):
        return {}
    features, among = (known.features[[place[row] for row in those]] for those in (asked, easy.tolist()))
    found = easy[nearest(features, among, EVIDENCE + 1)].tolist()
    return {
        row: [near for near in line if near != row][:EVIDENCE] for row, line in zip(asked, found, strict=True)
    }
