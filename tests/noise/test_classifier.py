from __future__ import annotations

import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given as given_by
from hypothesis import settings
from hypothesis import strategies as st

from labelmend.data.image_set import ImageSet, MemoryImages
from labelmend.errors import DataError, SettingsError, WriteError
from labelmend.noise.classifier import (
    SoftLabelRecipe,
    choose_recipe,
    flip_top,
    kept_soft_labels,
    load_soft_labels,
    save_soft_labels,
)
from labelmend.noise.spec import apply

SOFT = np.array([[0.9, 0.06, 0.04], [0.3, 0.5, 0.2], [0.1, 0.2, 0.7], [0.0, 0.6, 0.4], [0.5, 0.1, 0.4]])
TRUE = np.array([0, 0, 2, 1, 1])


def labels_only(labels: np.ndarray) -> ImageSet:
    count = len(labels)
    images = MemoryImages(torch.zeros(count, 4, 4, 1, dtype=torch.uint8))
    return ImageSet(images, labels, list("abc"), [str(i) for i in range(count)], [""] * count)


def test_flips_by_hand() -> None:
    """Scores of the best wrong class: .06, .5, .2, .4, .5; equal scores go by position."""
    assert flip_top(SOFT, TRUE, 0.2).tolist() == [0, 1, 2, 1, 1]
    assert flip_top(SOFT, TRUE, 0.4).tolist() == [0, 1, 2, 1, 0]
    assert flip_top(SOFT, TRUE, 0.6).tolist() == [0, 1, 2, 2, 0]
    assert flip_top(SOFT, TRUE, 1.0).tolist() == [1, 1, 1, 2, 0]
    assert flip_top(SOFT, TRUE, 0.0).tolist() == TRUE.tolist()


@settings(max_examples=60, deadline=None)
@given_by(st.integers(0, 2**31), st.integers(1, 80), st.integers(2, 6), st.floats(0, 1), st.floats(0, 1))
def test_counts_are_exact_and_flips_nested(seed: int, count: int, classes: int, a: float, b: float) -> None:
    state = np.random.RandomState(seed)
    soft, true = state.dirichlet(np.ones(classes), count).round(1), state.randint(0, classes, count)
    low, high = sorted((a, b))
    few, many = flip_top(soft, true, low), flip_top(soft, true, high)
    assert (few != true).sum() == int(low * count)
    assert (many != true).sum() == int(high * count)
    flipped = few != true
    np.testing.assert_array_equal(few[flipped], many[flipped])


def test_bad_soft_labels_are_refused() -> None:
    with pytest.raises(DataError, match="soft labels"):
        flip_top(SOFT[:3], TRUE, 0.2)
    with pytest.raises(DataError, match="finite"):
        flip_top(np.full((5, 3), np.nan), TRUE, 0.2)
    with pytest.raises(SettingsError, match="--rate"):
        flip_top(SOFT, TRUE, 1.2)


