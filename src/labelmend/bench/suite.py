"""A benchmark suite: a YAML file that names the cells to run."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from labelmend.config import Settings
from labelmend.errors import DataError, LabelmendWarning, SettingsError
from labelmend.noise.spec import NoiseSpec, parse
from labelmend.runs.suggest import recipe_for
from labelmend.schema import check_schema
from labelmend.settings.idle import idle_lines
from labelmend.settings.loading import DEFAULT_RECIPE, resolve
from labelmend.settings.yaml_files import read_mapping


class SuiteFile(BaseModel):
    """What the file of a suite holds; ``read_suite`` says what each key is."""

    model_config = ConfigDict(strict=True, extra="forbid")

    data: str
    rows: dict[str, dict[str, Any] | None] = Field(min_length=1)
    title: str | None = None
    recipe: str | None = None
    settings: dict[str, Any] | None = None
    noises: list[str | None] | None = Field(None, min_length=1)
    seeds: list[int] | None = Field(None, min_length=1)


OF_SUITE = {"noise": "noises", "seed": "seeds"}
"""Settings that a suite lists, by which its cells differ, and the name of the list."""

OF_ROW = {"method", "recipe"}
"""What a row has beside settings."""

LONGEST_NAME = 200
"""Bytes of the name of a cell's run folder, which has that of the suite; file systems take 255."""


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
        return "__".join(re.sub(r"(?:[^\w.=+-]|_)+", "-", part).strip("-") for part in parts)


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

    def folder_of(self, cell: Cell) -> str:
        """Name of the run folder of a cell, beside those of other suites."""
        return f"{self.name}__{cell.name}"


def read_suite(path: Path) -> Suite:
    """Read a suite; ``benchmarks/suites`` has examples.

    The file has ``data``; optionally ``title``, ``recipe`` (by default the one that suits the size of the
    images, as ``labelmend.fit`` takes it), ``settings`` (any settings by flat name, for every cell),
    ``noises`` and ``seeds`` (lists); and ``rows``: a name for each row of the table, with its ``method`` and
    settings. Each row runs on each noise with each seed.

    Raises:
        SettingsError: If the file is missing, is no such mapping, a setting or noise cannot be used, one is
            listed twice, or a noise comes from anywhere but the list.

    Warns:
        LabelmendWarning: For each setting of a row that does nothing in it, and each for all rows that does
            nothing in any.
    """
    found = check_schema(SuiteFile, read_mapping(path, "suite"), f"suite {path}", SettingsError)
    noises, seeds = found.noises or [None], found.seeds or [0]
    _check_lists(path, found, noises, seeds)
    cells = []
    recipes: dict[str, str] = {}
    for (row, own), noise, seed in product(found.rows.items(), noises, seeds):
        try:
            recipes[row] = recipes.get(row) or _recipe(own or {}, found)
            cells.append(_cell(path.stem, row, own or {}, found, recipes[row], noise, seed))
        except SettingsError as error:
            raise SettingsError(f"suite {path}, row {row!r}: {error}") from error
    names = [cell.name for cell in cells]
    # Not every file system tells capital letters from small ones.
    files = [name.casefold() for name in names]
    twice = next((name for name in names if files.count(name.casefold()) > 1), None)
    if twice is not None:
        raise SettingsError(
            f"{path}: two cells are both called {twice}; give the rows clearly different names"
        )
    _warn_of_idle(path, found, {cell.row: cell.settings for cell in cells})
    suite = Suite(path.stem, found.title or path.stem, cells)
    longest = max(cells, key=lambda cell: len(suite.folder_of(cell).encode()))
    if len(suite.folder_of(longest).encode()) > LONGEST_NAME:
        raise SettingsError(
            f"{path}: the cell {longest.name} has too long a name for a file, as that of the suite is before "
            "it; shorten that of its row, or of the suite"
        )
    return suite


def _check_lists(path: Path, found: SuiteFile, noises: list[str | None], seeds: list[int]) -> None:
    """Refuse what is listed twice or cannot be read, and what belongs into a list and is elsewhere."""
    lists: dict[str, list[Any]] = {"noises": noises, "seeds": seeds}
    for name, listed in lists.items():
        twice = [item for item in listed if listed.count(item) > 1]
        if twice:
            raise SettingsError(f"suite {path}: {name!r} has {twice[0]!r} twice; leave one out")
    read: list[NoiseSpec | None] = []
    for noise in noises:
        try:
            read.append(parse(noise) if noise else None)
        except SettingsError as error:
            raise SettingsError(f"suite {path}: {error}") from error
        same = read.index(read[-1])
        if same < len(read) - 1:
            raise SettingsError(
                f"suite {path}: 'noises' has {noises[same]!r} and {noise!r}, which are the same noise; leave "
                "one out"
            )
    places = {"settings": found.settings or {}} | {
        f"rows.{row}": own or {} for row, own in found.rows.items()
    }
    for (place, own), (setting, name) in product(places.items(), OF_SUITE.items()):
        if setting in own:
            raise SettingsError(
                f"suite {path}: {place!r} has {setting!r}, which is no setting of a row; "
                f"list it for all rows: '{name}: [{own[setting]}]'"
            )


def _warn_of_idle(path: Path, found: SuiteFile, rows: Mapping[str, Settings]) -> None:
    """Say which settings of a suite do nothing; those for all rows may do something in one alone."""
    idle: list[tuple[str, str]] = []
    in_all: set[str] | None = None
    for row, settings in rows.items():
        own, common = ((values or {}).keys() - OF_ROW for values in (found.rows[row], found.settings))
        idle += [(f", row {row!r}", line) for line in idle_lines(settings, sorted(own))]
        lines = set(idle_lines(settings, sorted(common - own)))
        in_all = lines if in_all is None else in_all & lines
    for place, line in [*(("", line) for line in sorted(in_all or ())), *idle]:
        warnings.warn(f"suite {path}{place}: {line}", LabelmendWarning, stacklevel=3)


def _recipe(own: Mapping[str, Any], found: SuiteFile) -> str:
    """The recipe of a row: its own, that of the suite, or the one that suits the size of the images."""
    named = {**(found.settings or {}), **own}
    recipe, method = named.pop("recipe", found.recipe), named.pop("method", None)
    if recipe is not None:
        return str(recipe)
    try:
        return recipe_for(found.data, None if method is None else str(method), named)
    except DataError:
        # That is told where its cells are run; finished ones have their tables without their data.
        return DEFAULT_RECIPE


def _cell(
    suite: str,
    row: str,
    own: Mapping[str, Any],
    found: SuiteFile,
    recipe: str,
    noise: str | None,
    seed: int,
) -> Cell:
    merged = {**(found.settings or {}), **own, "seed": seed} | ({"noise": noise} if noise else {})
    merged.pop("recipe", None)
    method = merged.pop("method", None)
    settings = resolve(recipe, None if method is None else str(method), merged)
    if settings.data.noise != (noise or None):
        raise SettingsError(
            f"'data.noise' is {settings.data.noise!r} by the recipe or a setting, where the suite lists "
            f"{noise!r}; remove it there, and list it: 'noises: [{settings.data.noise}]'"
        )
    return Cell(suite, row, found.data, noise, seed, settings)
