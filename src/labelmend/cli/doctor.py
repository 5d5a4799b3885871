"""``labelmend doctor``: what a bug report needs to say of the machine."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, metadata, requires, version

import torch

from labelmend.cli.messages import say
from labelmend.data.decode import num_threads
from labelmend.memory import in_words, total_memory
from labelmend.training.machine import has_bfloat16, processor_name


def doctor() -> None:
    """Print what a bug report needs: versions, processor, threads, memory, devices, extras."""
    for title, text in facts():
        say(f"{title:<12} {text}")


def facts() -> Iterable[tuple[str, str]]:
    """Titles and what there is."""
    yield "labelmend", version("labelmend")
    yield "python", f"{platform.python_version()} ({platform.python_implementation()})"
    yield "system", platform.platform()
    yield "processor", processor_name()
    yield "bfloat16", "yes" if has_bfloat16(torch.device("cpu")) else "no (of the processor)"
    allowed = num_threads()
    set_by = {name: os.environ[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if name in os.environ}
    yield (
        "threads",
        f"{torch.get_num_threads()} of torch, {allowed} to decode, {os.cpu_count()} processors"
        + "".join(f", {name}={value}" for name, value in set_by.items()),
    )
    total = total_memory()
    yield "memory", "unknown" if total is None else in_words(total)
    yield "devices", ", ".join(_devices())
    yield "terminal", f"{os.environ.get('TERM', 'none')}, {_encodings()}"
    for extra, names in _requirements().items():
        yield extra or "needs", ", ".join(f"{name} {_installed(name)}" for name in names)


def _devices() -> list[str]:
    found = ["cpu"]
    for index in range(torch.cuda.device_count()):
        device = torch.device("cuda", index)
        found.append(f"cuda:{index} {torch.cuda.get_device_name(device)} (CUDA {torch.version.cuda})")
    return [*found, "mps"] if torch.backends.mps.is_available() else found


def _encodings() -> str:
    return f"stdout {sys.stdout.encoding}, files {sys.getfilesystemencoding()}"


def _requirements() -> dict[str, list[str]]:
    """Names of the packages that labelmend needs (""), and of those that each extra adds."""
    found: dict[str, list[str]] = {"": [], **{extra: [] for extra in _extras()}}
    for requirement in requires("labelmend") or ():
        name = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"extra == ['\"](\w+)['\"]", requirement)
        if name is not None:
            found.setdefault(extra[1] if extra else "", []).append(name[0])
    return found


def _extras() -> list[str]:
    return metadata("labelmend").get_all("Provides-Extra") or []


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "-"
