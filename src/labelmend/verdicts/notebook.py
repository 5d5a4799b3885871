"""Verdicts as a cell of a notebook shows them."""

from __future__ import annotations

import base64
from typing import Any

import pandas as pd
from jinja2 import Environment

from labelmend.errors import LabelmendError
from labelmend.verdicts.looks import Looks

SHOWN = 8
SIDE = 64
PAGE = """\
<div>
<p>{{ images }} images, {{ suggestions }} with another suggested label: {{ counts }}</p>
{% if rows %}<table><thead><tr>
{% if pictured %}<th>image</th>{% endif %}<th>id</th><th>given</th><th>suggested</th><th>confidence</th>
</tr></thead><tbody>
{% for row in rows %}<tr>
{% if pictured %}<td>{% if row.picture %}\
<img alt="" width="{{ side }}" src="data:image/png;base64,{{ row.picture }}">\
{% endif %}</td>{% endif %}
<td>{{ row.id }}</td><td>{{ row.given_label }}</td><td>{{ row.suggested_label }}</td>
<td>{{ "%.3f" | format(row.suggestion_confidence) }}</td></tr>
{% endfor %}</tbody></table>{% endif %}
</div>"""


def as_html(summary: dict[str, Any], suggestions: pd.DataFrame, looks: Looks | None) -> str:
    """Counts, and the first suggestions with their pictures where these can be had; all text is escaped.

    Args:
        summary: of the verdicts.
        suggestions: rows of their table, the surest first.
        looks: where pictures come from.
    """
    columns = ["id", "given_label", "suggested_label", "suggestion_confidence"]
    rows = suggestions.head(SHOWN)[columns].to_dict("records")
    for row in rows:
        row["picture"] = _picture(looks, row["id"])
    return (
        Environment(autoescape=True)
        .from_string(PAGE)
        .render(
            images=f"{summary['images']:,}",
            suggestions=f"{summary['suggestions']:,}",
            counts=", ".join(f"{number:,} {name}" for name, number in summary["verdicts"].items()),
            rows=rows,
            pictured=any(row["picture"] for row in rows),
            side=SIDE,
        )
    )


def _picture(looks: Looks | None, image_id: str) -> str:
    if looks is None:
        return ""
    try:
        return base64.b64encode(looks.thumbnail(image_id, SIDE)).decode("ascii")
    except LabelmendError:
        return ""
