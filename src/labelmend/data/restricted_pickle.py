"""Read published pickles of arrays (CIFAR batches, human labels) without an unpickler.

A pickle is a program for a small stack machine, and Python's own machine calls what the program names and
hands NumPy whatever state it is given. The machine here knows the instructions that build numbers, strings,
lists, tuples and dictionaries, and the few calls that stand for an array of numbers; of those it takes the
dtype, the shape and the bytes, checks them against each other, and builds the array itself. Nothing that the
file names is called.

Reference: ``pickletools`` of the standard library, which says what each instruction does.
"""

from __future__ import annotations

import codecs
import io
import math
import pickletools
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelmend.data.zip_files import open_zip
from labelmend.errors import DataError
from labelmend.memory import fits_in_memory, in_words

DTYPES = frozenset({"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"})
"""Dtypes that are built, without their byte order; none has fields, sub-arrays or pointers."""
STORAGES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "|b1",
}
GLOBALS = {
    **dict.fromkeys(("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"), "array"),
    **dict.fromkeys(("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"), "scalar"),
    **dict.fromkeys(("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"), "buffer"),
    "numpy.ndarray": "ndarray",
    "numpy.dtype": "dtype",
    "collections.OrderedDict": "dict",
    "_codecs.encode": "encode",
    **dict.fromkeys(("__builtin__.bytes", "builtins.bytes"), "no bytes"),
    "torch._utils._rebuild_tensor_v2": "tensor",
    **{f"torch.{name}": name for name in STORAGES},
}
"""What a pickle may name, and what is meant by it."""
DEPTH = 20
"""Containers within containers; published files have two."""
COPIES = 4
"""How many times its own size a file may take as arrays; honest ones take one."""


@dataclass(frozen=True)
class _Name:
    """A global that the pickle names; ``meaning`` is one of the values of ``GLOBALS``."""

    meaning: str


class _Mark:
    """Where a list of arguments begins on the stack."""


@dataclass
class _Dtype:
    """A dtype without its byte order, which comes with the state that follows."""

    code: str
    order: str = "|"

    @property
    def numpy(self) -> np.dtype:
        return np.dtype(self.order + self.code)


@dataclass
class _Array:
    """An array whose dtype, shape and bytes follow."""

    values: np.ndarray | None = None


class _Refused(Exception):
    """Why a pickle is not read."""


ReadStorage = Callable[[str], bytes]


