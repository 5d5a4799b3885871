"""A benchmark suite: a YAML file that names the cells to run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from labelmend.config import Settings
from labelmend.errors import SettingsError
from labelmend.schema import check_schema
from labelmend.settings.loading import DEFAULT_RECIPE, resolve
from labelmend.settings.yaml_files import read_mapping


class SuiteFile(BaseModel):
    """What the file of a suite holds; ``read_suite`` says what each key is."""

    model_config = ConfigDict(strict=True, extra="forbid")

    data: str
    rows: dict[str, dict[str, Any] | None] = Field(min_length=1)
    title: str | None = None
    recipe: str = DEFAULT_RECIPE
    settings: dict[str, Any] | None = None
    noises: list[str | None] | None = None
    seeds: list[int] | None = None


LONGEST_NAME = 200
"""Characters of a cell's file name; file systems take 255 bytes."""


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
    found = check_schema(SuiteFile, read_mapping(path, "suite"), f"suite {path}", SettingsError)
    grid = product(found.rows.items(), found.noises or [None], found.seeds or [0])
    cells = [
        _cell(path.stem, row, own or {}, found.data, noise, seed, found.recipe, found.settings or {})
        for (row, own), noise, seed in grid
    ]
    names = [cell.name for cell in cells]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SettingsError(
            f"{path}: two cells are both called {twice}; give the rows clearly different names"
        )
    longest = max(names, key=len)
    if len(longest) > LONGEST_NAME:
        raise SettingsError(
            f"{path}: the cell {longest} has too long a name for a file; shorten that of its row"
        )
    return Suite(path.stem, found.title or path.stem, cells)


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
    method = merged.pop("method", None)
    settings = resolve(str(merged.pop("recipe", recipe)), None if method is None else str(method), merged)
    return Cell(suite, row, data, noise, seed, settings)
