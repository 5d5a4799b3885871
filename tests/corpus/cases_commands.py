"""Command lines of bad and extreme values: each is refused in one line that names what is wrong."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

import labelmend
from corpus.build import put, write
from corpus.registry import CASES, Case, Command
from labelmend.runs.checksums import SUMS

FAST = ("--no-report", "--epochs=1", "--batch-size=4", "--widths=8", "--depth=1", "--precision=float32")
Make = Callable[[Path], Command]


def refused(name: str, make: Make, error: str) -> None:
    """Register a command line that ends with exit code 2 and a line that fits ``error``."""
    CASES.append(Case(name, make, error=rf"(?m)^labelmend: error: .*{error}"))


def photos(folder: Path) -> str:
    return str(put(folder / "photos", *(f"{name}/{i}.png" for name in ("cat", "dog") for i in range(4))))


@cache
def finished() -> Path:
    """A finished run of few small images."""
    pixels = np.random.default_rng(0).integers(0, 255, (12, 8, 8), dtype=np.uint8)
    folder = Path(tempfile.mkdtemp()) / "run"
    settings = {"epochs": 1, "batch_size": 4, "widths": [8], "depth": 1, "precision": "float32"}
    labelmend.fit((pixels, ["cat", "dog"] * 6), out=folder, memory_format="contiguous", **settings)
    # Every edit would show in the checksums, which folders of older versions do not have.
    (folder / SUMS).unlink()
    return folder


def fit_with(*flags: str) -> Make:
    return lambda folder: Command(["fit", photos(folder), "--out", str(folder / "run"), *FAST, *flags])


FLAGS = {
    "seed_beyond_64_bits": (
        "--seed=18446744073709551616",
        "--seed is 18446744073709551616, but must be from 0",
    ),
    "seed_negative": ("--seed=-1", "--seed is -1, but must be from 0"),
    "seed_fraction": ("--seed=1.5", "--seed is '1.5', but must be a whole number"),
    "seed_true": ("--seed=true", "--seed is 'True', but must be a whole number|--seed is 'true'"),
    "seed_empty": ("--seed=", "--seed"),
    "widths_too_large": ("--widths=100000,100000", r"--widths is \[100000, 100000\].*from 4 to 8192"),
    "widths_beyond_memory": (
        "--widths=8192,8192,8192,8192,8192,8192,8192",
        "more than this machine's memory",
    ),
    "widths_none": ("--widths=", r"--widths is \[\]"),
    "widths_words": ("--widths=a,b", "--widths"),
    "widths_fractions": ("--widths=8.5", "--widths"),
    "widths_true": ("--widths=true,8", "--widths"),
    "widths_many": ("--widths=" + ",".join(["8"] * 30), "--widths"),
    "epochs_infinite": ("--epochs=inf", "--epochs is '?inf'?, but must be"),
    "epochs_nan": ("--epochs=nan", "--epochs is '?nan'?, but must be"),
    "epochs_none": ("--epochs=0", "--epochs is 0.0, but must be above 0"),
    "epochs_overflow": ("--epochs=1e400", "--epochs is '?(inf|1e400)"),
    "epochs_true": ("--epochs=true", "--epochs"),
    "minutes_infinite": ("--minutes=.inf", "--minutes|--epochs"),
    "flops_negative": ("--flops=-1", "--flops|--epochs"),
    "two_budgets": ("--minutes=1", "give one budget rule only"),
    "batch_of_one": ("--batch-size=1", "--batch-size is 1, but must be at least 2"),
    "batch_beyond_64_bits": ("--batch-size=99999999999999999999", "--batch-size"),
    "batch_fraction": ("--batch-size=2.5", "--batch-size is '?2.5'?, but must be a whole number"),
    "lr_nan": ("--lr=nan", "--lr is '?nan"),
    "lr_infinite": ("--lr=inf", "--lr is '?inf"),
    "lr_none": ("--lr=0", "--lr is 0.0, but must be above 0"),
    "momentum_one": ("--momentum=1", "--momentum is 1.0"),
    "size_too_small": ("--image-size=3", "--image-size is 3, but must be from 4 to 1024"),
    "size_too_large": ("--image-size=99999999", "--image-size"),
    "limit_one": ("--limit=1", "--limit is 1, but must be at least 2"),
    "limit_beyond_64_bits": ("--limit=99999999999999999999", "--limit"),
    "test_every_never": ("--test-every=0", "--test-every"),
    "ema_one": ("--ema-decay=1", "--ema-decay"),
    "validation_nan": ("--validation=nan", "--validation is '?nan"),
    "milestones_beyond": ("--lr-milestones=2", "--lr-milestones"),
    "crop_beyond_64_bits": ("--crop=99999999999999999999", "--crop"),
    "cutout_nan": ("--cutout=nan", "--cutout is '?nan"),
    "temperature_none": ("--temperature=0", "--temperature"),
    "votes_none": ("--max-votes=0", "--max-votes"),
    "votes_beyond_64_bits": ("--max-votes=99999999999999999999", "--max-votes"),
    "device_unknown": ("--device=tpu", "--device is 'tpu', but must be auto, cpu, cuda or mps"),
    "precision_unknown": ("--precision=float16", "--precision"),
    "network_unknown": ("--network=nope", "--network is 'nope'"),
    "network_empty": ("--network=", "--network is empty"),
    "method_unknown": ("--method=nope", "--method is 'nope'"),
    "method_number": ("--method=5", "--method is '5'"),
    "recipe_unknown": ("--recipe=nope", "--recipe is 'nope'"),
    "recipe_device": ("--recipe=/dev/zero", "--recipe is '/dev/zero'"),
    "noise_empty": ("--noise=", "noise"),
    "noise_unknown": ("--noise=x", "noise"),
    "noise_nan": ("--noise=symmetric:nan", "symmetric"),
    "noise_beyond_one": ("--noise=symmetric:2", "symmetric"),
    "noise_seed_negative": ("--noise=symmetric:0.2:seed=-1", "seed"),
    "noise_colons": ("--noise=:::", "noise"),
    "noise_device": ("--noise=human:file=/dev/zero:key=x", "/dev/zero"),
    "labels_missing": ("--labels=nope.csv", "nope.csv"),
    "labels_folder": ("--labels=.", "."),
    "labels_device": ("--labels=/dev/zero", "/dev/zero"),
    "labels_dash": ("--labels=-", "-"),
    "labels_nul": ("--labels=a\0b.csv", "NUL character"),
    "test_missing": ("--test=nope", "nope: there is no such file or folder"),
    "test_device": ("--test=/dev/zero", "/dev/zero"),
    "test_nul": ("--test=a\0b", "NUL character"),
    "split_unknown": ("--split=nope", "nope"),
    "flip_maybe": ("--flip=maybe", "--flip"),
    "flag_unknown": ("--unknown=1", "--unknown is not a flag"),
    "flag_of_a_wrong_section": ("--network.epochs=1", "network.epochs"),
    "flag_without_a_value": ("--epochs", "--epochs needs a value"),
    "flag_escape": ("--\x1b[31m=1", r"--\\x1b\[31m"),
    "one_argument_too_many": ("photos", "'photos' is one argument too many"),
}
for name, (flag, error) in FLAGS.items():
    refused(f"flag_{name}", fit_with(flag), error)

PATHS = {
    "empty": "",
    "dash": "-",
    "nul": "a\0b",
    "missing": "nope",
    "long": "n" * 300,
    "device": "/dev/zero",
    "null_device": "/dev/null",
    "line_end": "a\nb",
    "address": "http://localhost/a",
    "pattern": "photos/*.jpg",
    "home": "~",
}
for name, path in PATHS.items():
    for command in ("fit", "data", "show", "resume", "bench"):
        if not (name in ("empty",) and command in ("fit", "data", "resume", "show")) and not (
            name == "home" and command in ("fit", "data")
        ):
            refused(f"{command}_{name}", lambda folder, argv=(command, path): Command(list(argv)), "")
    refused(
        f"predict_{name}", lambda folder, path=path: Command(["predict", str(finished()), path + "/x"]), ""
    )
    # What is written never names a place outside the test's own folder, whatever the code should do with it.
    if name not in ("device", "null_device", "home", "address"):
        refused(
            f"predict_out_{name}",
            lambda folder, path=path: Command(["predict", str(finished()), photos(folder), "--out", path]),
            "--out|NUL",
        )


def refuses_out(out: Callable[[Path], str], *command: str) -> Make:
    def make(folder: Path) -> Command:
        data = photos(folder)
        return Command([command[0], data, *command[1:], "--out", out(folder)])

    return make


refused("fit_out_is_an_image", refuses_out(lambda f: str(f / "photos/cat/0.png"), "fit", *FAST), "0.png")
refused("fit_out_below_a_file", refuses_out(lambda f: str(f / "photos/cat/0.png/x"), "fit", *FAST), "0.png")
refused("fit_out_too_long", refuses_out(lambda f: str(f / ("n" * 300)), "fit", *FAST), "n")
refused(
    "noise_out_is_no_table", refuses_out(lambda f: str(f / "x.txt"), "noise", "--rate=0.2"), "end in .csv"
)
refused("noise_rate_nan", refuses_out(lambda f: str(f / "x.csv"), "noise", "--rate=nan"), "rate|nan")
refused("show_top_negative", lambda folder: Command(["show", str(finished()), "--top=-1"]), "--top is -1")
refused("show_top_text", lambda folder: Command(["show", str(finished()), "--top=x"]), "--top is 'x'")

YAML = {
    "empty": (b"", "must be a mapping"),
    "list": (b"- 1", "must be a mapping"),
    "binary": (b"\x00\xff\xfe", "is not UTF-8 text"),
    "utf16": ("seed: 1".encode("utf-16"), "is not UTF-8 text"),
    "duplicate": (b"seed: 1\nseed: 2", "key 'seed' is there twice"),
    "python_object": (b"!!python/object/apply:os.system ['touch x']", "is not valid YAML"),
    "method_number": (b"method: 5", "the method of the settings is 5"),
    "method_list": (b"method: [a]", r"the method of the settings is \['a'\]"),
    "section_list": (b"budget: [1]", "section 'budget'"),
    "unknown_key": (b"foo: 1", "there is no setting 'foo'"),
    "number_as_key": (b"1: 2", "names of settings are text"),
    "value_is_mapping": (b"budget: {epochs: {a: 1}}", "--epochs is"),
    "seed_true": (b"seed: true", "--seed is True, but must be a whole number"),
    "seed_null": (b"seed: null", "--seed is empty"),
    "seed_date": (b"seed: 2001-01-01", "--seed is"),
    "epochs_infinite": (b"budget: {epochs: .inf}", "--epochs is inf"),
    "epochs_nan": (b"budget: {epochs: .nan}", "--epochs is nan"),
    "huge_number": (b"seed: " + b"9" * 5000, "is not valid YAML"),
    "widths_text": (b"network: {widths: abc}", "--widths is 'abc'"),
    "bomb": (
        b"a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
        + b"".join(b"a%d: &a%d [%s]\n" % (i, i, b",".join([b"*a%d" % (i - 1)] * 9)) for i in range(1, 9)),
        "aliases included",
    ),
    "refers_to_itself": (b"a: &a [*a]", "aliases included"),
    "deep": (b"a: " + b"[" * 200 + b"]" * 200, "more than 20 levels"),
    "two_documents": (b"a: 1\n---\nb: 2", "is not valid YAML"),
    "tab": (b"\tseed: 1", "is not valid YAML"),
    "two_budgets": (b"budget: {epochs: 1, minutes: 2}", "give one budget rule only"),
}


def recipe(content: bytes) -> Make:
    def make(folder: Path) -> Command:
        (folder / "s.yaml").write_bytes(content)
        return Command(
            ["fit", photos(folder), "--out", str(folder / "run"), "--recipe", str(folder / "s.yaml")]
        )

    return make


def suite(content: bytes) -> Make:
    def make(folder: Path) -> Command:
        (folder / "s.yaml").write_bytes(content)
        return Command(["bench", str(folder / "s.yaml"), "--out", str(folder / "bench")])

    return make


def run_with(name: str, content: bytes | None, *command: str) -> Make:
    """A run folder with one file edited, or removed where the content is None."""

    def make(folder: Path) -> Command:
        run = folder / "run"
        shutil.copytree(finished(), run)
        (run / name).unlink()
        if content is not None:
            (run / name).write_bytes(content)
        images = photos(folder) if command[0] == "predict" else None
        return Command([command[0], str(run), *([images] if images else [])])

    return make


for name, (content, error) in YAML.items():
    refused(f"recipe_{name}", recipe(content), error)
    refused(f"suite_{name}", suite(content), "")
    if name != "two_documents":
        refused(f"run_settings_{name}", run_with("settings.yaml", content, "show"), error)

ROWS = b"rows: {CE: {method: ce}}\n"
SUITES = {
    "no_data": (ROWS, "'data' is missing"),
    "data_list": (b"data: [a]\n" + ROWS, "'data' is"),
    "data_number": (b"data: 5\n" + ROWS, "'data' is 5"),
    "rows_list": (b"data: digits\nrows: [CE]", "'rows' is"),
    "rows_none": (b"data: digits\nrows: {}", "'rows' is {}"),
    "row_text": (b"data: digits\nrows: {CE: ce}", "'rows.CE' is 'ce'"),
    "row_number": (b"data: digits\nrows: {1: {method: ce}}", "names of settings are text"),
    "row_long": (b"data: digits\nrows: {" + b"n" * 300 + b": {method: ce}}", "too long a name"),
    "seeds_number": (b"data: digits\nseeds: 3\n" + ROWS, "'seeds' is 3"),
    "seeds_text": (b"data: digits\nseeds: abc\n" + ROWS, "'seeds' is 'abc'"),
    "seed_fraction": (b"data: digits\nseeds: [1.5]\n" + ROWS, r"'seeds.0' is 1.5"),
    "noises_number": (b"data: digits\nnoises: [5]\n" + ROWS, "'noises.0' is 5"),
    "settings_text": (b"data: digits\nsettings: x\n" + ROWS, "'settings' is 'x'"),
    "recipe_list": (b"data: digits\nrecipe: [a]\n" + ROWS, "'recipe' is"),
    "method_list": (b"data: digits\nrows: {CE: {method: [ce]}}", "--method is"),
    "title_list": (b"data: digits\ntitle: [a]\n" + ROWS, "'title' is"),
    "unknown_key": (b"data: digits\nfoo: 1\n" + ROWS, "unknown key 'foo'"),
    "unknown_setting": (b"data: digits\nrows: {CE: {method: ce, epocs: 1}}", "did you mean"),
}
for name, (content, error) in SUITES.items():
    refused(f"suite_of_{name}", suite(content), error)

BROKEN = {
    "missing": None,
    "empty": b"",
    "cut": b'{"a": ',
    "list": b"[]",
    "null": b"null",
    "binary": b"\xff\xfe\x00",
}
for name, content in BROKEN.items():
    for file in ("summary.json", "model.json", "model.safetensors", "verdicts.parquet", "settings.yaml"):
        refused(f"run_{file}_{name}", run_with(file, content, "show"), "")
        refused(f"predict_run_{file}_{name}", run_with(file, content, "predict"), "")

MODEL_EDITS = {
    "classes": None,
    "num_classes": -1,
    "image_size": 10**6,
    "channels": 2,
    "mean": [],
    "std": [0.0],
    "network": ["fastnet"],
    "options": {"widths": [100_000], "depth": 1, "activation": "gelu"},
    "members": 10**30,
    "flip_average": "yes",
    "num_outputs": None,
}


def edited_model(key: str, value: object) -> Make:
    def make(folder: Path) -> Command:
        values = json.loads((finished() / "model.json").read_text())
        return run_with("model.json", json.dumps({**values, key: value}).encode(), "predict")(folder)

    return make


for key, value in MODEL_EDITS.items():
    refused(f"model_{key}", edited_model(key, value), "model.json")


def other_shape(folder: Path) -> Command:
    values = json.loads((finished() / "model.json").read_text())
    values["options"] = {**values["options"], "widths": [16]}
    return run_with("model.json", json.dumps(values).encode(), "show")(folder)


refused("model_of_another_shape", other_shape, "model.safetensors holds other weights than model.json")


def hostile_pickle(folder: Path) -> Command:
    class Runs:
        def __reduce__(self):
            return os.system, (f"touch {folder / 'ran'}",)

    (folder / "l.pkl").write_bytes(pickle.dumps({"clean_label": Runs()}))
    flag = f"--noise=human:file={folder / 'l.pkl'}:key=x"
    return fit_with(flag)(folder)


refused("pickle_that_runs_code", hostile_pickle, "asks for posix.system")


def pipe(name: str, *command: str) -> Make:
    def make(folder: Path) -> Command:
        folder.mkdir(exist_ok=True)
        os.mkfifo(folder / name)
        return Command([*command, str(folder / name)])

    return make


for suffix in ("csv", "tsv", "jsonl", "parquet", "npz", "npy", "png"):
    refused(f"pipe_{suffix}", pipe(f"a.{suffix}", "fit"), f"a.{suffix}")
refused("pipe_as_suite", pipe("a.yaml", "bench"), "a.yaml")
refused(
    "pipe_as_an_image",
    lambda folder: Command(["predict", str(finished()), *pipe("a.png", "")(folder).argv[1:]]),
    "not a file",
)
refused(
    "pipe_as_a_run",
    lambda folder: Command([*pipe("run", "show")(folder).argv]),
    "there is no run folder",
)
refused(
    "table_of_nothing",
    lambda folder: Command(["fit", str(write(folder / "a.csv", ""))]),
    "a.csv",
)
