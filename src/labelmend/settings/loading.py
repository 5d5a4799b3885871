"""Settings from recipes, flat names, nested dictionaries and the files of runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from labelmend.config import BudgetSettings, Settings
from labelmend.errors import SettingsError
from labelmend.methods import METHODS
from labelmend.models.libraries import OFFLINE_BACKBONE
from labelmend.models.registry import AUTO, check_options, missing_options
from labelmend.settings.names import SECTIONS, check_value, closest, find_leaf, leaves, method_settings, shown
from labelmend.settings.retired import modernise
from labelmend.settings.yaml_files import parse_mapping, read_mapping

DEFAULT_RECIPE = "fast"
DEFAULT_METHOD = "mend"


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
        content = (resources.files("labelmend") / "recipes" / f"{recipe}.yaml").read_bytes()
        return parse_mapping(content, f"recipe {recipe}")
    if not Path(recipe).is_file():
        raise SettingsError(
            f"--recipe is {str(recipe)!r}, but must be one of {', '.join(names)}, or the path of a YAML file"
            f"{closest(str(recipe), names)}"
        )
    return read_mapping(Path(recipe), "recipe")


def method_of(recipe: Mapping[str, Any]) -> str | None:
    """The method a recipe names, or None.

    Raises:
        SettingsError: If it names it by something that is no text.
    """
    section = recipe.get("method")
    name = section.get("name") if isinstance(section, Mapping) else section
    if name is not None and not isinstance(name, str):
        raise SettingsError(f"the method of the settings is {name!r}, but must be the name of one")
    return name


def choose_method(recipe: str | Path | Mapping[str, Any], asked: str | None = None) -> str:
    """The method asked for, or else the one a recipe names, or else the default.

    An empty name is not taken for none: it is refused later, as one that no method has.
    """
    with _naming(recipe):
        named = method_of(_values_of(recipe)) if asked is None else asked
        if asked is None and named is not None:
            method_settings(named)
    if named is not None and not isinstance(named, str):
        raise SettingsError(f"--method is {shown(named)}, but must be the name of a method")
    return DEFAULT_METHOD if named is None else named


def _values_of(recipe: str | Path | Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(recipe, str | Path | Mapping):
        raise SettingsError(
            f"--recipe is {shown(recipe)}, but must be a name, a path, or a dictionary of settings"
        )
    return dict(recipe if isinstance(recipe, Mapping) else read_recipe(recipe))


@contextmanager
def _naming(recipe: str | Path | Mapping[str, Any]) -> Iterator[None]:
    """Put the name of a recipe's file in front of what is wrong in it."""
    try:
        yield
    except SettingsError as error:
        if isinstance(recipe, Mapping) or str(recipe) in str(error):
            raise
        raise SettingsError(f"recipe {recipe}: {error}") from None


def _settle(settled: dict[str, Any], name: str, value: Any, method: str) -> None:
    """Enter one value under the flat name of its setting, under which there must be none yet."""
    leaf = find_leaf(name, method)
    if leaf.name in settled:
        raise SettingsError(f"{leaf.dotted} is set twice, again as {name!r}; leave one of them out")
    settled[leaf.name] = check_value(leaf, value, method)


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
                    _settle(flat, f"{key}.{name}", entry, method)
        else:
            _settle(flat, str(key), value, method)
    return flat


def _without_budget(flat: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in flat.items() if name not in BudgetSettings.RULES}


def _for_network(flat: Mapping[str, Any], network: str) -> dict[str, Any]:
    """A recipe's network options count only for the networks that have them."""
    missing = missing_options(network)
    return {name: value for name, value in flat.items() if name not in missing}


def recipe_values(recipe: str | Path | Mapping[str, Any], method: str) -> dict[str, Any]:
    """What a recipe sets for a method, by flat name.

    A recipe's method section counts for the method it names only; for any, where it names none.
    """
    with _naming(recipe):
        values = _values_of(recipe)
        if method_of(values) not in (None, method):
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
        overrides: values by flat or dotted name. A budget rule replaces the recipe's budget rule, and another
            network its network options.

    Raises:
        SettingsError: If a name is unknown or a value is not allowed; of what is wrong in a file it names the
            file.
    """
    chosen = choose_method(recipe, method)
    own = recipe_values(recipe, chosen)
    given: dict[str, Any] = {}
    for name, value in (overrides or {}).items():
        _settle(given, name, value, chosen)
    flat = own
    if any(given.get(rule) is not None for rule in BudgetSettings.RULES):
        flat = _without_budget(flat)
    if {**flat, **given}.get("frozen"):
        # Its heads have no options, whichever network it is.
        flat = _for_network(flat, OFFLINE_BACKBONE)
    else:
        flat = _for_network(flat, given.get("network", AUTO))
    try:
        settings = _build(chosen, {**flat, **given})
    except SettingsError:
        # Whoever gave no such flag looks for it in the file.
        with _naming(recipe):
            _build(chosen, own)
        raise
    if settings.network.frozen:
        check_options(replace(settings.network, network=OFFLINE_BACKBONE))
    return settings


def _build(method: str, flat: Mapping[str, Any]) -> Settings:
    sections: dict[str, dict[str, Any]] = {section: {} for section in (*SECTIONS, "method", "")}
    known = leaves(method)
    for name, value in flat.items():
        sections[known[name].section][name] = value
    built = {section: cls(**sections[section]) for section, cls in SECTIONS.items()}
    settings = Settings(method=method_settings(method)(**sections["method"]), **built, **sections[""])
    METHODS[method].check_smoothing(settings.training.label_smoothing)
    return settings


def from_dict(values: Mapping[str, Any]) -> Settings:
    """The inverse of ``saving.to_dict``."""
    return resolve(values)


def load(path: Path) -> Settings:
    """Read the settings file of a run, of this version or an older one.

    Raises:
        SettingsError: If the file is missing, not YAML, or holds an unknown or wrong setting.
    """
    values = read_mapping(Path(path), "settings")
    try:
        method_of(values)
        return resolve(modernise(values, path))
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None
