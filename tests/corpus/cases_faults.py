"""Names that are no UTF-8, and places where nothing may or can be written."""

from __future__ import annotations

import os

import numpy as np

import labelmend
from corpus.build import put, write
from corpus.registry import Command, Source, case
from labelmend.runs import folder as run_folder

CAFE, CAFE_TEXT = os.fsdecode(b"caf\xe9.png"), r"caf\xe9.png"
FLAGS = ["--no-report", "--epochs", "1", "--network", "fastnet", "--widths", "4", "--depth", "1"]


def fit(out, *flags, data="data"):
    return Command(["fit", str(data), "--out", str(out), *FLAGS, *flags])


@case(ids=[rf"cat/{CAFE_TEXT}", "dog/é.png"], labels=["cat", "dog"], values=[10, 20])
def a_name_that_is_no_utf8(folder):
    return Source(put(folder, f"cat/{CAFE}", "dog/é.png"))


@case(classes=[r"\xff", "dog"], values=[20, 10], ids=["dog/2.png", r"\xff/1.png"])
def a_class_that_is_no_utf8(folder):
    return Source(put(folder, os.fsdecode(b"\xff/1.png"), "dog/2.png"))


@case(labels=["cat", "dog"], values=[10, 20])
def a_table_that_names_what_is_no_utf8_as_our_tables_do(folder):
    put(folder, CAFE, "2.png")
    return Source(write(folder / "t.csv", f"path,label\n{CAFE_TEXT},cat\n2.png,dog\n"))


@case(labels=["cat", "dog"], skipped=[r"^cat/b\\xff\.png: "])
def an_unreadable_file_whose_name_is_no_utf8(folder):
    put(folder, "cat/1.png", "dog/2.png")
    write(folder / os.fsdecode(b"cat/b\xff.png"), "no image")
    return Source(folder)


@case(code=0, output="Verdicts")
def a_run_of_names_that_are_no_utf8(folder):
    put(folder, *(f"{name}/{CAFE}{i}.png" for name in ("cat", os.fsdecode(b"d\xf6g")) for i in range(4)))
    return fit(folder.parent / os.fsdecode(b"r\xfcn"))


@case(error="--out .*data lies inside the data data")
def a_run_over_its_images(folder):
    put(folder, "cat/1.png", "dog/2.png")
    return fit(folder, "--overwrite")


@case(error="--out .*run lies inside the data data")
def a_run_among_its_images(folder):
    put(folder, "cat/1.png", "dog/2.png")
    return fit(folder / "run")


@case(error="lies inside the data")
def a_run_among_its_images_through_a_link(folder):
    put(folder, "cat/1.png", "dog/2.png")
    (folder.parent / "link").symlink_to(folder)
    return fit(folder.parent / "link" / "cat")


@case(error="holds the data|is no run")
def a_run_above_its_images(folder):
    put(folder, "cat/1.png", "dog/2.png")
    return fit(folder.parent, "--overwrite")


@case(error="lies inside the data")
def a_run_among_its_test_images(folder):
    put(folder, "cat/1.png", "dog/2.png")
    put(folder.parent / "test", "cat/1.png", "dog/2.png")
    return fit("test/run", "--test", "test")


@case(error="is no run; nothing is replaced there")
def overwriting_what_is_no_run(folder):
    put(folder, "cat/1.png", "dog/2.png")
    write(folder.parent / "out" / "settings.yaml", "mine: true")
    write(folder.parent / "out" / "README.txt", "My thesis")
    return fit("out", "--overwrite")


@case(error="out is a file")
def a_run_in_the_place_of_a_file(folder):
    put(folder, "cat/1.png", "dog/2.png")
    write(folder.parent / "out", "mine")
    return fit("out", "--overwrite")


@case(error="out/run cannot be used: Not a directory")
def a_run_below_a_file(folder):
    put(folder, "cat/1.png", "dog/2.png")
    write(folder.parent / "out", "mine")
    return fit("out/run")


