"""Settings as plain values and as YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import yaml

from labelmend.config import Settings

HEADER = "# Settings of a labelmend run. The same again: labelmend fit DATA --recipe <this file>\n"


def to_dict(settings: Settings) -> dict[str, Any]:
    """Settings as a nested dictionary of plain values, the method's name included."""
    values = asdict(settings)
    values["method"] = {"name": settings.method.name, **values["method"]}
    return {section: _plain(value) for section, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value


def to_yaml(settings: Settings) -> str:
    """Settings as YAML that ``--recipe`` reads."""
    return HEADER + yaml.safe_dump(to_dict(settings), sort_keys=False)
