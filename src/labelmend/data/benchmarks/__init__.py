"""Data sets by name."""

from typing import Any

from labelmend.data.benchmarks.animal10n import Animal10N
from labelmend.data.benchmarks.base import Benchmark, Verification
from labelmend.data.benchmarks.cifar10 import Cifar10
from labelmend.data.benchmarks.cifar10h import Cifar10H
from labelmend.data.benchmarks.cifar100 import Cifar100
from labelmend.data.benchmarks.clothing1m import Clothing1M
from labelmend.data.benchmarks.digits import Digits
from labelmend.data.benchmarks.food101n import Food101N
from labelmend.data.benchmarks.webvision import WebVision

BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        Digits(),
        Cifar10(),
        Cifar100(),
        Cifar10H(),
        Clothing1M(),
        WebVision(),
        Animal10N(),
        Food101N(),
    )
}
"""Named data sets by the name used on the command line."""


def is_named(source: Any) -> bool:
    """Whether a source is the name of a data set, which goes before a path of the same name."""
    return isinstance(source, str) and source in BENCHMARKS


__all__ = ["BENCHMARKS", "Benchmark", "Verification", "is_named"]
