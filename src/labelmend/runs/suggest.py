"""Which recipe suits the images at hand."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from labelmend.config import Settings
from labelmend.data import sources
from labelmend.errors import LabelmendWarning
from labelmend.models.registry import AUTO, is_of_library
from labelmend.models.resnet import CIFAR_STEM_UP_TO
from labelmend.runs.jobs import absolute, reading_of
from labelmend.settings.idle import idle_lines
from labelmend.settings.loading import DEFAULT_RECIPE, resolve
from labelmend.settings.names import find_leaf

PHOTOS = "photos"


def suggest_recipe(settings: Settings, data: Any, *, whole: bool = False) -> str:
    """The recipe for the images at hand, where none was asked for: ``photos`` above 64 px, else ``fast``.

    Args:
        settings: what was asked for. A network that nobody published weights of settles it, and so do random
            weights: there is nothing to freeze.
        data: as for ``prepare``.
        whole: whether it was said that no network is frozen.

    Raises:
        DataError: If the images cannot be listed.

    Warns:
        LabelmendWarning: If these are photographs, and what their recipe needs is not installed.
    """
    network = settings.network
    named = network.network != AUTO
    if network.finetune or (named and network.frozen):
        return PHOTOS
    trained = named and not (is_of_library(network.network) and network.pretrained)
    if not network.frozen and (whole or trained):
        return DEFAULT_RECIPE
    wanted = settings.data
    with warnings.catch_warnings():
        # What there is to say of the data is said when it is loaded.
        warnings.simplefilter("ignore", LabelmendWarning)
        size = wanted.image_size or sources.usual_size(
            data, split=wanted.split, **reading_of(replace(wanted, root=absolute(wanted.root)))
        )
    if not network.frozen and (size is None or size <= CIFAR_STEM_UP_TO):
        return DEFAULT_RECIPE
    if not named and find_spec("timm") is None:
        warnings.warn(
            f"images of {size} px are best judged by features of a pretrained network, which is not "
            "installed: pip install 'labelmend[photos]'; going on with one that is trained from scratch, "
            "which takes far longer",
            LabelmendWarning,
            stacklevel=2,
        )
        return DEFAULT_RECIPE
    return PHOTOS


def recipe_for(data: Any, method: str | None, overrides: Mapping[str, Any]) -> str:
    """The recipe of a run that names none; arguments and errors as of ``settle``."""
    asked = resolve(method=method, overrides=overrides)
    names = {find_leaf(name, asked.method.name).name for name in overrides}
    return suggest_recipe(asked, data, whole="frozen" in names)


def settle(
    data: Any,
    recipe: str | Path | Mapping[str, Any] | None,
    method: str | None,
    overrides: Mapping[str, Any],
) -> Settings:
    """Settings of a run; see ``settings.loading.resolve``. Without a recipe, that which suits the images.

    Raises:
        SettingsError: If a name is unknown or a value is not allowed.
        DataError: If the images cannot be listed.

    Warns:
        LabelmendWarning: For each of ``overrides`` that does nothing in such a run.
    """
    if recipe is None:
        recipe = recipe_for(data, method, overrides)
    settings = resolve(recipe, method, overrides)
    for line in idle_lines(settings, overrides):
        warnings.warn(line, LabelmendWarning, stacklevel=3)
    return settings
