import json

import pytest
import yaml

from labelmend.settings.loading import from_dict, load, recipe_names, resolve
from labelmend.settings.saving import to_dict, to_yaml


@pytest.mark.parametrize("recipe", recipe_names())
def test_recipes_resolve_and_round_trip(recipe):
    settings = resolve(recipe)
    values = to_dict(settings)
    assert from_dict(json.loads(json.dumps(values))) == settings
    assert from_dict(yaml.safe_load(yaml.safe_dump(values))) == settings


def test_saved_settings_are_a_recipe(tmp_path):
    settings = resolve("fast", "mixup", {"alpha": 0.3, "minutes": 2, "widths": [8, 16], "seed": 3})
    (tmp_path / "settings.yaml").write_text(to_yaml(settings))
    assert load(tmp_path / "settings.yaml") == settings
    assert resolve(tmp_path / "settings.yaml") == settings
