from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmend.data.image_set import ImageSet, MemoryImages
from labelmend.errors import LabelmendWarning, SettingsError
from labelmend.noise.classifier import save_soft_labels
from labelmend.noise.record import NoiseRecord, label_hash
from labelmend.noise.spec import KINDS, NoiseSpec, apply, parse

GOLDEN = {
    "symmetric:0.4": "f319713ee2b52574c26702d52b7f6aebbf440027a2c3d44908747e729c6b4862",
    "symmetric-inclusive:0.4": "67bd387c039d996978fae295f5aa8ed6e48c7d84c8e6153c50d168bd88492037",
    "asymmetric:0.4": "4a06d0914c90d20e2447b97dc6c46701ba7ed7a5f3010af3222aa74185963ef4",
    "pairflip:0.4": "7b2e875f6c0f0194c595b4997d5d434a5d4b2d8ba55bce673e7a9acdecccb7b4",
    "instance-shared:0.4": "47974c9ce56e63febe8cbdc63c08e1a37dd4c922b05aca9efdc67b570db44c4e",
    "instance-per-class:0.4": "0a2161b70f6f68073d8d78ba4a0b05e0b379c6b8d947585fa564243b1c7751b9",
    "instance-per-class:0.4:layout=hwc:scaling=standardised:centre=mean": (
        "6f15008401186512ccc662e071f028e2b7e9ba34aa5d1e4af84617a858ab91b6"
    ),
    "part-dependent:0.4": "c3f3d2fc5bb00852039b2935da27d8448b2e6c61c16c570c187d9b289035a61c",
}


@pytest.mark.parametrize("spec", GOLDEN)
def test_golden_hashes_on_the_synthetic_fixture(fixture_set: ImageSet, spec: str) -> None:
    """The same inputs give the same bytes for good; a change needs a new version in the record."""
    noisy, record = apply(spec, fixture_set)
    assert record.sha256 == label_hash(noisy.given_labels) == GOLDEN[spec]


@pytest.mark.parametrize("spec", GOLDEN)
def test_what_holds_for_every_kind(fixture_set: ImageSet, spec: str) -> None:
    noisy, record = apply(spec, fixture_set)
    other, _ = apply(spec + ":seed=1", fixture_set)
    true, labels = fixture_set.given_labels, noisy.given_labels
    np.testing.assert_array_equal(noisy.true_labels, true)
    assert labels.dtype == np.int64
    assert np.bincount(labels, minlength=10).sum() == 1000
    assert not np.array_equal(labels, other.given_labels)
    np.testing.assert_allclose(np.sum(record.transition, axis=1), 1)
    confusion = np.zeros((10, 10))
    np.add.at(confusion, (true, labels), 1)
    np.testing.assert_allclose(record.transition, confusion / confusion.sum(axis=1, keepdims=True))
    assert record.realised_rate == pytest.approx(np.mean(labels != true))
    clean, none = apply(":".join([spec.split(":")[0], "0", *spec.split(":")[2:]]), fixture_set)
    np.testing.assert_array_equal(clean.given_labels, true)
    assert none.realised_rate == 0


@pytest.mark.parametrize("spec", ["symmetric:0.4", "instance-shared:0.4"])
def test_labels_that_a_person_has_confirmed_stay(fixture_set: ImageSet, spec: str) -> None:
    trusted = np.arange(1000) % 3 == 0
    free, before = apply(spec, fixture_set)
    noisy, record = apply(spec, replace(fixture_set, trusted=trusted))
    assert (free.given_labels != fixture_set.given_labels)[trusted].any()
    np.testing.assert_array_equal(noisy.given_labels[trusted], fixture_set.given_labels[trusted])
    np.testing.assert_array_equal(noisy.given_labels[~trusted], free.given_labels[~trusted])
    assert record == NoiseRecord.of(
        before.name,
        fixture_set.given_labels,
        noisy.given_labels,
        10,
        version=before.version,
        parameters=before.parameters | {"trusted": 334},
        seed=before.seed,
        nominal_rate=before.nominal_rate,
    )
    assert record.realised_rate < before.realised_rate


