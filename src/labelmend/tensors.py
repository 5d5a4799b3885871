"""Named tensors on disk: one safetensors file, written atomically, with JSON-able values in its header."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from labelmend.errors import RunError
from labelmend.files import replacing


def _digest(tensors: Mapping[str, Tensor], info: str) -> str:
    """SHA-256 (hex) of the names, types, shapes and bytes of tensors on the CPU, and of a text."""
    digest = hashlib.sha256(info.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def save_tensors(
    path: Path, tensors: dict[str, Tensor], info: dict[str, Any], previous: Path | None = None
) -> None:
    """Write tensors and JSON-able values to one file, by way of a temporary name.

    Args:
        path: the file to write.
        tensors: any tensors; stored contiguously on the CPU.
        info: JSON-able values, kept in the header beside a checksum of everything.
        previous: a name that the old file is kept under, if there is one.

    Raises:
        WriteError: If the system refuses.
    """
    plain = {name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()}
    text = json.dumps(info)
    # Through Python's files, because safetensors itself takes no path that is not UTF-8.
    content = save(plain, {"info": json.dumps([info, _digest(plain, text)])})
    with replacing(path, previous) as temporary:
        temporary.write_bytes(content)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what ``save_tensors`` wrote.

    Raises:
        RunError: If the file is missing, or is not what was written: any change shows in its checksum, which
            only files of older versions do not have.
    """
    if not path.is_file():
        raise RunError(f"{path} does not exist; there is nothing to go on from")
    try:
        content = path.read_bytes()
        tensors, header = load(content), _header(content)
        # Older versions wrote the values alone.
        info, checksum = header if isinstance(header, list) else (header, None)
        if not isinstance(info, dict):
            raise ValueError("its header is of another kind")
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise RunError(f"{path} is damaged ({' '.join(str(error).split())})") from error
    if checksum is not None and checksum != _digest(tensors, json.dumps(info)):
        raise RunError(f"{path} is damaged (its checksum is not that of its content)")
    return tensors, info


def _header(content: bytes) -> Any:
    """The values in the header of a safetensors file: its length in 8 bytes, then JSON."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["info"])


def all_finite(tensors: Mapping[str, Tensor]) -> bool:
    """Whether no tensor holds a NaN or an infinity."""
    return all(bool(tensor.isfinite().all()) for tensor in tensors.values())


def pack(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Names with ``prefix.`` in front."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def unpack(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors below ``prefix.``, without it."""
    start = f"{prefix}."
    return {name[len(start) :]: tensor for name, tensor in tensors.items() if name.startswith(start)}
