"""Read published pickles of arrays (CIFAR batches, human labels) without running what is in them."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from labelmend.errors import DataError

_RECONSTRUCT = {("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")}
_SCALAR = {("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar")}
_FROMBUFFER = {("numpy.core.numeric", "_frombuffer"), ("numpy._core.numeric", "_frombuffer")}
_STORAGE_DTYPES = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("<i1"),
    "ByteStorage": np.dtype("<u1"),
    "BoolStorage": np.dtype("?"),
}
_PLAIN = (str, bytes, int, float, bool, type(None), np.generic)


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickler that knows NumPy arrays, torch tensors (as arrays) and plain containers only."""

    def __init__(self, stream: io.BytesIO, path: Path, read_storage: Callable[[str], bytes] | None) -> None:
        super().__init__(stream, encoding="latin1")
        self._path = path
        self._read_storage = read_storage

    def find_class(self, module: str, name: str) -> Any:
        """The few globals that arrays need; a DataError names any other."""
        if (module, name) in _RECONSTRUCT:
            return np.empty(0).__reduce__()[0]
        if (module, name) in _SCALAR:
            return np.float64(0).__reduce__()[0]
        if (module, name) == ("numpy", "ndarray"):
            return np.ndarray
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _STORAGE_DTYPES:
            return _STORAGE_DTYPES[name]
        # Fresh functions at each call: a crafted pickle may set attributes of what it is handed.
        if (module, name) == ("_codecs", "encode"):
            return lambda text, encoding="latin1": _encode(text, encoding)
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, size, stride, *_: _strided(storage, offset, size, stride)
        if (module, name) in _FROMBUFFER:
            return lambda data, dtype, shape, order: _from_buffer(data, dtype, shape, order)
        raise DataError(
            f"{self._path}: the pickle asks for {module}.{name}, but only NumPy arrays, tensors and plain "
            "containers may be loaded; the file may be harmful, get it from its official source"
        )

    def persistent_load(self, pid: Any) -> np.ndarray:
        """A torch storage of the archive, as a flat array."""
        kind, dtype, key, _, count = pid
        if kind != "storage" or self._read_storage is None or not isinstance(dtype, np.dtype):
            raise pickle.UnpicklingError(f"unknown reference {pid!r}")
        return np.frombuffer(self._read_storage(str(key)), dtype=dtype, count=int(count))


def _encode(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1", "iso-8859-1"):
        raise pickle.UnpicklingError(f"bytes are written as {encoding!r} text; only latin1 is known")
    return text.encode("latin1")


def _from_buffer(
    data: bytes, dtype: np.dtype, shape: tuple[int, ...], order: Literal["C", "F"]
) -> np.ndarray:
    return np.frombuffer(data, dtype=dtype).reshape(shape, order=order).copy()


def _strided(storage: np.ndarray, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> np.ndarray:
    """The tensor of ``size`` and ``stride`` (in elements) within a flat storage, as a copy."""
    if min((offset, *size, *stride)) < 0 or len(size) != len(stride):
        raise pickle.UnpicklingError("a tensor has a negative or inconsistent shape")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if 0 not in size and last >= len(storage):
        raise pickle.UnpicklingError("a tensor reaches beyond its storage")
    steps = [step * storage.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], size, steps, writeable=False).copy()


def _check(value: Any, path: Path, depth: int = 0) -> None:
    """Raise unless ``value`` is made of arrays and plain containers."""
    if depth > 20:
        raise DataError(f"{path}: containers are nested more than 20 deep; this is not a file of arrays")
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise DataError(f"{path}: holds an array of Python objects; only arrays of numbers may be loaded")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check(key, path, depth + 1)
            _check(item, path, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            _check(item, path, depth + 1)
    elif not isinstance(value, _PLAIN):
        raise DataError(
            f"{path}: holds a {type(value).__name__}; only arrays and plain containers are loaded"
        )


def load_pickled_arrays(path: str | Path) -> dict[str, Any]:
    """Read a pickled dictionary of arrays, refusing everything that could run code.

    Takes plain pickles (Python 2 ones too: their byte strings come back as latin1 text) and the zip
    archives of ``torch.save``, whose tensors come back as NumPy arrays.

    Args:
        path: the file.

    Returns:
        The dictionary; values are NumPy arrays of numbers, numbers, strings, or lists, tuples and
        dictionaries of those.

    Raises:
        DataError: If the file is missing or damaged, asks for any global beyond those of NumPy arrays
            and torch tensors (the message names it), or does not hold a dictionary.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    try:
        value = _load_zip(path) if zipfile.is_zipfile(path) else _load_stream(path.read_bytes(), path, None)
    except DataError:
        raise
    except Exception as error:  # a damaged or hostile pickle can raise anything
        reason = f"{type(error).__name__}: {error}"
        raise DataError(f"{path}: not a readable pickle of arrays ({reason}); get the file again") from error
    if not isinstance(value, dict):
        raise DataError(f"{path}: holds a {type(value).__name__}, expected a dictionary of arrays")
    _check(value, path)
    return value


def _load_stream(data: bytes, path: Path, read_storage: Callable[[str], bytes] | None) -> Any:
    return _ArrayUnpickler(io.BytesIO(data), path, read_storage).load()


def _load_zip(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith("data.pkl")]
        if len(names) != 1:
            raise DataError(f"{path}: a zip file without one data.pkl is not an archive of torch.save")
        folder = names[0].removesuffix("data.pkl")
        return _load_stream(archive.read(names[0]), path, lambda key: archive.read(f"{folder}data/{key}"))
