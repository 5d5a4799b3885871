"""What a result was computed on."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

import torch

# x86 and Arm, as Linux writes them.
BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16", "bf16")
VERSIONS_OF = ("torch", "numpy", "scikit-learn", "lightning-fabric")


def _processor() -> tuple[str, list[str]]:
    """Model of the processor and its flags, as far as the system tells."""
    name, flags = platform.processor() or platform.machine(), ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            elif key.strip() in ("flags", "Features"):
                flags = value
    return name, flags.split()


def processor_name() -> str:
    """Model of the processor, with the vector extensions that matter for convolution."""
    name, flags = _processor()
    known = [flag for flag in ("avx2", "avx512f", *BFLOAT16_FLAGS) if flag in flags]
    return f"{name} ({', '.join(known)})" if known else name


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 itself, as far as the system tells."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and any(flag in BFLOAT16_FLAGS for flag in _processor()[1])


def machine() -> dict[str, str | int]:
    """Processor, threads and versions, as JSON-able values."""
    return {
        "processor": processor_name(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        **{name: version(name) for name in VERSIONS_OF},
    }
