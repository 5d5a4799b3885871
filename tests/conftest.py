"""Small real data for the pipelines."""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import replace
from multiprocessing import forkserver

import numpy as np
import pytest
import torch

from labelmend.data.image_set import ImageSet
from labelmend.data.sources import load

# The networks of the tests are small: a second thread gains nothing, and on a busy machine the two wait for
# each other most of the time. Processes that a test starts must round as this one does.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def digits_test() -> ImageSet:
    """500 of scikit-learn's digits with true labels."""
    return load("digits", split="test")


@pytest.fixture(scope="session")
def noisy_digits() -> ImageSet:
    """600 digits of which 30 % have another label, drawn uniformly."""
    clean = load("digits", limit=600)
    rng = np.random.default_rng(0)
    wrong = rng.permutation(600) < 180
    shift = rng.integers(1, 10, 600)
    given = np.where(wrong, (clean.given_labels + shift) % 10, clean.given_labels)
    return replace(clean.with_labels(given), true_labels=clean.given_labels)


@pytest.fixture(scope="session")
def processes():
    """Starts processes that can be killed, with what they import loaded once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["labelmend.runs.jobs"])
    with pytest.MonkeyPatch.context() as patch:
        # A process forked from one with several threads of OpenMP would wait for those it does not have.
        patch.setenv("OMP_NUM_THREADS", "1")
        forkserver.ensure_running()
    return context
