"""What is handed to the readers: valid files, mutated, and files made of the words of their formats."""

from __future__ import annotations

import io
import json
import pickle
import pickletools
import zipfile
from collections import OrderedDict

import numpy as np
from hypothesis import strategies as st

WORDS = [
    *(
        "budget",
        "epochs",
        "method",
        "name",
        "mend",
        "seed",
        "widths",
        "data",
        "labels",
        "noise",
        "rows",
        "seeds",
    ),
    *(
        "symmetric:0.2",
        "true",
        "null",
        "~",
        ".inf",
        ".nan",
        "1e999",
        "0x10",
        "0o7",
        "1:30",
        "2001-01-01",
        "-1",
    ),
    *(
        "18446744073709551616",
        "&a",
        "*a",
        "<<",
        "!!python/object:os.system",
        "!!binary",
        "!!set",
        "?",
        "|",
        ">",
    ),
    *(
        "- ",
        ": ",
        ":\n  ",
        ", ",
        "\n",
        "[",
        "]",
        "{",
        "}",
        "'",
        '"',
        "#",
        "---",
        "...",
        "\\x00",
        "\\uD800",
        "\t",
    ),
]
CELLS = [
    *(
        "id",
        "label",
        "file_name",
        "path",
        "image",
        "split",
        "trusted",
        "true_label",
        "noisy_label",
        "train",
        "test",
    ),
    *(
        "cat",
        "dog",
        "0",
        "1",
        "-1",
        "nan",
        "NA",
        "",
        " ",
        '"',
        '""',
        "'=1",
        "=1+1",
        "a.png",
        "../a.png",
        "/dev/zero",
    ),
    *(
        "a\x00b",
        "\ud800",
        "\x1b[31m",
        "True",
        "yes",
        "1e400",
        "9" * 400,
        "[]",
        "{}",
        '["cat"]',
        "\ufeff",
        "n" * 300,
    ),
]


@st.composite
def mutated(draw: st.DrawFn, whole: bytes) -> bytes:
    """Some bytes of a file changed, cut out, doubled or put in."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, max(len(data) - 1, 0)))
        length = draw(st.sampled_from([1, 1, 1, 2, 4, 8, 40]))
        piece = draw(st.binary(min_size=1, max_size=length) | st.sampled_from(INTERESTING))
        kind = draw(st.sampled_from(["change", "cut", "double", "insert", "end"]))
        if kind == "change":
            data[place : place + len(piece)] = piece
        elif kind == "cut":
            del data[place : place + length]
        elif kind == "double":
            data[place:place] = data[place : place + length] * 2
        elif kind == "insert":
            data[place:place] = piece
        else:
            del data[place:]
    return bytes(data)


INTERESTING = [
    *(
        b"\x00" * 4,
        b"\xff" * 4,
        b"\xff" * 8,
        b"\x7f\xff\xff\xff",
        b"\x80\x00\x00\x00",
        b"\n",
        b"\x80\x04",
        b".",
    ),
    *(
        b"N",
        b"R",
        b"b",
        b"\x85",
        b"\x86",
        b"\x87",
        b"(",
        b"t",
        b"l",
        b"d",
        b"]",
        b"}",
        b"2",
        b"0",
        b"h\x00",
        b"q\x01",
    ),
    *(b"null", b"[]", b"{}", b"-1", b"1e999", b"NaN", b'"x"', b"true", b"\xed\xa0\x80", b"\xef\xbb\xbf"),
]


def zipped(pickled: bytes, **members: bytes) -> bytes:
    """As torch.save writes it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        for name, content in members.items():
            archive.writestr(f"archive/data/{name}", content)
    return stream.getvalue()


VALUES = {
    "labels": np.arange(6, dtype=np.int64),
    "names": ["a", "b"],
    "n": OrderedDict(a=(1, 2.5, None, True)),
}
PICKLES = [pickle.dumps(VALUES, protocol=protocol) for protocol in range(6)]
TENSOR = (
    b"\x80\x02}q\x00X\x01\x00\x00\x00tq\x01ctorch._utils\n_rebuild_tensor_v2\nq\x02((X\x07\x00\x00\x00storageq\x03"
    b"ctorch\nLongStorage\nq\x04X\x01\x00\x00\x000q\x05X\x03\x00\x00\x00cpuq\x06K\x04tq\x07QK\x00K\x04\x85q\x08K\x01\x85"
    b"q\t\x89ccollections\nOrderedDict\nq\n)Rq\x0btq\x0cRq\rs."
)
STORAGE = np.arange(4, dtype=np.int64).tobytes()
CODES = st.sampled_from([opcode.code.encode("latin1") for opcode in pickletools.opcodes])
NAMES = st.sampled_from(
    [
        b"cnumpy\ndtype\n",
        b"cnumpy\nndarray\n",
        b"cnumpy.core.multiarray\n_reconstruct\n",
        b"cnumpy.core.multiarray\nscalar\n",
        b"cnumpy._core.numeric\n_frombuffer\n",
        b"c_codecs\nencode\n",
        b"ccollections\nOrderedDict\n",
        b"ctorch._utils\n_rebuild_tensor_v2\n",
        b"cos\nsystem\n",
        b"U\x02i8",
        b"U\x02O8",
        b"U\x01<",
        b"U\x06latin1",
        b"K\x08",
        b"C\x08\x01\x00\x00\x00\x00\x00\x00\x00",
        b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t",
        b"K\x01\x85",
    ]
)


