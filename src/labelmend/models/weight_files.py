"""Weights in a file of the user's, read without running code and matched to a network."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from labelmend.errors import LabelmendWarning, SettingsError
from labelmend.tensors import unpack

SUFFIXES = (".safetensors", ".pt", ".pth")
CONTAINERS = ("state_dict_ema", "model_ema", "state_dict", "model")
"""Keys under which training scripts keep the weights; averaged ones first, as timm does."""
WRAPPERS = ("module", "_orig_mod", "model", "extractor.model")
"""What wrappers put in front of names: data parallelism, torch.compile, Lightning, a run of labelmend."""


def check_file(path: Path) -> None:
    """Raise unless there is a file that may hold weights.

    Raises:
        SettingsError: If the file is missing or has another suffix.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise SettingsError(f"--weights {path} {what}; give a file that ends in {', '.join(SUFFIXES)}")
    if path.suffix.lower() not in SUFFIXES:
        raise SettingsError(f"--weights {path} must end in one of {', '.join(SUFFIXES)}")


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a weight file by name.

    Args:
        path: safetensors, or what ``torch.save`` wrote of a state dictionary. No code in it is run.

    Raises:
        SettingsError: If the file is missing, damaged, or holds anything but tensors.
    """
    check_file(path)
    try:
        found: Any = (
            load_file(path)
            if path.suffix.lower() == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except pickle.UnpicklingError as error:
        if "GLOBAL" in str(error):
            raise SettingsError(
                f"--weights {path} holds pickled Python objects, which can run code, and is refused; "
                "save the weights alone: torch.save(model.state_dict(), FILE)"
            ) from None
        raise _damaged(path, error) from None
    except Exception as error:  # damaged files make torch.load raise whatever it likes
        raise _damaged(path, error) from None
    # A container may hold another, but a file may also hold itself.
    for _ in CONTAINERS:
        found = next((found[key] for key in CONTAINERS if _is_inner(found, key)), found)
    if not isinstance(found, Mapping) or not found or not all(map(_is_named_tensor, found.items())):
        raise SettingsError(
            f"--weights {path} is not a dictionary of tensors by name; save one: "
            "torch.save(model.state_dict(), FILE)"
        )
    return dict(found)


def _is_inner(found: Any, key: str) -> bool:
    return isinstance(found, Mapping) and isinstance(found.get(key), Mapping)


def _is_named_tensor(item: tuple[object, object]) -> bool:
    name, tensor = item
    return (
        isinstance(name, str)
        and isinstance(tensor, Tensor)
        and not tensor.is_nested
        and tensor.layout == torch.strided
        and tensor.device.type == "cpu"
    )


def _damaged(path: Path, error: Exception) -> SettingsError:
    why = " ".join(str(error).split())[:120]
    return SettingsError(f"--weights {path} cannot be read ({type(error).__name__}: {why}); is it damaged?")


def fit_weights(path: Path, module: nn.Module, heads: tuple[str, ...], name: str) -> None:
    """Give a network the weights of a file; those of a head, which labelmend replaces, are left out.

    Args:
        path: see ``read_weights``.
        module: the network without its head; changed in place.
        heads: names of the head's modules in the whole network.
        name: of the network, for messages.

    Raises:
        SettingsError: If the file cannot be read, or its weights are not those of this network; the message
            names the first that differs.
    """
    state, expected = read_weights(path), module.state_dict()
    first = next(iter(expected))
    for wrapper in WRAPPERS:
        if first not in state:
            state = unpack(state, wrapper) or state
    left_out = [key for key in state if key.startswith(tuple(f"{head}." for head in heads))]
    if left_out:
        shape = tuple(state[left_out[0]].shape)
        warnings.warn(
            f"{path}: the head ({left_out[0]}, {shape}) is left out; labelmend makes its own",
            LabelmendWarning,
            stacklevel=2,
        )
    state = {key: value for key, value in state.items() if key not in left_out}
    _check(path, state, expected, name)
    module.load_state_dict(state, strict=False)


def _check(path: Path, state: dict[str, Tensor], expected: dict[str, Tensor], name: str) -> None:
    missing = [key for key in expected if key not in state and not key.endswith("num_batches_tracked")]
    for key, wanted in expected.items():
        if key in missing:
            raise SettingsError(
                f"--weights {path} does not fit {name}: {key} is missing, and {len(missing)} of "
                f"{len(expected)} tensors in all"
            )
        found = state.get(key)
        if found is None:
            continue
        if found.shape != wanted.shape or found.is_floating_point() != wanted.is_floating_point():
            raise SettingsError(
                f"--weights {path} does not fit {name}: {key} is {found.dtype} {tuple(found.shape)}, not "
                f"{wanted.dtype} {tuple(wanted.shape)}"
            )
        if not found.to(wanted.dtype).isfinite().all():
            raise SettingsError(f"--weights {path}: {key} has numbers that are not finite")
    more = [key for key in state if key not in expected]
    if more:
        raise SettingsError(
            f"--weights {path} does not fit {name}, which has no {more[0]} ({len(more)} tensors too many)"
        )
