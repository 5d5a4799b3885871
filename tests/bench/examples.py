"""Cells and records of suites that were never run."""

from labelmend.bench.suite import Cell, Suite
from labelmend.config import Settings
from labelmend.settings.loading import resolve
from labelmend.settings.saving import to_dict


def settings(method: str = "ce", **flags: object) -> Settings:
    return resolve("fast", method, {"flops": 1e9} | flags)


def cell(row="CE", noise="cifar10n:worse", seed=1, data="cifar10", **flags) -> Cell:
    chosen = {"noise": noise} if noise else {}
    return Cell("small", row, data, noise, seed, settings(seed=seed, **chosen, **flags))


def suite(*cells: Cell) -> Suite:
    return Suite("small", "Small", list(cells))


def record(of: Cell, accuracy=0.5, **summary) -> dict:
    return {
        "suite": of.suite,
        "row": of.row,
        "data": of.data,
        "noise": of.noise,
        "seed": of.seed,
        "settings": to_dict(of.settings),
        "selection": {},
        "summary": {
            "test_accuracy_last": accuracy,
            "test_accuracy_mean_of_last_10": accuracy,
            "test_accuracy_best": accuracy,
            "flops": 1e9,
            "seconds": 10.0,
            "processor": "P",
            "accelerator": "none",
            "threads": 1,
            **summary,
        },
    }
