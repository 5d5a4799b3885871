"""Small real data for the pipelines."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

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


CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Debian's Chromium, headless and with an empty profile, driven by Playwright; skips where there is none.

    ``chromium.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")`` opens a page in a
    context of its own, ``chromium.new_context()`` a context for several; both are closed with the browser. It
    lasts for one module, because Playwright keeps the event loop of the thread while it runs.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("there is no Chromium here: make browser installs it, or says how")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=executable, args=list(CHROMIUM_FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def faults_of_access():
    """Function of a page that lists what axe-core finds serious or critical in it, one line each."""
    package = pytest.importorskip("axe_playwright_python", reason="pip install axe-playwright-python")
    script = (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")

    def found(page) -> list[str]:
        page.evaluate(script)
        violations = page.evaluate("axe.run().then((result) => result.violations)")
        return [
            f"{each['id']}: {each['help']}: {node['html'][:200]}"
            for each in violations
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"]
        ]

    return found