class _Machine:
    """The stack machine.

    Args:
        data: the pickle.
        read_storage: bytes of a torch storage by its key, or None outside an archive of torch.
        room: bytes that may be copied into arrays.
    """

    def __init__(self, data: bytes, read_storage: ReadStorage | None, room: int) -> None:
        self.stream = io.BytesIO(data)
        self.read_storage = read_storage
        self.room = room
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.steps = 0
        self.left = 0

    def run(self) -> Any:
        """The value of the pickle, of plain containers, scalars and arrays."""
        while True:
            code = self.stream.read(1)
            opcode = _OPCODES.get(code)
            if opcode is None:
                raise _Refused(f"there is no instruction {code!r}" if code else "it ends in the middle")
            self.steps += 1
            if opcode.name == "STOP":
                self.left = 2 * self.steps
                return self._plain(self._pop(), 0)
            self._step(opcode)

    def _step(self, opcode: pickletools.OpcodeInfo) -> None:
        name = opcode.name
        if name == "STRING":
            self.stack.append(self._quoted_line())
            return
        argument = None if opcode.arg is None else opcode.arg.reader(self.stream)  # type: ignore[attr-defined]
        if name in _VALUES:
            self.stack.append(_scalar(argument))
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _INSTRUCTIONS:
            _INSTRUCTIONS[name](self, argument)
        else:
            raise _Refused(f"the instruction {name} builds no array")

    def _quoted_line(self) -> str:
        """A string as Python 2 writes it: quoted, escaped bytes."""
        line = self.stream.readline().strip()
        if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
            raise _Refused("a string has no quotes")
        return codecs.escape_decode(line[1:-1])[0].decode("latin1")

    def _pop(self) -> Any:
        if not self.stack or isinstance(self.stack[-1], _Mark):
            raise _Refused("an instruction lacks its arguments")
        return self.stack.pop()

    def _pop_to_mark(self) -> list[Any]:
        for position in range(len(self.stack) - 1, -1, -1):
            if isinstance(self.stack[position], _Mark):
                values = self.stack[position + 1 :]
                del self.stack[position:]
                return values
        raise _Refused("an instruction lacks its arguments")

    def _top(self, kind: type) -> Any:
        if not self.stack or type(self.stack[-1]) is not kind:
            raise _Refused(f"there is no {kind.__name__.strip('_').lower()} to fill")
        return self.stack[-1]

    def mark(self, _: Any) -> None:
        self.stack.append(_Mark())

    def pop(self, _: Any) -> None:
        if not self.stack:
            raise _Refused("an instruction lacks its arguments")
        self.stack.pop()

    def pop_mark(self, _: Any) -> None:
        self._pop_to_mark()

    def ignore(self, _: Any) -> None:
        """Protocol and frame: nothing to do."""

    def empty_list(self, _: Any) -> None:
        self.stack.append([])

    def empty_dict(self, _: Any) -> None:
        self.stack.append({})

    def empty_tuple(self, _: Any) -> None:
        self.stack.append(())

    def make_list(self, _: Any) -> None:
        self.stack.append(self._pop_to_mark())

    def make_tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._pop_to_mark()))

    def short_tuple(self, length: int) -> None:
        self.stack.append(tuple([self._pop() for _ in range(length)][::-1]))

    def make_dict(self, _: Any) -> None:
        values = self._pop_to_mark()
        self.stack.append({})
        self._fill(values)

    def append(self, _: Any) -> None:
        value = self._pop()
        self._top(list).append(value)

    def appends(self, _: Any) -> None:
        values = self._pop_to_mark()
        self._top(list).extend(values)

    def set_item(self, _: Any) -> None:
        value, key = self._pop(), self._pop()
        self._fill([key, value])

    def set_items(self, _: Any) -> None:
        self._fill(self._pop_to_mark())

    def _fill(self, values: list[Any]) -> None:
        target, keys = self._top(dict), values[::2]
        # Strings alone have hashes that a file cannot choose.
        if len(values) % 2 or not all(isinstance(key, str | bytes) for key in keys):
            raise _Refused("a dictionary has a key that is no string")
        target.update(zip(keys, values[1::2], strict=True))

    def put(self, key: int) -> None:
        if not self.stack:
            raise _Refused("an instruction lacks its arguments")
        self.memo[key] = self.stack[-1]

    def memoize(self, _: Any) -> None:
        self.put(len(self.memo))

    def get(self, key: int) -> None:
        if key not in self.memo:
            raise _Refused(f"it refers to a value {key} that is not there")
        self.stack.append(self.memo[key])

    def name(self, argument: str) -> None:
        self.stack.append(_named(argument.replace(" ", ".")))

    def stacked_name(self, _: Any) -> None:
        name, module = self._pop(), self._pop()
        self.stack.append(_named(f"{module}.{name}"))

    def storage(self, _: Any) -> None:
        reference = self._pop()
        if self.read_storage is None or type(reference) is not tuple or len(reference) != 5:
            raise _Refused("it refers to something outside it")
        kind, name, key, _device, count = reference
        if kind != "storage" or type(name) is not _Name or name.meaning not in STORAGES:
            raise _Refused("it refers to something that is no tensor of numbers")
        dtype, data = np.dtype(STORAGES[name.meaning]), self.read_storage(str(key))
        if _count(count) * dtype.itemsize > len(data):
            raise _Refused("a tensor reaches beyond its storage")
        self.stack.append(np.frombuffer(data, dtype=dtype, count=count))

    def call(self, _: Any) -> None:
        arguments, function = self._pop(), self._pop()
        if type(function) is not _Name or type(arguments) is not tuple:
            raise _Refused("it calls something that builds no array")
        build = _CALLS.get(function.meaning)
        if build is None:
            raise _Refused(f"it calls {function.meaning}, which builds no array")
        self.stack.append(build(self, *arguments))

    def build(self, _: Any) -> None:
        state = self._pop()
        target = self.stack[-1] if self.stack else None
        if type(target) is _Dtype:
            target.order = _byte_order(state)
        elif type(target) is _Array and type(state) is tuple and len(state) == 5:
            _version, shape, dtype, is_fortran, data = state
            target.values = self.array(dtype, shape, "F" if is_fortran else "C", data)
        else:
            raise _Refused("it sets the state of something that is no array")

    def array(self, dtype: Any, shape: Any, order: Any, data: Any) -> np.ndarray:
        """An array of its own from bytes (or latin1 text, as Python 2 has them) of exactly its size."""
        if type(dtype) is not _Dtype or type(shape) is not tuple or order not in ("C", "F"):
            raise _Refused("an array has no dtype or shape")
        if isinstance(data, list):
            raise _Refused("it holds an array of Python objects; only arrays of numbers may be loaded")
        content = self.encode(data, "latin1") if isinstance(data, str) else data
        if not isinstance(content, bytes | bytearray):
            raise _Refused("an array has no bytes")
        if math.prod(map(_count, shape)) * dtype.numpy.itemsize != len(content) or len(shape) > 8:
            raise _Refused(f"an array of shape {shape} has {len(content)} bytes")
        self._take(len(content))
        return np.frombuffer(content, dtype=dtype.numpy).reshape(shape, order=order).copy()

    def encode(self, text: Any, encoding: Any = "latin1") -> bytes:
        if encoding not in ("latin1", "latin-1", "iso-8859-1") or not isinstance(text, str):
            raise _Refused(f"bytes are written as {encoding!r} text; only latin1 is known")
        self._take(len(text))
        return text.encode("latin1")

    def scalar(self, dtype: Any, data: Any) -> Any:
        return self.array(dtype, (), "C", data)[()]

    def tensor(self, storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> np.ndarray:
        """The tensor of ``size`` and ``stride`` (in elements) within a flat storage, as a copy."""
        if type(storage) is not np.ndarray or storage.ndim != 1 or type(size) is not tuple:
            raise _Refused("a tensor has no storage or size")
        if type(stride) is not tuple or len(size) != len(stride) or len(size) > 8:
            raise _Refused("a tensor has a negative or inconsistent shape")
        counts, strides = [_count(n) for n in size], [_count(step) for step in stride]
        last = _count(offset) + sum((n - 1) * step for n, step in zip(counts, strides, strict=True))
        if 0 in counts:
            return np.empty(counts, storage.dtype)
        if last >= len(storage):
            raise _Refused("a tensor reaches beyond its storage")
        self._take(math.prod(counts) * storage.itemsize)
        steps = [step * storage.itemsize for step in strides]
        return np.lib.stride_tricks.as_strided(storage[offset:], counts, steps, writeable=False).copy()

    def dictionary(self, pairs: Any = ()) -> dict[Any, Any]:
        """Of ``OrderedDict()`` and of ``OrderedDict([[key, value], ...])``."""
        if not isinstance(pairs, list | tuple) or not all(isinstance(p, list) and len(p) == 2 for p in pairs):
            raise _Refused("a dictionary is not made of pairs")
        self.stack.append({})
        self._fill([value for pair in pairs for value in pair])
        filled: dict[Any, Any] = self.stack.pop()
        return filled

    def _take(self, size: int) -> None:
        self.room -= size
        if self.room < 0:
            raise _Refused("it uses the same bytes for array after array")

    def _plain(self, value: Any, depth: int) -> Any:
        """The value without placeholders, as a tree: what occurs in several places counts for each."""
        self.left -= 1
        if self.left < 0:
            raise _Refused("its containers hold each other over and over")
        if isinstance(value, list | tuple | dict):
            if depth == DEPTH:
                raise _Refused(f"containers are nested more than {DEPTH} deep; this is no file of arrays")
            if isinstance(value, dict):
                return {key: self._plain(item, depth + 1) for key, item in value.items()}
            return type(value)([self._plain(item, depth + 1) for item in value])
        if type(value) is _Array and value.values is not None:
            return value.values
        if value is None or isinstance(value, str | bytes | int | float | np.ndarray | np.generic):
            return value
        raise _Refused(f"it holds a {type(value).__name__.strip('_').lower()} that is no array")


def _scalar(value: Any) -> Any:
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise _Refused("it holds a number of more than 64 bits")
    return value


def _count(value: Any) -> int:
    """A length or a step."""
    if type(value) is not int or value < 0:
        raise _Refused("a tensor has a negative or inconsistent shape")
    return value


def _named(name: str) -> _Name:
    if name not in GLOBALS:
        raise DataError(
            f"the pickle asks for {name}, but only NumPy arrays, tensors and plain containers may be loaded; "
            "the file may be harmful, get it from its official source"
        )
    return _Name(GLOBALS[name])


def _dtype(code: Any, *_: Any) -> _Dtype:
    plain = str(code).lstrip("<>|=")
    if plain.startswith("O"):
        raise _Refused("it holds an array of Python objects; only arrays of numbers may be loaded")
    if plain not in DTYPES:
        raise _Refused(f"it holds an array of type {code!r}; only arrays of numbers may be loaded")
    order = str(code)[: len(str(code)) - len(plain)]
    return _Dtype(plain, order if len(order) == 1 else "|")


def _byte_order(state: Any) -> str:
    """Byte order in the state of a dtype, which says nothing else of a number.

    The state of others has fields, a sub-array or flags, and would have NumPy take bytes for pointers.
    """
    if type(state) is not tuple or len(state) < 5 or state[1] not in ("<", ">", "|", "="):
        raise _Refused("a dtype has no byte order")
    if any(part is not None for part in state[2:5]) or any(part not in (-1, 0) for part in state[5:]):
        raise _Refused("it holds an array with fields or sub-arrays; only arrays of numbers may be loaded")
    return str(state[1])


_OPCODES = {opcode.code.encode("latin1"): opcode for opcode in pickletools.opcodes}
_WHOLE = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4")
_TEXT = ("BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8")
_BYTES = ("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8")
_VALUES = frozenset((*_WHOLE, "FLOAT", "BINFLOAT", *_TEXT, *_BYTES))
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_INSTRUCTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": _Machine.ignore,
    "FRAME": _Machine.ignore,
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "POP_MARK": _Machine.pop_mark,
    "EMPTY_LIST": _Machine.empty_list,
    "EMPTY_DICT": _Machine.empty_dict,
    "EMPTY_TUPLE": _Machine.empty_tuple,
    "LIST": _Machine.make_list,
    "TUPLE": _Machine.make_tuple,
    "TUPLE1": lambda machine, _: machine.short_tuple(1),
    "TUPLE2": lambda machine, _: machine.short_tuple(2),
    "TUPLE3": lambda machine, _: machine.short_tuple(3),
    "DICT": _Machine.make_dict,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Machine.put),
    "MEMOIZE": _Machine.memoize,
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get),
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.stacked_name,
    "BINPERSID": _Machine.storage,
    "REDUCE": _Machine.call,
    "BUILD": _Machine.build,
}
_CALLS: dict[str, Callable[..., Any]] = {
    "array": lambda machine, *_: _Array(),
    "scalar": _Machine.scalar,
    "buffer": lambda machine, data, dtype, shape, order: machine.array(dtype, shape, order, data),
    "dtype": lambda machine, *arguments: _dtype(*arguments),
    "dict": _Machine.dictionary,
    "encode": _Machine.encode,
    # Protocol 2 has no bytes: Python 3 writes some as text to encode, and none as a call without arguments.
    "no bytes": lambda machine: b"",
    "tensor": _Machine.tensor,
}


