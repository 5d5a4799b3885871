import json

import pytest
import yaml

from labelmend import settings_io
from labelmend.errors import SettingsError
from labelmend.methods import METHODS


@pytest.mark.parametrize("method", list(METHODS))
def test_flat_names_are_unique(method):
    count = sum(len(settings_io._section_leaves("", cls)) for cls in settings_io.SECTIONS.values())
    count += len(settings_io._section_leaves("method", METHODS[method].Settings)) + 1
    assert len(settings_io.leaves(method)) == count


@pytest.mark.parametrize("method", list(METHODS))
def test_every_setting_has_help(method):
    assert [leaf.name for leaf in settings_io.leaves(method).values() if not leaf.help] == []


@pytest.mark.parametrize("recipe", settings_io.recipe_names())
def test_recipes_resolve_and_round_trip(recipe):
    settings = settings_io.resolve(recipe)
    values = settings_io.to_dict(settings)
    assert settings_io.from_dict(json.loads(json.dumps(values))) == settings
    assert settings_io.from_dict(yaml.safe_load(yaml.safe_dump(values))) == settings


def test_saved_settings_are_a_recipe(tmp_path):
    settings = settings_io.resolve(
        "fast", "mixup", {"alpha": 0.3, "minutes": 2, "widths": [8, 16], "seed": 3}
    )
    settings_io.save(settings, tmp_path / "settings.yaml")
    assert settings_io.load(tmp_path / "settings.yaml") == settings
    assert settings_io.resolve(tmp_path / "settings.yaml") == settings


def test_a_recipes_network_options_count_for_the_networks_that_have_them():
    assert settings_io.resolve("fast").network.activation == "gelu"
    assert settings_io.resolve("fast", None, {"network": "fastnet"}).network.activation == "gelu"
    assert settings_io.resolve("fast", None, {"network": "resnet18"}).network.activation == "relu"
    recipe = {"network": {"network": "resnet18", "activation": "gelu"}}
    assert settings_io.resolve(recipe).network.activation == "relu"
    # What is asked for beside the recipe is not dropped in silence: describe_network refuses it.
    given = {"network": "resnet18", "activation": "gelu"}
    assert settings_io.resolve("fast", None, given).network.activation == "gelu"


def test_a_budget_rule_replaces_the_recipes():
    assert settings_io.resolve("fast").budget.rule == "epochs"
    budget = settings_io.resolve("fast", None, {"flops": 1e9}).budget
    assert (budget.epochs, budget.flops, budget.minutes) == (None, 1e9, None)


def test_flat_dotted_and_hyphenated_names_are_the_same():
    for name in ("batch_size", "batch-size", "training.batch_size", "training.batch-size"):
        assert settings_io.resolve("fast", None, {name: 64}).training.batch_size == 64


def test_another_method_ignores_the_recipes_method_section():
    recipe = {"method": {"name": "anchor_hallucination", "easy_percent": 40}, "budget": {"epochs": 3}}
    assert settings_io.resolve(recipe).method.easy_percent == 40
    assert settings_io.resolve(recipe, "ce").method == METHODS["ce"].Settings()
    assert settings_io.resolve(recipe, "ce").budget.epochs == 3


def test_text_values_are_read_as_their_types():
    settings = settings_io.resolve("fast", None, {"epochs": "7", "weight_decay": "5e-4", "flip": "false"})
    assert (settings.budget.epochs, settings.training.weight_decay) == (7.0, 5e-4)
    assert settings.augmentation.flip is False


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"epoch": 1}, "'epoch' .*did you mean 'epochs'"),
        ({"training.epochs": 1}, "did you mean 'budget.epochs'"),
        ({"epochs": "ten"}, "--epochs is 'ten', but must be a number"),
        ({"epochs": True}, "--epochs is True, but must be a number"),
        ({"epochs": -1}, "--epochs is -1.0, but must be above 0"),
        ({"epochs": 1, "minutes": 2}, "--epochs and --minutes are both set"),
        ({"lr_schedule": "cos"}, "--lr-schedule is 'cos', but must be one of linear, cosine, step"),
        ({"widths": 3}, "--widths is 3, but must be a list"),
        ({"seed": 1.5}, "--seed is 1.5, but must be a whole number"),
    ],
)
def test_wrong_settings_name_the_flag_in_one_line(overrides, message):
    with pytest.raises(SettingsError, match=message) as caught:
        settings_io.resolve("fast", None, overrides)
    assert "\n" not in str(caught.value)


def test_unknown_recipe_and_method_name_the_closest():
    with pytest.raises(SettingsError, match="did you mean 'fast'"):
        settings_io.resolve("fats")
    with pytest.raises(SettingsError, match="did you mean 'mixup'"):
        settings_io.resolve("fast", "mixpu")


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "budget: 3", "budget: {epochs: 1, moments: 2}"])
def test_faulty_recipe_files_are_refused(tmp_path, text):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        settings_io.resolve(path)
    assert "\n" not in str(caught.value)
