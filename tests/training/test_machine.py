import platform
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from labelmend.training.machine import has_bfloat16, machine, processor_name

CPUINFO = """processor\t: 0
model name\t: Some Processor 3
flags\t\t: fpu sse2 avx2 {}
"""


def pretend(monkeypatch, text):
    monkeypatch.setattr(Path, "is_file", lambda _self: True)
    monkeypatch.setattr(Path, "read_text", lambda _self, **_: text)


@pytest.mark.parametrize(
    ("flags", "native"),
    [("avx512f", False), ("avx512f avx512_bf16", True), ("amx_bf16", True), ("", False)],
)
def test_bfloat16_by_the_flags_of_the_processor(monkeypatch, flags, native):
    pretend(monkeypatch, CPUINFO.format(flags))
    assert has_bfloat16(torch.device("cpu")) is native
    assert not has_bfloat16(torch.device("mps"))
    assert processor_name() == f"Some Processor 3 ({', '.join(['avx2', *flags.split()])})"


def test_arm_has_features(monkeypatch):
    pretend(monkeypatch, "processor\t: 0\nFeatures\t: fp asimd bf16\n")
    assert has_bfloat16(torch.device("cpu"))
    pretend(monkeypatch, "processor\t: 0\nFeatures\t: fp asimd\n")
    assert not has_bfloat16(torch.device("cpu"))


def test_machine_names_versions_and_threads():
    found = machine()
    assert found["torch"] == version("torch")
    assert found["threads"] == torch.get_num_threads()
    assert found["python"] == platform.python_version()
