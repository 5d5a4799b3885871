import pytest
import torch

from labelmend.training import arithmetic
from labelmend.training.arithmetic import choose_arithmetic

CPU = torch.device("cpu")


@pytest.mark.parametrize(("native", "precision"), [(True, "bfloat16"), (False, "float32")])
def test_the_processor_decides(monkeypatch, native, precision):
    monkeypatch.setattr(arithmetic, "has_bfloat16", lambda _device: native)
    chosen = choose_arithmetic(CPU)
    assert (chosen.precision, chosen.memory_format) == (precision, "channels_last")


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
@pytest.mark.parametrize("memory_format", ["channels_last", "contiguous"])
def test_what_is_set_stays(monkeypatch, native, precision, memory_format):
    monkeypatch.setattr(arithmetic, "has_bfloat16", lambda _device: native)
    chosen = choose_arithmetic(CPU, precision, memory_format)
    assert (chosen.precision, chosen.memory_format) == (precision, memory_format)
    assert choose_arithmetic(CPU, memory_format=memory_format).memory_format == memory_format


def test_nothing_is_timed(monkeypatch):
    monkeypatch.setattr("time.perf_counter", lambda: pytest.fail("a clock decided"))
    assert choose_arithmetic(CPU) == choose_arithmetic(CPU)