def test_soft_labels_are_kept_and_belong_to_their_labels(tmp_path: Path) -> None:
    path = tmp_path / "soft.npz"
    save_soft_labels(path, SOFT, TRUE)
    np.testing.assert_allclose(load_soft_labels(path, TRUE)[0], SOFT, atol=1e-7)
    with pytest.raises(DataError, match="not those of these"):
        load_soft_labels(path, TRUE[::-1])
    whole = path.read_bytes()
    for damaged in (b"nonsense", whole[: len(whole) // 2], whole.replace(b"soft", b"tofs", 1)):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="delete it"):
            load_soft_labels(path, TRUE)
    with path.open("wb") as file:
        np.save(file, SOFT)
    with pytest.raises(DataError, match="delete it"):
        load_soft_labels(path, TRUE)
    for other in (SOFT[0], SOFT.astype(str), SOFT.astype(complex)):
        np.savez(path, soft_labels=other, true_labels=TRUE)
        with pytest.raises(DataError, match="must be \\(images, classes\\) of floating-point numbers"):
            load_soft_labels(path, TRUE)


def test_soft_labels_are_made_once_and_only_where_they_can_be_kept(tmp_path: Path) -> None:
    made = []

    def make() -> np.ndarray:
        made.append(1)
        return SOFT.astype(np.float32)

    path = tmp_path / "new" / "soft.npz"
    first, again = (kept_soft_labels(path, TRUE, make, {"epochs": 3}) for _ in range(2))
    assert len(made) == 1
    assert load_soft_labels(path, TRUE)[1] == {"epochs": 3}
    np.testing.assert_array_equal(first, SOFT.astype(np.float32))
    np.testing.assert_array_equal(again, first)
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"file/soft\.npz cannot be written: .*; give another folder"):
        kept_soft_labels(tmp_path / "file" / "soft.npz", TRUE, make, {})
    (tmp_path / "taken.npz").mkdir()
    with pytest.raises(WriteError, match=r"taken\.npz cannot be written"):
        kept_soft_labels(tmp_path / "taken.npz", TRUE, make, {})
    assert len(made) == 1


def test_recipes_by_name() -> None:
    assert choose_recipe("quick").network == "fastnet"
    assert choose_recipe("full").epochs == 150
    assert choose_recipe("quick", epochs=3).epochs == 3
    assert choose_recipe("quick", epochs=1).epochs == 1
    with pytest.raises(SettingsError, match="epochs= is 0, but must be 1 or more"):
        choose_recipe("quick", epochs=0)
    with pytest.raises(SettingsError, match="recipe= is 'slow', but must be quick or full"):
        choose_recipe("slow")


def test_the_trainer_is_handed_in_and_its_soft_labels_are_kept(tmp_path: Path) -> None:
    images, path, asked = labels_only(TRUE), tmp_path / "soft.npz", []

    def train(train_set: ImageSet, recipe: SoftLabelRecipe, seed: int) -> np.ndarray:
        asked.append((train_set.given_labels.tolist(), recipe, seed))
        return SOFT

    spec = f"classifier:0.4:epochs=2:soft={path}:seed=7"
    noisy, record = apply(spec, replace(images, given_labels=1 - TRUE // 2, true_labels=TRUE), train=train)
    assert asked == [(TRUE.tolist(), choose_recipe("quick", epochs=2), 7)]  # on the labels that are true
    assert noisy.given_labels.tolist() == flip_top(SOFT, TRUE, 0.4).tolist()
    assert (record.parameters["epochs"], record.seed) == (2, 7)
    again, kept = apply(f"classifier:0.4:epochs=2:soft={path}:seed=7", images)
    assert again.given_labels.tolist() == noisy.given_labels.tolist()
    assert kept.parameters == record.parameters | {"soft_labels": "soft.npz"}
    assert kept.seed == 7
    assert len(asked) == 1


MADE = {"network": "fastnet", "widths": [16, 32, 64], "epochs": 2, "batch_size": 500, "lr": 0.2}
MADE |= {"lr_schedule": "linear", "seed": 7}


@pytest.mark.parametrize(
    ("made", "asked", "told"),
    [
        (MADE, "", "seed 7, not 0"),
        (MADE, ":seed=7", None),
        (MADE, ":epochs=3:seed=7", r"\(epochs 2, not 3\)"),
        (MADE, ":epochs=2:network=resnet34", "network fastnet, not resnet34, seed 7, not 0"),
        ({}, "", None),
        ({}, ":seed=3", r"\(seed unknown, not 3\)"),
        ({}, ":recipe=full", "network unknown, not resnet34, .*epochs unknown, not 150"),
    ],
)
def test_soft_labels_that_were_made_otherwise_than_asked_are_used_aloud(
    tmp_path: Path, made: dict[str, object], asked: str, told: str | None
) -> None:
    save_soft_labels(tmp_path / "soft.npz", SOFT, TRUE, made)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        _, record = apply(f"classifier:0.4:soft={tmp_path / 'soft.npz'}{asked}", labels_only(TRUE))
    if told is None:
        assert not found
    else:
        assert re.search(f"soft.npz are used as they are.*{told}", str(found[0].message))
    # The record says what was used, not what was asked for.
    assert record.seed == made.get("seed")
    assert record.parameters.get("epochs") == made.get("epochs")


def test_a_file_that_says_wrongly_how_it_was_made(tmp_path: Path) -> None:
    path = tmp_path / "soft.npz"
    for made in ("[1]", "{"):
        np.savez(path, soft_labels=SOFT, true_labels=TRUE, made=made)
        with pytest.raises(DataError, match=r"soft\.npz: 'made' is no JSON object"):
            load_soft_labels(path, TRUE)


def test_without_a_trainer_or_a_file_there_are_no_soft_labels(tmp_path: Path) -> None:
    for soft in ("", f":soft={tmp_path / 'none.npz'}"):
        with pytest.raises(
            SettingsError, match=r"--noise classifier:0\.4.*: there are no soft labels and nothing"
        ):
            apply(f"classifier:0.4{soft}", labels_only(TRUE))
    assert not (tmp_path / "none.npz").exists()
