"""Settings from recipes, flat names and nested dictionaries, and back to YAML."""

from __future__ import annotations

import argparse
import difflib
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Union

import docstring_parser
import yaml
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
from labelmend.files import write_text
from labelmend.methods import METHODS
from labelmend.models.registry import missing_options

DEFAULT_RECIPE = "fast"
DEFAULT_METHOD = "anchor_hallucination"
METAVARS = {
    "a whole number": "N",
    "a number": "X",
    "true or false": "{true,false}",
    "a list such as 64,128": "N,N,...",
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
        return "a list such as 64,128"
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
            f"--method is {method!r}, but must be one of {', '.join(METHODS)}{_closest(method, METHODS)}"
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


def _closest(name: str, known: typing.Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def takes_list(leaf: Leaf) -> bool:
    """Whether the value of a setting is a list."""
    return typing.get_origin(leaf.type) in (list, tuple)


def find_leaf(name: str, method: str) -> Leaf:
    """The setting of this flat or dotted name; hyphens and underscores are the same.

    Raises:
        SettingsError: If there is none; the message has the closest match.
    """
    plain = name.replace("-", "_")
    section, _, leaf_name = plain.rpartition(".")
    known = leaves(method)
    leaf = known.get(leaf_name)
    if leaf is not None and section in ("", leaf.section):
        return leaf
    hint = f"; did you mean {leaf.dotted!r}?" if leaf else _closest(leaf_name, known)
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


def check_value(leaf: Leaf, value: Any, method: str) -> Any:
    """The value as the type of the setting.

    Raises:
        SettingsError: If it has another type; the message names the flag.
    """
    try:
        namespace = _value_parser(method).parse_object({leaf.name: value}, defaults=False)
    except argparse.ArgumentError:
        raise SettingsError(f"{leaf.flag} is {value!r}, but must be {leaf.expected}") from None
    return namespace[leaf.name]


def recipe_names() -> list[str]:
    """Names of the recipes that come with labelmend."""
    folder = resources.files("labelmend") / "recipes"
    return sorted(
        entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")
    )


def read_recipe(recipe: str | Path) -> dict[str, Any]:
    """Read a recipe: the name of one that comes with labelmend, or the path of a YAML or JSON file.

    Returns:
        The nested dictionary as written, unchecked.

    Raises:
        SettingsError: If there is no such recipe or it is not a YAML mapping.
    """
    names = recipe_names()
    if str(recipe) in names:
        text = (resources.files("labelmend") / "recipes" / f"{recipe}.yaml").read_text(encoding="utf-8")
    elif Path(recipe).is_file():
        text = Path(recipe).read_text(encoding="utf-8")
    else:
        raise SettingsError(
            f"--recipe is {str(recipe)!r}, but must be one of {', '.join(names)}, or the path of a YAML file"
            f"{_closest(str(recipe), names)}"
        )
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"recipe {recipe} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise SettingsError(f"recipe {recipe} must be a mapping such as 'budget: {{epochs: 10}}'")
    return values


def method_of(recipe: Mapping[str, Any]) -> str | None:
    """The method a recipe names, or None."""
    section = recipe.get("method")
    return section.get("name") if isinstance(section, Mapping) else section


def _flatten(values: Mapping[str, Any], method: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if key in SECTIONS or key == "method":
            if key == "method" and not isinstance(value, Mapping):
                continue
            if not isinstance(value, Mapping):
                raise SettingsError(f"section {key!r} of the settings must be a mapping, not {value!r}")
            for name, entry in value.items():
                if not (key == "method" and name == "name"):
                    leaf = find_leaf(f"{key}.{name}", method)
                    flat[leaf.name] = check_value(leaf, entry, method)
        else:
            leaf = find_leaf(str(key), method)
            flat[leaf.name] = check_value(leaf, value, method)
    return flat


def _without_budget(flat: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in flat.items() if name not in BudgetSettings.RULES}


def _for_network(flat: Mapping[str, Any], network: str) -> dict[str, Any]:
    """A recipe's network options count only for the networks that have them."""
    missing = missing_options(network)
    return {name: value for name, value in flat.items() if name not in missing}


def recipe_values(recipe: str | Path | Mapping[str, Any], method: str) -> dict[str, Any]:
    """What a recipe sets for a method, by flat name.

    A recipe's method section counts for the method it names only.
    """
    values = dict(recipe if isinstance(recipe, Mapping) else read_recipe(recipe))
    if method_of(values) != method:
        values.pop("method", None)
    return _flatten(values, method)


def resolve(
    recipe: str | Path | Mapping[str, Any] = DEFAULT_RECIPE,
    method: str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Settings of a run.

    Args:
        recipe: name or path of a recipe, or its nested dictionary; gives the defaults.
        method: name of the method; by default the one the recipe names.
        overrides: values by flat or dotted name. A budget rule replaces the recipe's budget rule.

    Raises:
        SettingsError: If a name is unknown or a value is not allowed.
    """
    values = dict(recipe if isinstance(recipe, Mapping) else read_recipe(recipe))
    chosen = method or method_of(values) or DEFAULT_METHOD
    flat = recipe_values(values, chosen)
    given: dict[str, Any] = {}
    for name, value in (overrides or {}).items():
        leaf = find_leaf(name, chosen)
        given[leaf.name] = check_value(leaf, value, chosen)
    if any(given.get(rule) is not None for rule in BudgetSettings.RULES):
        flat = _without_budget(flat)
    flat = _for_network(flat, given.get("network", flat.get("network", NetworkSettings.network)))
    return _build(chosen, {**flat, **given})


def _build(method: str, flat: Mapping[str, Any]) -> Settings:
    sections: dict[str, dict[str, Any]] = {section: {} for section in (*SECTIONS, "method", "")}
    known = leaves(method)
    for name, value in flat.items():
        sections[known[name].section][name] = value
    built = {section: cls(**sections[section]) for section, cls in SECTIONS.items()}
    return Settings(method=method_settings(method)(**sections["method"]), **built, **sections[""])


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


def from_dict(values: Mapping[str, Any]) -> Settings:
    """The inverse of ``to_dict``."""
    return resolve(values)


def save(settings: Settings, path: Path) -> None:
    """Write settings as YAML that ``--recipe`` reads."""
    header = "# Settings of a labelmend run. The same again: labelmend fit DATA --recipe <this file>\n"
    write_text(path, header + yaml.safe_dump(to_dict(settings), sort_keys=False))


def load(path: Path) -> Settings:
    """Read settings that ``save`` wrote.

    Raises:
        SettingsError: If the file is missing, not YAML, or holds an unknown or wrong setting.
    """
    return resolve(Path(path))