def test_a_confirmed_label_is_kept_where_another_is_called_true(fixture_set: ImageSet) -> None:
    """What a person has confirmed is the given label."""
    confirmed = (fixture_set.given_labels + 1) % 10
    images = replace(
        fixture_set,
        given_labels=confirmed,
        true_labels=fixture_set.given_labels,
        trusted=np.arange(1000) < 100,
    )
    with pytest.warns(LabelmendWarning, match="given labels, 900 of them others than the true ones"):
        noisy, record = apply("pairflip:0", images)
    np.testing.assert_array_equal(noisy.given_labels[:100], confirmed[:100])
    assert record.realised_rate == 0.1


def test_flags_of_which_none_is_set_change_no_record(fixture_set: ImageSet) -> None:
    flagged = replace(fixture_set, trusted=np.zeros(1000, dtype=bool))
    assert apply("symmetric:0.4", flagged)[1] == apply("symmetric:0.4", fixture_set)[1]


def test_global_randomness_is_not_touched(fixture_set: ImageSet) -> None:
    np.random.seed(3)  # noqa: NPY002
    torch.manual_seed(3)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    for spec in GOLDEN:
        apply(spec, fixture_set)
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[1])


def test_noise_goes_on_true_labels_where_they_are_known(fixture_set: ImageSet) -> None:
    wrong = replace(
        fixture_set, given_labels=1 - fixture_set.given_labels % 2, true_labels=fixture_set.given_labels
    )
    others = int((wrong.given_labels != wrong.true_labels).sum())
    with pytest.warns(LabelmendWarning, match=f"put on the true labels, .*, {others:,} of them others than"):
        found = apply("symmetric:0.2", wrong)[1].sha256
    assert found == apply("symmetric:0.2", fixture_set)[1].sha256


def test_soft_labels_of_other_classes_are_refused(fixture_set: ImageSet, tmp_path: Path) -> None:
    classes = fixture_set.num_classes + 2
    soft_labels = np.full((len(fixture_set), classes), 1 / classes)
    save_soft_labels(tmp_path / "soft.npz", soft_labels, fixture_set.given_labels)
    with pytest.raises(SettingsError, match=f"are of {classes} classes, but .* has {classes - 2}"):
        apply(f"classifier:0.2:soft={tmp_path / 'soft.npz'}", fixture_set)


def test_the_part_is_taken_after_the_noise(fixture_set: ImageSet) -> None:
    full, _ = apply("instance-shared:0.4", fixture_set)
    part = full.subset(range(100))
    np.testing.assert_array_equal(part.given_labels, full.given_labels[:100])
    np.testing.assert_array_equal(part.true_labels, fixture_set.given_labels[:100])


def test_large_images_need_no_large_projection() -> None:
    pixels = torch.from_numpy(np.random.RandomState(0).randint(0, 256, (30, 224, 200, 3), dtype=np.uint8))
    labels = np.arange(30) % 3
    images = ImageSet(MemoryImages(pixels), labels, list("abc"), [str(i) for i in range(30)], [""] * 30)
    for kind in ("instance-shared", "instance-per-class"):
        assert apply(f"{kind}:0.4", images)[1].parameters["image_shape"] == [32, 32, 3]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([k for k in KINDS if KINDS[k].rated]), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_text_and_spec_are_inverse(kind: str, rate: float, seed: int) -> None:
    spec = NoiseSpec(kind, rate, None, seed, {})
    assert parse(str(spec)) == spec


def test_examples_are_read() -> None:
    assert parse("instance-shared:0.4:seed=3") == NoiseSpec("instance-shared", 0.4, None, 3, {})
    assert parse("cifar10n:worse") == NoiseSpec("cifar10n", None, "worse", 0, {})
    assert parse("cifar10n").variant == "aggre"
    assert parse("instance-per-class:.2:scaling=unit").options == {"scaling": "unit"}
    assert str(parse("cifar10n:random1")) == "cifar10n:random1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no noise ''; the kinds are symmetric, symmetric-inclusive, asymmetric"),
        ("symetric:0.2", "did you mean 'symmetric'"),
        ("symmetric", r"rate is missing; write symmetric:RATE\[:seed="),
        ("symmetric:seed=1", "rate is missing"),
        ("symmetric:two", "rate is 'two', but must be a number"),
        ("symmetric:20", "rate is 20, but must be in"),
        ("symmetric:nan", "rate is nan, but must be in"),
        ("symmetric:0.2:0.3", "'0.3' is not understood"),
        ("symmetric:0.2:map=x", "symmetric has no option 'map'; it has seed"),
        ("symmetric:0.2:seed=1.5", "seed is '1.5', but must be a whole number"),
        ("symmetric:0.2:seed=-1", "seed is -1, but must be from 0"),
        ("symmetric:0.2:seed=1:seed=1", "seed= is given twice"),
        ("instance-per-class:0.2:scaling=unit:layout=x:scaling=unit", "scaling= is given twice"),
        ("cifar10n:wurst", "'wurst' must be one of aggre, random1"),
        ("cifar10n:worse:seed=1", "cifar10n has no option 'seed'"),
        ("transition:0.2:file=x", "'0.2' must be left out"),
    ],
)
def test_bad_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("asymmetric:0.2:map=superclass", None),
        ("part-dependent:0.2:parts=many", "parts is 'many', but must be a whole number"),
        ("instance-per-class:0.2:layout=abc", "--noise: layout= is 'abc', but must be chw or hwc"),
        ("classifier:0.2:soft=x.csv", "must name an .npz file"),
        ("classifier:0.2:epochs=0", "epochs= is 0, but must be 1 or more"),
        ("transition", "transition needs file="),
    ],
)
def test_bad_options_are_refused(fixture_set: ImageSet, text: str, message: str | None) -> None:
    if message is None:
        assert apply(text, fixture_set)[1].parameters["map"]["4"] == 0
        return
    with pytest.raises(SettingsError, match=message):
        apply(text, fixture_set)


