from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labelmend.data.image_set import ImageSet, MemoryImages
from labelmend.errors import DataError, LabelmendWarning, SettingsError
from labelmend.noise.human import human_labels
from labelmend.noise.spec import apply

NAMES = ["cat", "dog", "cow"]
TRUE = np.array([0, 1, 2, 2, 1])
WORSE = np.array([0, 2, 2, 1, 1])


def write_pickle(path: Path, **columns: np.ndarray) -> Path:
    path.write_bytes(pickle.dumps(columns))
    return path


def labels_only(labels: np.ndarray, names: list[str]) -> ImageSet:
    import torch

    count = len(labels)
    images = MemoryImages(torch.zeros(count, 1, 1, 1, dtype=torch.uint8))
    return ImageSet(images, labels, names, [str(i) for i in range(count)], [""] * count)


@pytest.mark.parametrize(
    ("labels", "message"),
    [(np.array(["0", "\u00b2", "1", "1", "1"]), "must be a class name"), (np.array(3), "has 0 axes")],
)
def test_labels_that_are_no_list_of_classes_are_refused(tmp_path: Path, labels, message: str) -> None:
    np.savez(tmp_path / "l.npz", label=labels, true_label=TRUE)
    with pytest.raises(DataError, match=message):
        human_labels(tmp_path / "l.npz", "label", TRUE, NAMES, "true_label")


def test_every_format_gives_the_same_labels(tmp_path: Path) -> None:
    write_pickle(tmp_path / "l.pt", clean_label=TRUE, worse_label=WORSE)
    np.savez(tmp_path / "l.npz", clean_label=TRUE, worse_label=WORSE)
    rows = [f"{NAMES[a]},{b}" for a, b in zip(TRUE, WORSE, strict=True)]
    (tmp_path / "l.csv").write_text("clean_label,worse_label\n" + "\n".join(rows) + "\n")
    for name in ("l.pt", "l.npz", "l.csv"):
        given, record = human_labels(tmp_path / name, "worse_label", TRUE, NAMES)
        np.testing.assert_array_equal(given, WORSE)
        assert given.dtype == np.int64
        assert record.realised_rate == pytest.approx(0.4)
        assert (record.seed, record.nominal_rate) == (None, None)
        assert record.parameters == {"file": name, "key": "worse_label"}


def test_another_order_is_recognised(tmp_path: Path) -> None:
    path = write_pickle(tmp_path / "l.pt", clean_label=TRUE[::-1], worse_label=WORSE)
    with pytest.raises(DataError, match=r"differ .* at 4 of 5 rows, first at row 0 \(1 .*another order"):
        human_labels(path, "worse_label", TRUE, NAMES)


def test_other_images_and_a_part_of_them_are_recognised(tmp_path: Path) -> None:
    path = write_pickle(tmp_path / "l.pt", clean_label=np.array([0, 1, 2, 2, 2]), worse_label=WORSE)
    with pytest.raises(DataError, match=r"row 4 .*for other images"):
        human_labels(path, "worse_label", TRUE, NAMES)
    with pytest.raises(DataError, match="5 labels for 3 images; human labels are for the full"):
        human_labels(path, "worse_label", TRUE[:3], NAMES)


def test_missing_keys_values_and_files_are_named(tmp_path: Path) -> None:
    path = write_pickle(tmp_path / "l.pt", clean_label=TRUE, worse_label=WORSE + 1)
    with pytest.raises(DataError, match="has no 'random_label1'; it has clean_label, worse_label"):
        human_labels(path, "random_label1", TRUE, NAMES)
    with pytest.raises(DataError, match="is '3' at row 1"):
        human_labels(path, "worse_label", TRUE, NAMES)
    for name in ("none.pt", "none.npz", "none.csv", "none.txt"):
        with pytest.raises(DataError, match=f"none{Path(name).suffix}"):
            human_labels(tmp_path / name, "worse_label", TRUE, NAMES)


class Crafted:
    def __reduce__(self):
        return os.system, ("echo harm",)


def test_a_crafted_pickle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "l.pt"
    path.write_bytes(pickle.dumps({"clean_label": Crafted()}))
    with pytest.raises(DataError, match="system"):
        human_labels(path, "clean_label", TRUE, NAMES)


def test_other_files_by_their_own_columns(tmp_path: Path) -> None:
    """The layout of the published classification-based noise: columns label, label_noisy."""
    path = tmp_path / "dependent0.4.csv"
    path.write_text("label,label_noisy\n0,0\n1,2\n2,2\n2,1\n1,1\n")
    noisy, record = apply(f"human:file={path}:key=label_noisy:clean=label", labels_only(TRUE, NAMES))
    np.testing.assert_array_equal(noisy.given_labels, WORSE)
    assert record.name == "human"
    with pytest.raises(SettingsError, match="needs file="):
        apply("human", labels_only(TRUE, NAMES))


