"""The paper's settings for Clothing1M on a small folder in its layout."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import labelmend
from labelmend.bench.suite import read_suite
from labelmend.data import load, load_test
from labelmend.data.benchmarks import BENCHMARKS

pytestmark = pytest.mark.filterwarnings("ignore::labelmend.errors.LabelmendWarning")
ROOT = Path(__file__).parents[2] / "benchmarks"
CLASSES = 14

spec = importlib.util.spec_from_file_location("miniature", ROOT / "clothing1m_miniature.py")
miniature = importlib.util.module_from_spec(spec)
spec.loader.exec_module(miniature)


def pictures(labels, seed):
    """Each class is a colour of its own, with noise."""
    generator = np.random.default_rng(seed)
    colours = np.random.default_rng(0).integers(40, 216, (CLASSES, 1, 1, 3))
    pixels = colours[labels] + generator.integers(-30, 31, (len(labels), 16, 16, 3))
    return pixels.astype(np.uint8)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Eight training images of each class; the first of each is labelled as the next class."""
    folder = tmp_path_factory.mktemp("data")
    clean = np.tile(np.arange(CLASSES), 8)
    noisy = clean.copy()
    noisy[:CLASSES] = (clean[:CLASSES] + 1) % CLASSES
    held = np.arange(CLASSES)
    train = (pictures(clean, 1), noisy, clean)
    val, test = ((pictures(held, seed), held) for seed in (2, 3))
    miniature.write_layout(folder / "clothing1m", train, val, test, clean_train=[0, 14, 15])
    return folder


def test_the_layout_is_read_as_it_was_written(root):
    train = load("clothing1m", root=root)
    test = load_test("clothing1m", root=root, like=train)
    assert train.given_labels[:3].tolist() == [1, 2, 3]
    assert train.given_labels[14:17].tolist() == [0, 1, 2]
    assert test.given_labels.tolist() == list(range(CLASSES))
    assert "," in train.ids[0]
    found = BENCHMARKS["clothing1m"].verify(root)
    assert not found.problems
    assert {split: len(listing) for split, listing in found.listings.items()} == {
        "train": 112,
        "clean_train": 3,
        "val": 14,
        "test": 14,
    }
    # Of the training images with both labels one is wrong, of three.
    assert found.noise_rate == pytest.approx(1 / 3)


def test_the_recipe_of_the_paper_runs_on_it_and_scores_the_clean_images(root, tmp_path):
    small = {"network": "timm:test_resnet", "pretrained": False, "image_size": 32, "epochs": 2}
    run = labelmend.fit(
        "clothing1m", root=str(root), recipe="clothing1m-paper", warmup=0.5, out=tmp_path / "run", **small
    )
    assert run.settings.method.selection == "gmm"
    assert len(run.verdicts) == 112
    assert 0 <= run.summary["test_accuracy_last"] <= 1
    assert run.classes[0] == "T-shirt"


def test_first_images_of_each_class():
    labels = np.array([13, *range(CLASSES), *range(CLASSES), 0, -1])
    found = miniature.first_of_each(labels, 1, after=1)
    assert labels[found].tolist() == list(range(CLASSES))
    assert found[[0, 13]].tolist() == [15, 14]


def test_the_miniature_has_the_rows_and_methods_of_the_table():
    table, small = (
        read_suite(ROOT / "suites" / f"{name}.yaml") for name in ("paper/table4", "clothing1m-miniature")
    )
    rows = {cell.row: cell.settings.method.name for cell in table.cells}
    assert rows == {cell.row: cell.settings.method.name for cell in small.cells}
    assert {"Co-teaching", "JoCoR", "CAL", "DivideMix", "TSCSI", "Anchor hallucination"} == rows.keys()
    budgets = {(cell.settings.network.network, cell.settings.budget.epochs) for cell in small.cells}
    assert budgets == {("efficientnet_lite0", 6.0)}
