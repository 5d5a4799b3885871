"""The suites of the paper's tables are set up as they would be run, and every row takes its first step."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from labelmend.bench.published import published
from labelmend.bench.suite import read_suite
from labelmend.data.image_set import ImageSet, MemoryImages
from labelmend.methods import METHODS
from labelmend.models.registry import missing_options
from labelmend.noise.spec import parse as parse_noise
from labelmend.settings.loading import resolve
from labelmend.training.trainer import Trainer

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SUITES = sorted((BENCHMARKS / "suites" / "paper").glob("*.yaml"))
# Operations of a run and images of each scaled suite; what they compare is the method alone.
SCALED = {
    "methods-10k": (4.9e13, 10000),
    "methods-10k-noises": (4.9e13, 10000),
    "methods-10k-long": (1.47e14, 10000),
    "paper-noises-10k": (4.9e13, 10000),
    "cifar100n-50k": (5.9e14, None),
}
TUNING = yaml.safe_load((BENCHMARKS / "tuning.yaml").read_text(encoding="utf-8"))
CELLS = {
    f"{suite.name}: {cell.row}": cell
    for suite in map(read_suite, SUITES)
    for cell in suite.cells
    # Cells of a row differ in noise and seed alone.
    if cell.seed == suite.cells[0].seed and cell.noise == suite.cells[0].noise
}
CLASSES = {"cifar10": 10, "cifar100": 100, "clothing1m": 14}


def few_images(classes):
    """Two random images of each class."""
    rng = np.random.default_rng(0)
    labels = np.arange(2 * classes) % classes
    pixels = rng.integers(0, 256, (len(labels), 32, 32, 3), dtype=np.uint8)
    names = [str(i) for i in range(classes)]
    ids = [str(i) for i in range(len(labels))]
    return ImageSet(MemoryImages(torch.from_numpy(pixels)), labels, names, ids, [""] * len(labels))


@pytest.mark.parametrize("file", SUITES, ids=lambda path: path.stem)
def test_data_noises_and_seeds_can_be_had(file):
    suite = read_suite(file)
    assert {cell.data for cell in suite.cells} <= CLASSES.keys()
    real = suite.cells[0].data == "clothing1m"
    assert all(cell.noise is None if real else parse_noise(cell.noise) for cell in suite.cells)
    assert len({cell.seed for cell in suite.cells}) in (3, 5)
    assert all(cell.settings.budget.epochs >= (5 if real else 100) for cell in suite.cells)


@pytest.mark.parametrize("file", [f for f in SUITES if f.stem != "table4"], ids=lambda path: path.stem)
def test_every_row_stands_beside_the_figure_of_the_paper(file):
    for cell in read_suite(file).cells:
        assert published("paper", cell.data, cell.noise, cell.row) is not None, (cell.row, cell.noise)


@pytest.mark.parametrize("file", SUITES, ids=lambda path: path.stem)
def test_what_is_left_out_of_a_batch_is_the_share_of_wrong_labels(file):
    """tau; the tables of human labels, and of labels from the web, have 0.2."""
    for cell in read_suite(file).cells:
        if hasattr(cell.settings.method, "forget_rate"):
            made = cell.noise is not None and not cell.noise.startswith("cifar")
            rate = parse_noise(cell.noise).rate if made else 0.2
            assert cell.settings.method.forget_rate == rate, cell.row


def rows_of_their_own():
    """All cells; of those with a method and network that came before, all but the first are slow."""
    seen = set()
    for name, cell in CELLS.items():
        pair = cell.settings.method.name, cell.settings.network.network
        yield pytest.param(name, marks=[pytest.mark.slow] if pair in seen else [])
        seen.add(pair)


@pytest.mark.parametrize("name", rows_of_their_own())
def test_every_row_takes_its_first_step_and_one_after_its_warm_up(name):
    cell = CELLS[name]
    settings, network = cell.settings, cell.settings.network
    small = replace(settings.training, batch_size=4, precision="float32", memory_format="contiguous")
    if "pretrained" not in missing_options(network.network):
        # The first weights would have to be fetched.
        network = replace(network, pretrained=False)
    run = Trainer(replace(settings, training=small, network=network), few_images(CLASSES[cell.data]))
    first = run.progress(0, 1)
    for progress in (first, replace(first, share=0.9)):
        before = [parameter.detach().clone() for parameter in run.setup.networks[0].parameters()]
        step = run.method.start_epoch(progress)[0]
        run.stages.train_mode()
        loss = run.train_step(step, run.train_set.images.gather(step.index), progress)
        assert loss.isfinite()
        after = run.setup.networks[0].parameters()
        assert not all(torch.equal(old, new) for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize("suite", SCALED)
def test_rows_of_the_scaled_suites_share_all_but_the_method(suite):
    cells = read_suite(BENCHMARKS / "suites" / f"{suite}.yaml").cells
    assert {cell.settings.method.name for cell in cells} <= METHODS.keys()
    shared = [replace(cell.settings, method=None, data=None, seed=0) for cell in cells]
    assert all(settings == shared[0] for settings in shared)
    assert (cells[0].settings.budget.flops, cells[0].settings.data.limit) == SCALED[suite]


@pytest.mark.parametrize("method", TUNING)
def test_the_search_of_each_method_is_eight_settings_that_can_be_had(method):
    found = [resolve("fast", method, changes) for changes in TUNING[method]]
    assert len(found) == 8
    assert TUNING[method][0] == {}
    assert all(found[i] not in found[:i] for i in range(8))
