"""The page on methods has a row for each, with its file, its settings and its recipes."""

import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest

from labelmend.methods import METHODS
from labelmend.settings.loading import method_of, read_recipe, recipe_names

PAGE = (Path(__file__).parent.parent / "docs" / "METHODS.md").read_text(encoding="utf-8")
COLUMNS = ("method", "idea", "from", "file", "settings", "recipe", "left out")
ROWS = {
    cells[0].strip("`"): dict(zip(COLUMNS, cells, strict=True))
    for cells in ([cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines())
    if cells and re.fullmatch(r"`\w+`", cells[0])
}


def names(cell):
    return re.findall(r"`([\w-]+)`", cell)


def test_every_method_has_its_row():
    assert sorted(ROWS) == sorted(METHODS)
    assert all(row["idea"] for row in ROWS.values())


@pytest.mark.parametrize("name", METHODS)
def test_file_settings_and_recipes_are_those_of_the_code(name):
    row, method = ROWS[name], METHODS[name]
    assert row["file"] == f"`{Path(inspect.getfile(method)).name}`"
    assert names(row["settings"]) == [entry.name for entry in fields(method.Settings)]
    recipes = {recipe for recipe in recipe_names() if method_of(read_recipe(recipe)) == name}
    assert set(names(row["recipe"])) == recipes


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if re.search(r"\d{4}$", row["from"])])
def test_the_source_is_that_of_the_file(name):
    """The first author and the year of the page are in the docstring of the module."""
    docstring = inspect.getmodule(METHODS[name]).__doc__
    assert ROWS[name]["from"].split()[0] in docstring
    assert ROWS[name]["from"][-4:] in docstring
