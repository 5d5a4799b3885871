"""A short run of ``benchmarks/fuzz_readers.py``, which goes on for as long as one likes."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from fuzz.inputs import mutated
from fuzz.targets import RUN_FILES, make_targets, only_declared

EXAMPLES = 20
NAMES = (
    *(
        "pickle",
        "npz",
        "npy",
        "manifest csv",
        "manifest tsv",
        "manifest jsonl",
        "label file",
        "settings",
        "suite",
    ),
    *(f"run {name}" for name in RUN_FILES),
)


@pytest.fixture(scope="module")
def targets(tmp_path_factory):
    return {target.name: target for target in make_targets(tmp_path_factory.mktemp("fuzz"))}


@pytest.mark.parametrize("name", NAMES)
def test_readers_raise_nothing_but_declared_errors(targets, name):
    target = targets[name]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(target.files)
    def attempt(data):
        target.read(data)

    attempt()


def test_every_reader_is_tried(targets):
    assert sorted(targets) == sorted(NAMES)


def test_any_other_error_is_a_defect(tmp_path):
    with pytest.raises(KeyError):
        only_declared(lambda path: {}["x"], tmp_path / "file")(b"")


def test_damage_is_done():
    whole = bytes(range(100))
    found = []

    @settings(max_examples=50, derandomize=True, database=None)
    @given(mutated(whole))
    def collect(data):
        found.append(data)

    collect()
    assert len(set(found)) > 25
    assert whole in found
