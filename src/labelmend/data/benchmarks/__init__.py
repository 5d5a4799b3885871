"""Benchmark data sets by name."""

from labelmend.data.benchmarks.animal10n import Animal10N
from labelmend.data.benchmarks.base import Benchmark, Verification
from labelmend.data.benchmarks.cifar10 import Cifar10
from labelmend.data.benchmarks.cifar10h import Cifar10H
from labelmend.data.benchmarks.cifar100 import Cifar100
from labelmend.data.benchmarks.clothing1m import Clothing1M
from labelmend.data.benchmarks.food101n import Food101N
from labelmend.data.benchmarks.webvision import WebVision

BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        Cifar10(),
        Cifar100(),
        Cifar10H(),
        Clothing1M(),
        WebVision(),
        Animal10N(),
        Food101N(),
    )
}
"""Benchmarks by the name used on the command line."""

__all__ = ["BENCHMARKS", "Benchmark", "Verification"]
