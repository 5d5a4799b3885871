"""The page of a report: one file of HTML that asks nothing of the network."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib.resources import files
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from labelmend import __version__
from labelmend.report import charts
from labelmend.report.content import MAPPED
from labelmend.report.findings import Findings
from labelmend.report.words import MEANINGS, TITLES, clean_line, headline, percent
from labelmend.runs import folder as run_folder
from labelmend.runs.checksums import SUMS
from labelmend.runs.records import DataRecord, read_record
from labelmend.text import count, duration
from labelmend.training.metrics import by_heart, cut_short
from labelmend.verdicts.judge import EASY, HARD_CLEAN, HARD_CORRECTED, UNCERTAIN

SCRIPTS = ("data.js", "gallery.js", "detail.js", "plots.js", "map.js", "theme.js")
CLASS_COLUMNS = {
    "images": "images",
    "leaving": "suggested away",
    "coming": "suggested here",
    HARD_CLEAN: "hard but clean",
    UNCERTAIN: "uncertain",
    "quality": "mean label quality",
}


def render(findings: Findings, content: dict[str, Any]) -> str:
    """The page.

    Names, labels and paths are escaped wherever they stand; and no script runs but those of the page, whose
    hashes its content security policy names.

    Args:
        findings: of the run.
        content: what ``report.content.content`` made of them.
    """
    folder = files("labelmend.report") / "assets"
    texts = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir() if path.is_file()}
    scripts = {"script": "\n".join(texts[name] for name in SCRIPTS), "plotly": get_plotlyjs()}
    environment = Environment(
        loader=DictLoader(texts), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("report.html").render(
        **_head(findings),
        **_tables(findings),
        **_files(findings),
        policy=_policy(list(scripts.values())),
        style=Markup(texts["report.css"]),
        data=_json_block({**content, "tallies": list(findings.counts.values())}),
        map_note=_map_note(findings, content["map"]),
        version=__version__,
        **{name: Markup(text) for name, text in scripts.items()},
    )


def _policy(scripts: list[str]) -> str:
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _json_block(value: Any) -> Markup:
    r"""JSON inside a script element: what could end the element is written as ``\u003c``."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _head(findings: Findings) -> dict[str, Any]:
    summary, counts = findings.run.summary, findings.counts
    moved = findings.given != findings.suggested
    images = max(len(findings.table), 1)
    tiles = [
        {
            "name": name,
            "title": TITLES[name],
            "number": f"{counts[name]:,}",
            "count": counts[name],
            "share": percent(counts[name] / images),
            "meaning": MEANINGS[name],
        }
        for name in (HARD_CORRECTED, HARD_CLEAN, UNCERTAIN, EASY)
    ]
    right = ""
    if "true_label" in findings.table and moved.any():
        share = float((findings.suggested == findings.labels("true_label"))[moved].mean())
        right = (
            f"The true labels are known here, and were used for nothing but this: {percent(share)} of the "
            "suggestions are right."
        )
    record = read_record(_folder(findings) / run_folder.DATA, DataRecord)
    return {
        "title": record["source"] or "images in memory",
        "headline": headline(summary, counts, int(moved.sum())),
        "clean": clean_line(summary),
        "right": right,
        "notice": _notice(findings),
        "tiles": tiles,
        "facts": _facts(findings),
    }


def _notice(findings: Findings) -> str:
    if findings.pictures is None:
        return (
            f"This report has no pictures: {findings.notice}. If the images are elsewhere now, labelmend "
            "report RUN --data WHERE shows them."
        )
    return f"{findings.notice}." if findings.notice else ""


def _folder(findings: Findings) -> Any:
    folder = findings.run.folder
    assert folder is not None
    return folder


def _facts(findings: Findings) -> list[tuple[str, str]]:
    summary, settings = findings.run.summary, findings.run.settings
    facts = [
        ("method", settings.method.name),
        ("classes", f"{len(findings.run.classes):,}"),
        ("epochs", f"{summary['epochs']:g}"),
        ("time", duration(summary["seconds"])),
    ]
    if missed := cut_short(summary):
        facts.append(("cut short", missed))
    if many := by_heart(summary):
        facts.append(("many epochs", many))
    if settings.data.noise:
        facts.append(("noise added", settings.data.noise))
    if "test_accuracy_last" in summary:
        kinds = (("last epoch", "last"), ("mean of last 10", "mean_of_last_10"), ("best", "best"))
        told = ", ".join(f"{name} {percent(summary[f'test_accuracy_{kind}'])}" for name, kind in kinds)
        facts.append(("test accuracy", told))
        if "frozen" in summary:
            before = percent(summary["frozen"]["test_accuracy_last"])
            facts.append(("test accuracy of the frozen network, before it was trained", before))
    return facts


def _tables(findings: Findings) -> dict[str, Any]:
    rows = []
    for row in charts.class_rows(findings):
        cells = []
        for column in CLASS_COLUMNS:
            value = row[column]
            text = "-" if value is None else f"{value:.2f}" if column == "quality" else f"{value:,}"
            cells.append({"value": "" if value is None else value, "text": text})
        rows.append({"name": row["name"], "cells": cells})
    return {"class_columns": ["class", *CLASS_COLUMNS.values()], "class_rows": rows}


def _files(findings: Findings) -> dict[str, str]:
    folder = _folder(findings)
    record = read_record(folder / run_folder.DATA, DataRecord)
    prints = {"training": record["train"], "test": record["test"] or {}}
    lines = [f"{part}, {name}: {digest}" for part, found in prints.items() for name, digest in found.items()]
    sums = folder / SUMS
    return {
        "settings": (folder / run_folder.SETTINGS).read_text(encoding="utf-8"),
        "fingerprints": "\n".join(lines),
        "sums": sums.read_text(encoding="utf-8", errors="replace") if sums.is_file() else "",
        "summary": (folder / run_folder.SUMMARY).read_text(encoding="utf-8"),
    }


def _map_note(findings: Findings, found: dict[str, Any] | None) -> str:
    if found is None:
        return "Features of the images in two dimensions."
    total, shown = len(findings.table), len(found["rows"])
    which = count(shown, "image")
    if total > MAPPED:
        which += f" of {total:,}, drawn at random"
    note = f"{which}, by the features of the trained network in two dimensions (t-SNE)."
    if found["anchors"]:
        note += (
            f" The {len(found['anchors']):,} darker diamonds are anchors hallucinated between easy images, "
            "in closed form, in the colour of the class that they speak for."
        )
    return (
        f"{note} Near images look alike to the network; point at one to see it; drag to zoom, double-click "
        "to go back. By keyboard, arrows move among the images that are in view, Enter opens one."
    )