def test_asymmetric_needs_a_map_for_unknown_classes(fixture_set: ImageSet, tmp_path: Path) -> None:
    other = replace(fixture_set, class_names=[f"c{i}" for i in range(10)])
    with pytest.raises(SettingsError, match="these classes need map=FILE"):
        apply("asymmetric:0.2", other)
    path = tmp_path / "map.json"
    path.write_text(json.dumps({"c1": "c2"}))
    noisy, _ = apply(f"asymmetric:1:map={path}", other)
    assert (noisy.given_labels[other.given_labels == 1] == 2).all()


def test_a_matrix_must_fit_the_classes(fixture_set: ImageSet, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text("[[0.5, 0.5], [0, 1]]")
    with pytest.raises(SettingsError, match=r"for 2 classes, but .* 10"):
        apply(f"transition:file={path}", fixture_set)
    path.write_text(json.dumps(np.roll(np.eye(10), 1, axis=1).tolist()))
    noisy, record = apply(f"transition:file={path}:seed=2", fixture_set)
    np.testing.assert_array_equal(noisy.given_labels, (fixture_set.given_labels + 1) % 10)
    assert (record.seed, record.nominal_rate) == (2, 1.0)


CIFAR10_GOLDEN: dict[str, str] = {
    "symmetric:0.4": "d9bcbe8cf3afcbe5c05996214e64c9aa251ef9c7b2f4ba2c0cedbdf4010530d3",
    "symmetric-inclusive:0.4": "4b2c8d16216e373ef844f994a44ef7da6eadc147804ba04fbbbbdf412d7faa68",
    "asymmetric:0.4": "08a18863483f840ed06c68a62f472c2d2ca70ebd5da0406a716f03c7f7abe66d",
    "pairflip:0.4": "c280904159a2d5f3ce743bcab5e66e0422b051ddda6a13c928eb5813b2fe26f9",
    "instance-per-class:0.4": "d6d4ce5583619d11cd51a9a99e8acc4e400e5466b5a9d88a62a8da5b96a075d4",
    "instance-per-class:0.4:scaling=standardised": (
        "829b178abd3e00f978880fbca319bdd9a986b0adfff56c7ded69e85619458baa"
    ),
    "part-dependent:0.4": "485ac5937d11baf1d2941171c0abcd70b7a96c7bf664f27bebcaef0ac3bc66d8",
}


@pytest.mark.slow
@pytest.mark.parametrize("spec", CIFAR10_GOLDEN)
def test_golden_hashes_on_cifar10(cifar10: ImageSet, spec: str) -> None:
    assert apply(spec, cifar10)[1].sha256 == CIFAR10_GOLDEN[spec]


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.1, 0.2, 0.4])
@pytest.mark.parametrize(
    ("kind", "factor"),
    [("symmetric", 1.0), ("symmetric-inclusive", 0.9), ("asymmetric", 0.5), ("pairflip", 1.0)],
)
def test_cifar10_rates(cifar10: ImageSet, kind: str, factor: float, rate: float) -> None:
    assert apply(f"{kind}:{rate}", cifar10)[1].realised_rate == pytest.approx(rate * factor, abs=0.005)
