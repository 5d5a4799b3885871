from __future__ import annotations

import os

import pytest

from labelmend.errors import SettingsError
from labelmend.settings.loading import load, read_recipe, resolve
from labelmend.settings.yaml_files import read_mapping


def bomb(levels):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, levels)]
    return "\n".join(lines)


def test_a_mapping_is_read_with_aliases_merges_and_a_byte_order_mark(tmp_path):
    text = "base: &base {epochs: 1}\nbudget: {<<: *base, minutes: 2}\nlist: [1, .5, true, ~, Grüße]"
    (tmp_path / "s.yaml").write_bytes(text.encode("utf-8-sig"))
    assert read_mapping(tmp_path / "s.yaml", "recipe") == {
        "base": {"epochs": 1},
        "budget": {"epochs": 1, "minutes": 2},
        "list": [1, 0.5, True, None, "Grüße"],
    }


REFUSED = [
    (b"", "must be a mapping"),
    (b"- 1", "must be a mapping"),
    (b"a: caf\xe9", "is not UTF-8 text"),
    ("a: 1".encode("utf-16"), "is not UTF-8 text"),
    (b"a: \x00", "is not valid YAML"),
    (b'a: "x\\0"', "a NUL character"),
    (b"a: [", "is not valid YAML"),
    (b"\ta: 1", "is not valid YAML"),
    (b"a: 1\n---\nb: 2", "is not valid YAML"),
    (b"a: 1\na: 2", "key 'a' is there twice"),
    (b"s: {a: 1, b: 2, a: 3}", "key 'a' is there twice"),
    (b"!!python/object/apply:os.system ['touch x']", "is not valid YAML"),
    (b"a: !!python/name:os.system", "is not valid YAML"),
    (b"a: 2001-99-99", "is not valid YAML"),
    (b"a: " + b"9" * 5000, "is not valid YAML"),
    (b"? [a]\n: 1", "is not valid YAML"),
    (b"<<: 1", "is not valid YAML"),
    (b"1: a", "the key 1, but names of settings are text"),
    (b"s: {~: 1}", "the key None, but names"),
    (b"a: " + b"[" * 300 + b"]" * 300, "more than 20 levels"),
    (b"{a: " * 2000 + b"1" + b"}" * 2000, "more than 20 levels"),
    (b"a: &a [*a]", "aliases included"),
    (bomb(9).encode(), "aliases included"),
    (b"a: [" + b"8," * 20_001 + b"]", "more than 20,000 values"),
    (b"a: " + b"x" * 2**20, "more than 1,048,576 bytes"),
]


@pytest.mark.parametrize(("content", "message"), REFUSED, ids=range(len(REFUSED)))
def test_what_no_person_writes_is_refused_in_one_line(tmp_path, content, message):
    (tmp_path / "s.yaml").write_bytes(content)
    with pytest.raises(SettingsError, match=message) as error:
        read_mapping(tmp_path / "s.yaml", "suite")
    assert "s.yaml" in str(error.value)
    assert len(str(error.value)) < 500


def test_recipes_and_settings_of_runs_are_read_that_way(tmp_path):
    (tmp_path / "s.yaml").write_bytes(b"seed: 1\nseed: 2")
    for read in (read_recipe, load, resolve):
        with pytest.raises(SettingsError, match="key 'seed' is there twice"):
            read(tmp_path / "s.yaml")


def test_a_wrong_value_in_the_settings_of_a_run_names_the_file(tmp_path):
    (tmp_path / "settings.yaml").write_text("seed: true")
    with pytest.raises(SettingsError, match=r"settings\.yaml: --seed is True, but must be a whole number"):
        load(tmp_path / "settings.yaml")


@pytest.mark.parametrize("text", ["method: 5", "method: [a]", "method: {name: 5}", "method: {name: [a]}"])
def test_a_method_is_named_by_text(tmp_path, text):
    (tmp_path / "s.yaml").write_text(text)
    for read in (load, resolve):
        with pytest.raises(SettingsError, match="the method of the settings is"):
            read(tmp_path / "s.yaml")


def test_nothing_is_no_value_of_a_setting_that_needs_one():
    assert resolve(overrides={"lr": None}).training.lr is None
    for name in ("seed", "depth", "momentum", "precision", "widths"):
        with pytest.raises(SettingsError, match=f"--{name} is empty, but must be"):
            resolve(overrides={name: None})


def test_pipes_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "s.yaml")
    with pytest.raises(SettingsError, match="no such file"):
        read_mapping(tmp_path / "s.yaml", "suite")
