"""What the page of a report shows, as JSON-able values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from labelmend.errors import LabelmendError
from labelmend.report import charts, gallery
from labelmend.report.findings import Findings
from labelmend.report.gallery import Known
from labelmend.report.thumbnails import SIDES, fitting_side, thumbnails
from labelmend.runs.features import features_of
from labelmend.verdicts.flow import Flow
from labelmend.verdicts.judge import EASY, VERDICTS
from labelmend.verdicts.layout import FeatureMap, lay_out

MAPPED = 1200
"""Images on the map, drawn at random where there are more."""
MAP_SIDE = 48
"""Largest side in pixels of a picture that only the map shows."""
PICTURE_BYTES = 6_000_000
"""Of all pictures in base64."""
MAP_SHARE = 0.3
"""Of that for those that only the map shows."""
SEED = 0


def known_features(findings: Findings, rows: Sequence[int]) -> Known | None:
    """Features of the images of the map, and of ``rows``; None where they cannot be had."""
    if findings.pictures is None:
        return None
    wanted = sorted({*mapped_rows(findings), *rows})
    ids = findings.table["id"].iloc[wanted].tolist()
    try:
        found, features = features_of(findings.run, findings.pictures, ids)
    except LabelmendError:
        return None
    return Known(np.asarray([findings.row_of[image_id] for image_id in found], dtype=np.int64), features)


def mapped_rows(findings: Findings) -> list[int]:
    """Rows of the images of the map: all, or ``MAPPED`` drawn at random."""
    total = len(findings.table)
    if total <= MAPPED:
        return list(range(total))
    drawn = np.random.default_rng(SEED).choice(total, MAPPED, replace=False)
    return [int(row) for row in np.sort(drawn)]


def place_on_map(findings: Findings, known: Known | None) -> tuple[np.ndarray, FeatureMap] | None:
    """Rows of the images of the map, and where they are."""
    if known is None:
        return None
    mapped = np.isin(known.rows, mapped_rows(findings))
    rows = known.rows[mapped]
    easy = findings.verdict[rows] == VERDICTS.index(EASY)
    found = lay_out(known.features[mapped], findings.given[rows], easy, anchors=findings.has_votes)
    return None if found is None else (rows, found)


def content(findings: Findings) -> dict[str, Any]:
    """All that the page draws.

    Rows are numbers of images in the order of the data; every list of images holds numbers of them.
    """
    ranked = gallery.order(findings)
    rows = gallery.listed(findings, ranked)
    shown = gallery.pictured(findings, rows)
    known = known_features(findings, shown)
    proof = gallery.evidence(findings, shown, known)
    placed = place_on_map(findings, known)
    listed = np.sort(rows)
    # Whatever is shown in any way is in the list, so that a click on it has something to tell.
    beside = {row for near in proof.values() for row in near} | set(
        [] if placed is None else placed[0].tolist()
    )
    listed = np.union1d(listed, np.asarray(sorted(beside), dtype=np.int64))
    number = {int(row): at for at, row in enumerate(listed)}
    large = [*shown, *sorted({row for near in proof.values() for row in near} - set(shown))]
    small = sorted(beside - set(large))
    return {
        "classes": findings.run.classes,
        "verdicts": list(VERDICTS),
        "total": len(findings.table),
        "rows": _columns(findings, listed),
        "order": [number[int(row)] for row in rows],
        "pictures": _pictures(findings, large, small, number),
        "evidence": {number[row]: [number[other] for other in of_one] for row, of_one in proof.items()},
        "votes": findings.has_votes,
        "duplicates": [[number[row] for row in group if row in number] for group in findings.duplicates],
        "flow": _flow(charts.flow(findings)),
        "quality": charts.quality_histogram(findings).tolist(),
        "map": None if placed is None else _map(*placed, number),
        "curves": charts.curves(findings),
        "curve_names": charts.CURVES,
    }


def _columns(findings: Findings, rows: np.ndarray) -> dict[str, Any]:
    table = findings.table.iloc[rows]

    def per_mille(column: str) -> list[int]:
        values: list[int] = np.rint(1000 * table[column].to_numpy()).astype(int).tolist()
        return values

    columns = {
        "id": table["id"].tolist(),
        "given": findings.given[rows].tolist(),
        "suggested": findings.suggested[rows].tolist(),
        "predicted": findings.labels("predicted_label")[rows].tolist(),
        "verdict": "".join(map(str, findings.verdict[rows].tolist())),
        "issue": "".join("1" if issue else "0" for issue in table["is_label_issue"]),
        "quality": per_mille("label_quality"),
        "confidence": per_mille("suggestion_confidence"),
        "votes": table["votes"].tolist(),
        "share": per_mille("vote_share"),
    }
    if "true_label" in table:
        columns["true"] = findings.labels("true_label")[rows].tolist()
    return columns


def _pictures(
    findings: Findings, large: list[int], small: list[int], number: dict[int, int]
) -> dict[int, str]:
    """Pictures of rows, by their numbers."""
    pictures = findings.pictures
    if pictures is None:
        return {}
    found: dict[int, str] = {}
    for rows, room, most in (
        (large, (1 - MAP_SHARE) * PICTURE_BYTES, SIDES[0]),
        (small, MAP_SHARE * PICTURE_BYTES, MAP_SIDE),
    ):
        ids = findings.table["id"].iloc[rows].tolist()
        texts = thumbnails(pictures, ids, fitting_side(pictures, ids, int(room), most))
        found |= {number[row]: text for row, text in zip(rows, texts, strict=True) if text}
    return found


def _flow(found: Flow) -> dict[str, Any]:
    return {"classes": found.classes, "images": found.images.tolist(), "left_out": found.left_out}


def _map(rows: np.ndarray, found: FeatureMap, number: dict[int, int]) -> dict[str, Any]:
    return {
        "rows": [number[int(row)] for row in rows],
        "points": np.round(found.points, 2).tolist(),
        "anchors": np.round(found.anchors, 2).tolist(),
        "anchor_labels": found.anchor_labels.tolist(),
    }
