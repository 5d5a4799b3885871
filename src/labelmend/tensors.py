"""Named tensors on disk: one safetensors file, written atomically, with JSON-able values in its header."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from labelmend.errors import RunError
from labelmend.files import replacing


def save_tensors(path: Path, tensors: dict[str, Tensor], info: dict[str, Any]) -> None:
    """Write tensors and JSON-able values to one file, by way of a temporary name.

    Args:
        path: the file to write.
        tensors: any tensors; stored contiguously on the CPU.
        info: JSON-able values, kept in the header.
    """
    plain = {name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()}
    with replacing(path) as temporary:
        save_file(plain, temporary, metadata={"info": json.dumps(info)})
        # safetensors writes files for their owner alone, whatever the user's mask says.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what ``save_tensors`` wrote.

    Raises:
        RunError: If the file is missing or damaged.
    """
    if not path.is_file():
        raise RunError(f"{path} does not exist; there is nothing to go on from")
    try:
        with safe_open(path, "pt") as file:
            info = json.loads((file.metadata() or {})["info"])
            return {name: file.get_tensor(name) for name in file.keys()}, info  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError) as error:
        raise RunError(f"{path} is damaged ({error}); start again with --overwrite") from error


def pack(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Names with ``prefix.`` in front."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def unpack(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors below ``prefix.``, without it."""
    start = f"{prefix}."
    return {name[len(start) :]: tensor for name, tensor in tensors.items() if name.startswith(start)}
