"""Noise models: pure functions from true labels to given labels and a record of what was done."""

from labelmend.noise.record import NoiseRecord
from labelmend.noise.spec import KINDS, NoiseSpec, apply, parse

__all__ = ["KINDS", "NoiseRecord", "NoiseSpec", "apply", "parse"]
