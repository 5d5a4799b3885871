"""The page on the paper names functions and settings that exist, with their defaults."""

import importlib
import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from labelmend.methods.anchor_hallucination import AnchorHallucinationSettings
from labelmend.methods.mend import MendSettings

PAGE = (Path(__file__).parent.parent / "docs" / "PAPER.md").read_text(encoding="utf-8")


def section(title):
    return re.search(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)[1]


def dotted_names():
    """Names such as `semi.sharpen.sharpen`; file names such as `recipe.yaml` are none."""
    names = re.findall(r"`([a-z]\w*\.[a-z]\w*(?:\.\w+)+)`", PAGE)
    return sorted(set(names))


def test_there_are_names_to_check():
    assert len(dotted_names()) > 35


@pytest.mark.parametrize("name", dotted_names())
def test_every_function_named_exists(name):
    module, _, last = f"labelmend.{name}".rpartition(".")
    assert hasattr(importlib.import_module(module), last)


def test_every_row_of_the_equations_names_a_function_or_settings():
    rows = [line for line in section("Equations and steps").splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    assert [row for row in rows if not re.search(r"`[^`]+`[^|]*\|$", row)] == []


def test_the_papers_settings_stand_with_their_defaults():
    found = {}
    for names, values in re.findall(
        r"^\| (`.*?`) \| ([^|]*) \|", section("Settings of the paper's method"), re.M
    ):
        defaults = [yaml.safe_load(value) for value in values.replace("`", "").split(", ")]
        found |= dict(zip(re.findall(r"`(\w+)`", names), defaults, strict=True))
    assert found == {f.name: f.default for f in fields(AnchorHallucinationSettings)}


def test_what_mend_is_names_all_its_settings():
    named = set(re.findall(r"`(\w+)`", section("What `mend` is")))
    assert {f.name for f in fields(MendSettings)} <= named
    assert named <= {f.name for f in fields(MendSettings)} | {"mend", "fast"}