def load_pickled_arrays(path: str | Path) -> dict[str, Any]:
    """Read a pickled dictionary of arrays; nothing that the file names is called.

    Takes plain pickles (Python 2 ones too: their byte strings come back as latin1 text) and the zip
    archives of ``torch.save``, whose tensors come back as NumPy arrays.

    Args:
        path: the file.

    Returns:
        The dictionary; values are NumPy arrays of numbers, numbers, strings, or lists, tuples and
        dictionaries of those.

    Raises:
        DataError: If the file is missing or damaged, names any global beyond those of NumPy arrays and
            torch tensors (the message has it), does not hold a dictionary, or would take many times its
            own size.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    if not fits_in_memory(size := path.stat().st_size):
        raise DataError(f"{path}: {in_words(size)}, more than this machine's memory")
    try:
        value = _load_zip(path) if zipfile.is_zipfile(path) else _load_plain(path.read_bytes())
    except DataError as error:
        raise DataError(error.args[0] if str(path) in error.args[0] else f"{path}: {error.args[0]}") from None
    except Exception as error:  # a damaged or hostile pickle can raise anything
        reason = f"{error}" if isinstance(error, _Refused) else f"{type(error).__name__}: {error}"
        raise DataError(f"{path}: not a readable pickle of arrays ({reason}); get the file again") from None
    if not isinstance(value, dict):
        raise DataError(f"{path}: holds a {type(value).__name__}, expected a dictionary of arrays")
    return value


def _load_plain(data: bytes) -> Any:
    return _Machine(data, None, COPIES * len(data)).run()


def _load_zip(path: Path) -> Any:
    with open_zip(path) as archive:
        names = [name for name in archive.namelist() if name.endswith("data.pkl")]
        if len(names) != 1:
            raise DataError("a zip file without one data.pkl is not an archive of torch.save")
        folder = names[0].removesuffix("data.pkl")
        storages: dict[str, bytes] = {}

        def read_storage(key: str) -> bytes:
            if key not in storages:
                storages[key] = archive.read(f"{folder}data/{key}")
            return storages[key]

        size = sum(member.file_size for member in archive.infolist())
        return _Machine(archive.read(names[0]), read_storage, COPIES * size).run()