def test_where_the_labels_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LABELMEND_DATA", raising=False)
    images = labels_only(TRUE, NAMES)
    with pytest.raises(DataError, match=r"no data folder is given; get it from https://"):
        apply("cifar10n:worse", images)
    with pytest.raises(DataError, match="not found in"):
        apply("cifar10n:worse", images, tmp_path)
    (tmp_path / "cifar10n").mkdir()
    path = write_pickle(tmp_path / "cifar10n" / "CIFAR-10_human.pt", clean_label=TRUE, worse_label=WORSE)
    noisy, record = apply("cifar10n:worse", images, tmp_path)
    np.testing.assert_array_equal(noisy.given_labels, WORSE)
    assert record.name == "cifar10n:worse"
    monkeypatch.setenv("LABELMEND_DATA", str(tmp_path))
    assert apply("cifar10n:worse", images)[1] == record
    assert apply(f"cifar10n:worse:file={path}", images)[1] == record


def test_the_published_cifar10n_labels(data_root: Path, cifar10_labels: np.ndarray) -> None:
    """Rates of the released file, and two invariants of how its sets were made."""
    images = labels_only(cifar10_labels, [str(c) for c in range(10)])
    rates = {"aggre": 0.0901, "random1": 0.17234, "random2": 0.18122, "random3": 0.1764, "worse": 0.40208}
    found = {}
    for variant, rate in rates.items():
        noisy, record = apply(f"cifar10n:{variant}", images, data_root)
        assert record.realised_rate == pytest.approx(rate, abs=5e-6)
        found[variant] = noisy.given_labels
    votes = np.stack([found[f"random{i}"] for i in (1, 2, 3)])
    any_wrong = (votes != cifar10_labels).any(axis=0)
    np.testing.assert_array_equal(found["worse"] != cifar10_labels, any_wrong)
    assert (votes == found["worse"]).any(axis=0).all()


def test_the_published_cifar100n_labels(data_root: Path) -> None:
    from labelmend.data.restricted_pickle import load_pickled_arrays

    clean = load_pickled_arrays(data_root / "cifar10n" / "CIFAR-100_human.pt")["clean_label"]
    images = labels_only(np.asarray(clean), [str(c) for c in range(100)])
    assert apply("cifar100n", images, data_root)[1].realised_rate == pytest.approx(0.402, abs=5e-6)
    with pytest.raises(DataError, match="another order"):
        apply("cifar100n", labels_only(np.sort(clean), images.class_names), data_root)


# The second changes places within classes alone, which the clean labels do not tell.
@pytest.mark.parametrize(("column", "order"), [("id", [3, 0, 4, 2, 1]), ("IDs", [0, 4, 2, 3, 1])])
def test_rows_with_the_ids_of_the_images_are_brought_into_their_order(
    tmp_path: Path, column: str, order: list[int]
) -> None:
    ids = [f"{name}.png" for name in "abcde"]
    rows = [f"{ids[i]},{NAMES[TRUE[i]]},{NAMES[WORSE[i]]}" for i in order]
    path = tmp_path / "l.csv"
    path.write_text(f"{column},true_label,label\n" + "\n".join(rows) + "\n")
    noisy, _ = apply(f"human:file={path}", replace(labels_only(TRUE, NAMES), ids=ids))
    np.testing.assert_array_equal(noisy.given_labels, WORSE)


def test_ids_of_other_images(tmp_path: Path) -> None:
    path, images = tmp_path / "l.csv", labels_only(TRUE, NAMES)
    rows = [f"x{i},{NAMES[a]},{NAMES[b]}" for i, (a, b) in enumerate(zip(TRUE, WORSE, strict=True))]
    path.write_text("id,true_label,label\n" + "\n".join(rows) + "\n")
    with pytest.warns(LabelmendWarning, match=r"no id is that of an image \(x0.*; of the images 0\)"):
        noisy, _ = apply(f"human:file={path}", images)
    np.testing.assert_array_equal(noisy.given_labels, WORSE)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (["0", "1", "2", "3", "9"], r"5 rows of 5 ids for 5 images, 1 of which have none \(first 4\)"),
        (["0", "1", "2", "3", "3"], r"5 rows of 4 ids for 5 images, 1 of which"),
        (["0", "1", "2", "3", "4", "5"], r"6 rows of 6 ids for 5 images, 0 of which have none; give"),
    ],
)
def test_ids_of_some_of_the_images_are_refused(tmp_path: Path, named: list[str], message: str) -> None:
    path = tmp_path / "l.csv"
    path.write_text("id,true_label,label\n" + "".join(f"{name},cat,cat\n" for name in named))
    with pytest.raises(DataError, match=message):
        apply(f"human:file={path}", labels_only(TRUE, NAMES))


def test_ids_that_are_no_list_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "l.npz", label=WORSE, true_label=TRUE, id=np.array(3))
    with pytest.raises(DataError, match=r"l\.npz: its ids have 0 axes, but must be one an image"):
        apply(f"human:file={tmp_path / 'l.npz'}", labels_only(TRUE, NAMES))
