import math
import warnings

import pytest
import yaml

from labelmend.config import NetworkSettings
from labelmend.errors import LabelmendWarning, SettingsError
from labelmend.methods import METHODS
from labelmend.models.registry import check_options
from labelmend.settings import retired
from labelmend.settings.loading import load, resolve
from labelmend.settings.saving import to_dict


def test_a_budget_rule_replaces_the_recipes():
    assert resolve("fast").budget.rule == "epochs"
    budget = resolve("fast", None, {"flops": 1e9}).budget
    assert (budget.epochs, budget.flops, budget.minutes) == (None, 1e9, None)


def test_flat_dotted_and_hyphenated_names_are_the_same():
    for name in ("batch_size", "batch-size", "training.batch_size", "training.batch-size"):
        assert resolve("fast", None, {name: 64}).training.batch_size == 64


@pytest.mark.parametrize(
    "recipe", [{"training": {"lr": 1}, "lr": 2}, {"batch-size": 8, "batch_size": 16}], ids=str
)
def test_a_setting_that_is_there_twice_is_refused(recipe):
    with pytest.raises(
        SettingsError, match=r"training\.(lr|batch_size) is set twice, again as '(lr|batch_size)'"
    ):
        resolve({"method": {"name": "ce"}, **recipe})
    with pytest.raises(SettingsError, match=r"training\.lr is set twice"):
        resolve("fast", None, {"lr": 1, "training.lr": 2})


@pytest.mark.parametrize("value", ["", " "])
def test_text_without_a_letter_is_refused(value):
    with pytest.raises(SettingsError, match="--labels is empty; leave it out"):
        resolve("fast", None, {"labels": value})


def test_another_method_ignores_the_recipes_method_section():
    recipe = {"method": {"name": "anchor_hallucination", "easy_percent": 40}, "budget": {"epochs": 3}}
    assert resolve(recipe).method.easy_percent == 40
    assert resolve(recipe, "ce").method == METHODS["ce"].Settings()
    assert resolve(recipe, "ce").budget.epochs == 3


def test_a_method_section_without_a_name_counts_for_the_method_chosen():
    recipe = {"method": {"easy_percent": 30}}
    for method in (None, "mend", "anchor_hallucination"):
        assert resolve(recipe, method).method.easy_percent == 30
    for unknown, method in (({"easy_precent": 30}, None), ({"easy_percent": 30}, "ce")):
        with pytest.raises(SettingsError, match=next(iter(unknown))):
            resolve({"method": unknown}, method)


def test_text_values_are_read_as_their_types():
    settings = resolve("fast", None, {"epochs": "7", "weight_decay": "5e-4", "flip": "false"})
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
        ({"seed": 2**64}, "--seed is 18446744073709551616, but must be from 0 to 9223372036854775807"),
        ({"minutes": math.inf}, "--minutes is inf, but must be finite and above 0"),
        ({"lr": math.nan}, "--lr is nan, but must be finite and above 0"),
        ({"lr_milestones": 0.5}, "--lr-milestones is 0.5, but must be a list such as 0.3,0.6"),
    ],
)
def test_wrong_settings_name_the_flag_in_one_line(overrides, message):
    with pytest.raises(SettingsError, match=message) as caught:
        resolve("fast", None, overrides)
    assert "\n" not in str(caught.value)


def test_an_empty_name_is_no_method():
    for wrong in ({"method": ""}, {"recipe": {"method": {"name": ""}}}):
        with pytest.raises(SettingsError, match="--method is '', but must be one of mend"):
            resolve(**wrong)


def test_unknown_recipe_and_method_name_the_closest():
    with pytest.raises(SettingsError, match="did you mean 'fast'"):
        resolve("fats")
    with pytest.raises(SettingsError, match="did you mean 'mixup'"):
        resolve("fast", "mixpu")


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "budget: 3", "budget: {epochs: 1, moments: 2}"])
def test_faulty_recipe_files_are_refused(tmp_path, text):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        resolve(path)
    assert "\n" not in str(caught.value)


def write_old(path, method, **changes):
    values = to_dict(resolve("fast", method))
    values["method"] |= changes
    path.write_text(yaml.safe_dump(values))
    return path