def pickles() -> st.SearchStrategy[bytes]:
    """Pickles, archives of torch, and programs of the machine."""
    programs = st.lists(CODES | NAMES | st.binary(max_size=3), max_size=40).map(b"".join)
    archives = st.sampled_from(PICKLES).flatmap(mutated).map(zipped) | mutated(TENSOR).map(
        lambda data: zipped(data, **{"0": STORAGE})
    )
    whole = mutated(zipped(TENSOR, **{"0": STORAGE}))
    return (
        st.sampled_from(PICKLES).flatmap(mutated)
        | programs.map(lambda p: b"\x80\x02}" + p + b".")
        | archives
        | whole
    )


def numpy_files() -> st.SearchStrategy[bytes]:
    """``.npz`` archives and ``.npy`` files."""
    stream, single = io.BytesIO(), io.BytesIO()
    np.savez_compressed(stream, images=np.zeros((3, 4, 4), np.uint8), labels=np.array(["a", "b", "a"]))
    np.save(single, np.zeros((3, 4, 4), np.uint8))
    inside = mutated(single.getvalue()).map(lambda data: _archive({"images.npy": data}))
    return mutated(stream.getvalue()) | inside | mutated(single.getvalue())


def _archive(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def yaml_files(valid: bytes) -> st.SearchStrategy[bytes]:
    """Settings and suites, mutated, and text of YAML's own words."""
    words = st.lists(st.sampled_from(WORDS) | st.text(max_size=4), max_size=40).map("".join)
    return mutated(valid) | words.map(lambda text: text.encode("utf-8", "surrogatepass"))


OTHERS = ["id", "split", "trusted", "true_label", "more"]
COLUMNS = ["id", "label", "file_name", "split", "trusted", "true_label", "noisy_label", "path"]


@st.composite
def csv_files(draw: st.DrawFn, separator: str = ",") -> bytes:
    """Tables with columns that mean something, and cells that do, or not."""
    header = draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=5, unique=draw(st.booleans())))
    if draw(st.booleans()):
        header = ["file_name", "label", *header[2:]]
    good = {"file_name": ["0.png", "1.png", "2.png"], "label": ["cat", "dog"], "id": ["0", "1", "2"]}
    lines = [separator.join(header)]
    for _ in range(draw(st.integers(0, 6))):
        cells = [
            draw(st.sampled_from(good.get(name, CELLS)) | st.sampled_from(CELLS) | st.text(max_size=4))
            for name in header
        ]
        lines.append(separator.join(cells))
    text = "\n".join(lines).encode("utf-8", "surrogatepass")
    return draw(mutated(text)) if draw(st.booleans()) else text


def json_values() -> st.SearchStrategy[object]:
    """Anything that JSON can hold, made of names that files of runs have."""
    leaf = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.sampled_from(CELLS)
        | st.sampled_from([2**63, 10**30, -(2**64), "fastnet", "cpu"])
    )
    return st.recursive(
        leaf,
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(CELLS), inner, max_size=4)
        ),
        max_leaves=8,
    )


@st.composite
def edited(draw: st.DrawFn, valid: dict[str, object]) -> bytes:
    """A JSON object with some keys changed, removed or added; sometimes with bytes changed too."""
    values = dict(valid)
    for _ in range(draw(st.integers(0, 3))):
        key = draw(st.sampled_from([*valid, "more"]))
        if draw(st.booleans()):
            values[key] = draw(json_values())
        else:
            values.pop(key, None)
    text = json.dumps(values).encode("utf-8", "surrogatepass")
    return draw(mutated(text)) if draw(st.booleans()) else text


def jsonl_files() -> st.SearchStrategy[bytes]:
    """Lines of JSON objects."""
    name = st.sampled_from(["0.png", "1.png", "2.png"]) | json_values()
    label = st.sampled_from(["cat", "dog", 0, 1]) | json_values()
    rows = st.fixed_dictionaries(
        {"file_name": name, "label": label}, optional=dict.fromkeys(OTHERS, json_values())
    )
    lines = st.lists(rows.map(json.dumps), max_size=5).map("\n".join)
    texts = lines.map(lambda found: found.encode("utf-8", "surrogatepass"))
    return texts | texts.flatmap(mutated)