@case(error="cannot be used: File name too long")
def a_run_with_a_name_that_is_too_long(folder):
    put(folder, "cat/1.png", "dog/2.png")
    return fit("ö" * 128)


@case(error="cannot be used: File name too long")
def a_run_with_a_path_that_is_too_long(folder):
    put(folder, "cat/1.png", "dog/2.png")
    return fit("/".join(["long"] * 1000))


@case(error="cannot be used: |nothing can be written in ")
def a_run_where_nothing_can_be_written(folder):
    put(folder, "cat/1.png", "dog/2.png")
    return fit("/proc/run")


@case(error="there is no run folder none")
def resuming_nothing(folder):
    return Command(["resume", "none"])


@case(error="is not a run folder")
def resuming_images(folder):
    put(folder, "cat/1.png", "dog/2.png")
    return Command(["resume", "data"])


@case(error="data.json is missing")
def resuming_a_run_without_its_data(folder):
    run_folder.create(folder)
    write(folder / run_folder.SETTINGS, "seed: 0")
    return Command(["resume", "data"])


@case(error="must end in .csv")
def predictions_over_an_image(folder):
    put(folder, "1.png", "2.png")
    return Command(["predict", "run", "data/1.png", "--out", "data/2.png"])


@case(error="is there, and no predictions of labelmend")
def predictions_over_a_table_of_the_user(folder):
    put(folder, "1.png")
    write(folder / "mine.csv", "image,class\n1.png,cat\n")
    return Command(["predict", "run", "data/1.png", "--out", "data/mine.csv"])


@case(error="File name too long")
def predictions_with_a_name_that_is_too_long(folder):
    put(folder, "1.png")
    return Command(["predict", "run", "data/1.png", "--out", "n" * 252 + ".csv"])


@case(error="there is no folder|cannot be written")
def predictions_below_a_file(folder):
    put(folder, "1.png")
    return Command(["predict", "run", "data/1.png", "--out", "data/1.png/p.csv"])


@case(error="there is no run folder run")
def predictions_over_older_predictions(folder):
    put(folder, "1.png")
    write(folder / "p.csv", "image,class,probability\n1.png,cat,0.9\n")
    return Command(["predict", "run", "data/1.png", "--out", "data/p.csv"])


@case(error="there is no run folder none")
def decisions_of_a_run_that_is_not_there(folder):
    put(folder, "cat/1.png", "dog/2.png")
    return fit("run", "--decisions", "none")


def damaged(name: str, *command: str) -> None:
    """Register a command on a run of which one bit of the verdicts has flipped."""

    def make(folder):
        run = folder.parent / "run"
        pixels = np.random.default_rng(0).integers(0, 255, (8, 8, 8), dtype=np.uint8)
        settings = {"epochs": 1, "batch_size": 4, "widths": [4], "depth": 1, "precision": "float32"}
        labelmend.fit((pixels, ["cat", "dog"] * 4), out=run, **settings)
        content = bytearray((run / "verdicts.parquet").read_bytes())
        content[len(content) // 2] ^= 16
        (run / "verdicts.parquet").write_bytes(content)
        write(folder.parent / "l.json", "[]")
        put(folder, "cat/1.png", "dog/2.png")
        return Command(list(command))

    make.__name__ = name
    case(error="verdicts.parquet is not what the run wrote: it is damaged or was edited")(make)


damaged("labels_of_a_damaged_run", "fit", "data", "--out", "out", "--labels", "run")
damaged("decisions_of_a_damaged_run", "fit", "data", "--out", "out", "--decisions", "run")
damaged("annotations_for_a_damaged_run", "decide", "run", "l.json")


@case(error="metrics.jsonl is missing; take it from a copy of the run")
def a_report_without_its_metrics(folder):
    run = folder.parent / "run"
    pixels = np.random.default_rng(0).integers(0, 255, (8, 8, 8), dtype=np.uint8)
    labelmend.fit((pixels, ["cat", "dog"] * 4), out=run, epochs=1, batch_size=4, widths=[4], depth=1)
    (run / "metrics.jsonl").unlink()
    return Command(["report", "run"])
