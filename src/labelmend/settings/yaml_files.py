"""YAML files that people write: one mapping, of a size that a person would write, each key once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from labelmend.errors import SettingsError

LARGEST = 2**20
"""Bytes."""
DEEPEST = 20
"""Levels of mappings and lists."""
MOST = 20_000
"""Values, with what an alias stands for counted each time."""


class _Loader(yaml.SafeLoader):
    """The safe loader, which makes no Python objects; a key that is there twice is an error."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [(key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for position, key in enumerate(keys):
            if key in keys[:position]:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key[1]!r} is there twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


def read_mapping(path: Path, what: str) -> dict[str, Any]:
    """The mapping of a YAML (or JSON) file.

    Args:
        path: the file.
        what: what it is, for the error, e.g. ``recipe``.

    Raises:
        SettingsError: If it is missing, no UTF-8, no YAML, no mapping of names, or larger or deeper than
            anything that a person writes.
    """
    if not path.is_file():
        raise SettingsError(f"{what} {path}: there is no such file")
    if path.stat().st_size > LARGEST:
        raise SettingsError(f"{what} {path} has more than {LARGEST:,} bytes; it is no file of settings")
    return parse_mapping(path.read_bytes(), f"{what} {path}")


def parse_mapping(content: bytes, name: str) -> dict[str, Any]:
    """The mapping that YAML text holds; ``name`` is that of its source, for the error.

    Raises:
        SettingsError: As of ``read_mapping``.
    """
    try:
        text = content.decode("utf-8-sig")
        _check_depth(text)
        values = yaml.load(text, _Loader)
    except UnicodeDecodeError as error:
        raise SettingsError(f"{name} is not UTF-8 text ({error.reason} at byte {error.start})") from None
    except (yaml.YAMLError, ValueError, OverflowError, TypeError, AttributeError, RecursionError) as error:
        # Constructors of numbers and dates raise what Python raises of what they are given.
        raise SettingsError(f"{name} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise SettingsError(f"{name} must be a mapping of names to values ('name: value', a line each)")
    _check_size(values, name)
    return values


def _check_depth(text: str) -> None:
    """Raise where levels are too many: what builds the values calls itself for each."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise yaml.YAMLError(f"it has more than {DEEPEST} levels of lists and mappings")


def _check_size(values: dict[Any, Any], name: str) -> None:
    left, waiting = MOST, [(values, 0)]
    while waiting:
        value, depth = waiting.pop()
        left -= 1
        if left < 0 or depth > DEEPEST:
            raise SettingsError(
                f"{name} has more than {MOST:,} values, aliases included; it is no file of settings"
            )
        if isinstance(value, dict):
            if not all(isinstance(key, str) for key in value):
                wrong = next(key for key in value if not isinstance(key, str))
                raise SettingsError(f"{name} has the key {wrong!r}, but names of settings are text")
            waiting += [(item, depth + 1) for item in value.values()]
        elif isinstance(value, str) and "\0" in value:
            raise SettingsError(f"{name} has a NUL character in {value[:40]!r}, which no setting can")
        elif isinstance(value, list | tuple | set):
            waiting += [(item, depth + 1) for item in value]
