"""A benchmark suite: a YAML file that names the cells to run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from labelmend.config import Settings
from labelmend.errors import SettingsError
from labelmend.settings.loading import DEFAULT_RECIPE, resolve

KEYS = ("title", "data", "recipe", "settings", "noises", "seeds", "rows")


@dataclass(frozen=True)
class Cell:
    """One run of a suite.

    Attributes:
        suite: name of the suite.
        row: name of the row of the table, e.g. ``CE with mixup``.
        data: a source that ``labelmend.fit`` takes.
        noise: a noise spec, or None for the labels as they are.
        seed: of the run.
        settings: what it runs with.
    """

    suite: str
    row: str
    data: str
    noise: str | None
    seed: int
    settings: Settings

    @property
    def name(self) -> str:
        """File name of the cell's result, without its ending."""
        parts = [self.row, self.noise or "as-given", f"seed{self.seed}"]
        return "__".join(re.sub(r"[^A-Za-z0-9.=+-]+", "-", part).strip("-") for part in parts)


@dataclass(frozen=True)
class Suite:
    """Cells that make one table.

    Attributes:
        name: stem of the file.
        title: heading of the table.
        cells: in the order of rows, noises and seeds.
    """

    name: str
    title: str
    cells: list[Cell]


def read_suite(path: Path) -> Suite:
    """Read a suite; ``benchmarks/suites`` has examples.

    The file has ``data``; optionally ``title``, ``recipe``, ``settings`` (any settings by flat name, for
    every cell), ``noises`` and ``seeds`` (lists); and ``rows``: a name for each row of the table, with its
    ``method`` and settings. Each row runs on each noise with each seed.

    Raises:
        SettingsError: If the file is missing, is no such mapping, or a setting cannot be used.
    """
    if not path.is_file():
        raise SettingsError(f"{path} does not exist; name a YAML file of benchmark cells")
    try:
        content = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or not isinstance(content.get("rows"), dict) or "data" not in content:
        raise SettingsError(f"{path} needs 'data' and 'rows'; see benchmarks/suites for examples")
    unknown = sorted(set(content) - set(KEYS))
    if unknown:
        raise SettingsError(f"{path} has an unknown key {unknown[0]!r}; known are {', '.join(KEYS)}")
    recipe = content.get("recipe", DEFAULT_RECIPE)
    shared = content.get("settings") or {}
    grid = product(content["rows"].items(), content.get("noises") or [None], content.get("seeds") or [0])
    cells = [
        _cell(path.stem, row, own or {}, content["data"], noise, seed, recipe, shared)
        for (row, own), noise, seed in grid
    ]
    names = [cell.name for cell in cells]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SettingsError(
            f"{path}: two cells are both called {twice}; give the rows clearly different names"
        )
    return Suite(path.stem, content.get("title", path.stem), cells)


def _cell(
    suite: str,
    row: str,
    own: Mapping[str, Any],
    data: str,
    noise: str | None,
    seed: int,
    recipe: str,
    shared: Mapping[str, Any],
) -> Cell:
    merged = {**shared, **own, "seed": seed} | ({"noise": noise} if noise else {})
    settings = resolve(merged.pop("recipe", recipe), merged.pop("method", None), merged)
    return Cell(suite, row, data, noise, seed, settings)