def test_the_file_of_an_old_run_loads_without_its_retired_settings(tmp_path, monkeypatch):
    monkeypatch.setitem(retired.RETIRED, "mixup", {"old": 3, "older": "a"})
    path = write_old(tmp_path / "settings.yaml", "mixup", alpha=0.3, old=3, older="a")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load(path) == resolve("fast", "mixup", {"alpha": 0.3})


def test_a_retired_setting_that_had_another_value_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(retired.RETIRED, "mixup", {"old": 3, "older": "a"})
    path = write_old(tmp_path / "settings.yaml", "mixup", old=4, older="a")
    with pytest.warns(LabelmendWarning) as caught:
        load(path)
    text = str(caught[0].message)
    assert len(caught) == 1
    assert text.startswith(f"{path}: method 'mixup' no longer has old (it was 4, and is now always 3);")
    assert "\n" not in text


def test_a_recipe_with_a_retired_setting_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(retired.RETIRED, "mixup", {"old": 3})
    path = write_old(tmp_path / "recipe.yaml", "mixup", old=3)
    with pytest.raises(SettingsError, match="old of method 'mixup' was retired: it is now always 3"):
        resolve(path)
    with pytest.raises(SettingsError, match="old of method 'mixup' was retired: it is now always 3"):
        resolve("fast", "mixup", {"old": 3})


def test_the_file_of_a_run_with_a_renamed_method_loads(tmp_path, monkeypatch):
    monkeypatch.setattr(retired, "RENAMED_METHODS", (retired.Renamed("blend", "mixup"),))
    path = write_old(tmp_path / "settings.yaml", "mixup", name="blend", alpha=0.3)
    assert load(path) == resolve("fast", "mixup", {"alpha": 0.3})


def test_an_unknown_setting_in_the_file_of_a_run_is_still_an_error(tmp_path):
    path = write_old(tmp_path / "settings.yaml", "mixup", alhpa=0.3)
    with pytest.raises(SettingsError, match=r"did you mean 'alpha'|alhpa"):
        load(path)


def test_a_recipes_network_options_count_for_the_networks_that_have_them():
    assert resolve("fast").network.activation == "gelu"
    assert resolve("fast", None, {"network": "fastnet"}).network.activation == "gelu"
    assert resolve("fast", None, {"network": "resnet18"}).network.activation == "relu"
    for given in ({"frozen": True}, {"frozen": True, "network": "auto"}):
        assert resolve("fast", None, given).network.activation == "relu"
    # What is asked for beside the recipe is not dropped in silence: describe_network refuses it.
    given = {"network": "resnet18", "activation": "gelu"}
    assert resolve("fast", None, given).network.activation == "gelu"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("training: {lr: -1}", "--lr is -1"),
        ("training: {lr: fast}", "--lr is 'fast'"),
        ("training: {learning_rate: 1}", "there is no setting 'training.learning_rate'"),
        ("training: 5", "section 'training' of the settings must be a mapping"),
        ("method: [ce]", r"the method of the settings is \['ce'\]"),
        ("{epochs: 1, flops: 1.0e+9}", "--epochs and --flops are both set"),
        ("[1]", "mapping"),
    ],
)
def test_what_is_wrong_in_a_recipe_names_its_file_once(tmp_path, text, told):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=told) as caught:
        resolve(path)
    assert str(caught.value).count(str(path)) == 1


def test_what_is_wrong_beside_a_recipe_does_not_name_its_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("training: {lr: 1}")
    for wrong in ({"lr": -1}, {"lr": "fast"}, {"learning_rate": 1}):
        with pytest.raises(SettingsError) as caught:
            resolve(path, overrides=wrong)
        assert str(path) not in str(caught.value)


def test_network_options_of_a_recipe_count_with_its_own_network_and_not_with_another():
    recipe = {"network": {"network": "resnet18", "widths": [4, 8]}}
    assert resolve(recipe).network.widths == [4, 8]
    with pytest.raises(SettingsError, match="--network resnet18 has no such option"):
        check_options(resolve(recipe).network)
    recipe = {"network": {"network": "fastnet", "widths": [4, 8]}}
    assert resolve(recipe).network.widths == [4, 8]
    assert resolve(recipe, overrides={"network": "resnet18"}).network.widths == NetworkSettings().widths
