"""The readers of files of others, each as a function of bytes that raises nothing but declared errors."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image

import labelmend
from fuzz import inputs
from labelmend.bench.suite import read_suite
from labelmend.data import load
from labelmend.data.restricted_pickle import load_pickled_arrays
from labelmend.data.sources import read_listing
from labelmend.errors import LabelmendError
from labelmend.runs import folder as run_folder
from labelmend.runs.checksums import SUMS
from labelmend.runs.run import load_run
from labelmend.settings.loading import load as load_settings

SUITE = b"""\
title: Small
data: digits
settings: {epochs: 1, widths: [8]}
noises: ["symmetric:0.2", ~]
seeds: [3, 4]
rows:
  CE: {method: ce}
  Paper: {method: anchor_hallucination, selection: gmm, epochs: 2}
"""


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
        name: of it.
        files: what it is given.
        read: reads bytes; all that is not a ``LabelmendError`` is a defect.
    """

    name: str
    files: st.SearchStrategy[bytes]
    read: Callable[[bytes], None]


def only_declared(read: Callable[[Path], object], path: Path) -> Callable[[bytes], None]:
    """Write the bytes to ``path`` and read it; declared errors are as good as a result."""

    def attempt(data: bytes) -> None:
        path.write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                read(path)
            except LabelmendError as error:
                assert "\n" not in str(error)

    return attempt


def make_targets(folder: Path) -> list[Target]:
    """All readers, with their files below an empty folder."""
    pixels = np.random.default_rng(0).integers(0, 255, (12, 8, 8), dtype=np.uint8)
    run = folder / "run"
    labelmend.fit(
        (pixels, ["cat", "dog"] * 6),
        out=run,
        epochs=1,
        widths=[8],
        depth=1,
        batch_size=4,
        precision="float32",
        memory_format="contiguous",
    )
    images = folder / "images"
    for i in range(4):
        place = images / ("cat", "dog")[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[i]).save(place / f"{i}.png")
        Image.fromarray(pixels[i]).save(images / f"{i}.png")
    array = pixels[:3], ["cat", "dog", "cat"]
    targets = [
        Target("pickle", inputs.pickles(), only_declared(load_pickled_arrays, folder / "a.pkl")),
        Target("npz", inputs.numpy_files(), only_declared(load, folder / "a.npz")),
        Target("npy", inputs.numpy_files(), only_declared(read_listing, folder / "a.npy")),
        Target("manifest csv", inputs.csv_files(), only_declared(load, images / "a.csv")),
        Target("manifest tsv", inputs.csv_files("\t"), only_declared(read_listing, images / "a.tsv")),
        Target("manifest jsonl", inputs.jsonl_files(), only_declared(load, images / "a.jsonl")),
        Target(
            "label file",
            inputs.csv_files(),
            only_declared(lambda p: load(array, labels=p), folder / "labels.csv"),
        ),
        Target(
            "settings",
            inputs.yaml_files((run / run_folder.SETTINGS).read_bytes()),
            only_declared(load_settings, folder / "settings.yaml"),
        ),
        Target("suite", inputs.yaml_files(SUITE), only_declared(read_suite, folder / "suite.yaml")),
    ]
    return targets + [_run_target(run, name, folder) for name in RUN_FILES]


RUN_FILES = (
    run_folder.SETTINGS,
    run_folder.DATA,
    run_folder.SUMMARY,
    run_folder.MODEL_INFO,
    run_folder.METRICS,
    run_folder.MODEL,
    run_folder.VERDICTS_PARQUET,
)


def _run_target(run: Path, name: str, folder: Path) -> Target:
    """A run folder one of whose files is edited, read as ``show``, ``predict`` and ``resume`` do."""
    import shutil

    from labelmend.cli.result import print_result
    from labelmend.runs import jobs

    copy = folder / f"run-{name}"
    shutil.copytree(run, copy)
    # Every change shows in the checksums, which runs of older versions do not have: without them the readers
    # themselves are tried.
    (copy / SUMS).unlink()
    valid = (copy / name).read_bytes()
    files = inputs.edited(json.loads(valid)) if name.endswith(".json") else inputs.mutated(valid)
    pixels = np.zeros((2, 8, 8), np.uint8)

    def read(path: Path) -> None:
        if name == run_folder.DATA:
            jobs.reload(path.parent, data=(np.zeros((2, 8, 8), np.uint8), ["a", "b"]))
            return
        if name == run_folder.METRICS:
            run_folder.read_metrics(path.parent)
            return
        found = load_run(path.parent)
        print_result(found, 3)
        if name != run_folder.VERDICTS_PARQUET:
            found.predict(pixels)

    return Target(f"run {name}", files, only_declared(read, copy / name))
