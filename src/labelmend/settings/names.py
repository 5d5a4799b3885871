"""Every setting by name: its flag, type, default and help, and whether a value fits it."""

from __future__ import annotations

import argparse
import difflib
import types
import typing
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union

import docstring_parser
import numpy as np
from jsonargparse import ArgumentParser

from labelmend.config import (
    AugmentationSettings,
    BudgetSettings,
    DataSettings,
    MethodSettings,
    NetworkSettings,
    Settings,
    TrainingSettings,
)
from labelmend.errors import SettingsError
from labelmend.methods import METHODS
from labelmend.settings.retired import refuse_retired
from labelmend.text import printable

METAVARS = {
    "a whole number": "N",
    "a number": "X",
    "true or false": "{true,false}",
    "a list such as 64,128": "N,N,...",
    "a list such as 0.3,0.6": "X,X,...",
}
SECTIONS: dict[str, type] = {
    "data": DataSettings,
    "network": NetworkSettings,
    "augmentation": AugmentationSettings,
    "budget": BudgetSettings,
    "training": TrainingSettings,
}


@dataclass(frozen=True)
class Leaf:
    """One setting.

    Attributes:
        name: its flat name, e.g. ``epochs``.
        section: the section it is in, e.g. ``budget``; "" for the seed.
        type: its type.
        default: its value where no recipe sets it.
        help: what it does, in a sentence or two.
    """

    name: str
    section: str
    type: Any
    default: Any
    help: str

    @property
    def flag(self) -> str:
        """The command-line flag, e.g. ``--batch-size``."""
        return "--" + self.name.replace("_", "-")

    @property
    def dotted(self) -> str:
        """The full name, e.g. ``training.batch_size``."""
        return f"{self.section}.{self.name}" if self.section else self.name

    @property
    def expected(self) -> str:
        """What values the setting takes, in words."""
        return describe_type(self.type)


def describe_type(annotation: Any) -> str:
    """A type in a person's words, e.g. ``a whole number``."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join(describe_type(arg) for arg in args if arg is not type(None))
    if origin is Literal:
        return "one of " + ", ".join(str(arg) for arg in args)
    if origin in (list, tuple):
        return "a list such as " + ("0.3,0.6" if float in args else "64,128")
    return {int: "a whole number", float: "a number", bool: "true or false", str: "text"}.get(
        annotation, str(annotation)
    )


def _section_leaves(section: str, cls: type) -> list[Leaf]:
    hints = typing.get_type_hints(cls)
    docs = {entry.arg_name: entry.description for entry in docstring_parser.parse_from_object(cls).params}
    leaves = []
    for entry in fields(cls):
        default = entry.default_factory() if entry.default_factory is not MISSING else entry.default
        help_text = " ".join((docs.get(entry.name) or "").split())
        leaves.append(Leaf(entry.name, section, hints[entry.name], default, help_text))
    return leaves


def method_settings(method: str) -> type[MethodSettings]:
    """The settings class of a method.

    Raises:
        SettingsError: If there is no method of that name.
    """
    if method not in METHODS:
        raise SettingsError(
            f"--method is {method!r}, but must be one of {', '.join(METHODS)}{closest(method, METHODS)}"
        )
    return METHODS[method].Settings


@cache
def leaves(method: str) -> dict[str, Leaf]:
    """All settings of a run with this method, by flat name.

    Raises:
        SettingsError: If there is no method of that name.
    """
    found = [leaf for section, cls in SECTIONS.items() for leaf in _section_leaves(section, cls)]
    found += _section_leaves("method", method_settings(method))
    found.append(Leaf("seed", "", int, Settings.seed, "Seed of every random choice of the run."))
    return {leaf.name: leaf for leaf in found}


def closest(name: str, known: Iterable[str]) -> str:
    """A hint at the known name that is most like this one; "" where none is."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def takes_list(leaf: Leaf) -> bool:
    """Whether the value of a setting is a list."""
    return typing.get_origin(leaf.type) in (list, tuple)


def takes_truth(leaf: Leaf) -> bool:
    """Whether a setting is true or false."""
    return leaf.type is bool or bool in typing.get_args(leaf.type)


def find_leaf(name: str, method: str) -> Leaf:
    """The setting of this flat or dotted name; hyphens and underscores are the same.

    Raises:
        SettingsError: If there is none; the message has the closest match, or says that it was retired.
    """
    plain = name.replace("-", "_")
    section, _, leaf_name = plain.rpartition(".")
    known = leaves(method)
    leaf = known.get(leaf_name)
    if leaf is not None and section in ("", leaf.section):
        return leaf
    refuse_retired(plain, method)
    hint = f"; did you mean {leaf.dotted!r}?" if leaf else closest(leaf_name, known)
    raise SettingsError(
        f"there is no setting {name!r} for method {method!r}{hint} "
        f"(labelmend fit --method {method} --help lists them)"
    )


def add_leaf(parser: Any, leaf: Leaf, help_text: str) -> None:
    """Add a setting as a flag to a parser or argument group; it is absent from the result unless given."""
    metavar = METAVARS.get(leaf.expected, leaf.name.upper() if leaf.expected == "text" else None)
    parser.add_argument(leaf.flag, type=leaf.type, default=argparse.SUPPRESS, help=help_text, metavar=metavar)


@cache
def _value_parser(method: str) -> ArgumentParser:
    parser = ArgumentParser(exit_on_error=False)
    for leaf in leaves(method).values():
        add_leaf(parser, leaf, leaf.help)
    return parser


def shown(value: Any) -> str:
    """A value as an error shows it; of a long one its ends."""
    return printable(repr(value), 200)


def _plain(value: Any) -> Any:
    """A path as text, and numbers and arrays of NumPy as those of Python."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return str(value) if isinstance(value, Path) else value


def check_value(leaf: Leaf, value: Any, method: str) -> Any:
    """The value as the type of the setting.

    Raises:
        SettingsError: If it has another type; the message names the flag.
    """
    value = _plain(value)
    if value is None and type(None) not in typing.get_args(leaf.type):
        raise SettingsError(f"{leaf.flag} is empty, but must be {leaf.expected}")
    if isinstance(value, str) and not value.strip():
        # A path of no letters would be the folder that the command runs in.
        raise SettingsError(f"{leaf.flag} is empty; leave it out or give it a value")
    try:
        namespace = _value_parser(method).parse_object({leaf.name: value}, defaults=False)
    except argparse.ArgumentError:
        raise SettingsError(f"{leaf.flag} is {shown(value)}, but must be {leaf.expected}") from None
    return namespace[leaf.name]
