"""What a result was computed on."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

import torch

VERSIONS_OF = ("torch", "numpy", "scikit-learn", "lightning-fabric")


def processor_name() -> str:
    """Model of the processor, with the vector extensions that matter for convolution."""
    name, flags = platform.processor() or platform.machine(), ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            elif key.strip() == "flags":
                flags = value
    known = [f for f in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f in flags.split()]
    return f"{name} ({', '.join(known)})" if known else name


def machine() -> dict[str, str | int]:
    """Processor, threads and versions, as JSON-able values."""
    return {
        "processor": processor_name(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        **{name: version(name) for name in VERSIONS_OF},
    }
