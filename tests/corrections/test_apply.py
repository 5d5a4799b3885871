import gzip
import json
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from corrections.sets import LABELS, NAMES, images, picture, suggest, write_folders, write_table
from labelmend.corrections.apply import apply
from labelmend.corrections.held_out import held_out
from labelmend.corrections.revert import revert
from labelmend.data.listing import Listing
from labelmend.data.sources import read_listing
from labelmend.data.tables import read_table
from labelmend.errors import DataError, RunError, SettingsError, WriteError
from labelmend.runs.checksums import of_file
from labelmend.verdicts.decisions import Decisions
from labelmend.verdicts.frame import read_parquet

SURE = {"0.png": ("dog", 0.95), "1.png": ("cat", 0.9), "2.png": ("dog", 0.6)}
MENDED = ["dog", "cat", *LABELS[2:]]
KINDS = [".csv", ".tsv", ".csv.gz", ".jsonl", ".parquet"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_gets_other_labels_and_loses_nothing(tmp_path, judge, kind):
    source = write_table(tmp_path / "photos", kind)
    before = source.read_bytes()
    run = judge(source, SURE)
    done = apply(run)
    assert (len(done.changes), done.below, done.images) == (2, 1, 8)
    old, new = read_table(source), read_table(done.result)
    assert list(new.columns) == list(old.columns)
    assert new.columns["label"] == MENDED
    assert [new.columns[c] for c in ("file_name", "comment", "weight")] == [
        old.columns[c] for c in ("file_name", "comment", "weight")
    ]
    assert read_listing(source, labels=done.result).labels == MENDED
    assert source.read_bytes() == before != done.result.read_bytes()
    assert revert(run).files == [done.result.resolve()]
    assert done.result.read_bytes() == before
    with pytest.raises(RunError, match=r"no labels of .* were applied that could be taken back"):
        revert(run)


@pytest.mark.parametrize("kind", [".csv", ".tsv", ".jsonl"])
def test_only_the_bytes_of_changed_labels_change(tmp_path, judge, kind):
    source = write_table(tmp_path / "photos", kind)
    text = source.read_bytes()
    changed = apply(judge(source, SURE)).result.read_bytes()
    where = [i for i, (a, b) in enumerate(zip(text, changed, strict=True)) if a != b]
    assert len(changed) == len(text)
    assert len(where) == 6
    assert {text[i : i + 3] for i in (where[0], where[3])} == {b"cat", b"dog"}


NOTES = ["x", "", "é", "'", "=1", " ", "a b", "0.50"]
ROWS = list(zip(NAMES, LABELS, NOTES, strict=True))
PLAIN = ["file_name,label,note", *(",".join(row) for row in ROWS)]
QUOTED = ['"file_name","label","note"', *(",".join(f'"{cell}"' for cell in row) for row in ROWS)]
LONG = [
    "file_name,note,label",
    *(f'{name},"a ""{i}"",\r\nb,",{label}' for i, (name, label, _) in enumerate(ROWS)),
]
SEMICOLONS = [line.replace(",", ";") for line in PLAIN]
BLANKS = ["file_name, label , note", *(f"{name},  {label} , {note} " for name, label, note in ROWS)]
GAPS = [PLAIN[0], "", *PLAIN[1:4], "", "", *PLAIN[4:], "", ""]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "BOM"])
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
@pytest.mark.parametrize(
    ("lines", "end", "last"),
    [
        (PLAIN, "\r\n", "\r\n"),
        (PLAIN, "\r", "\r"),
        (PLAIN, "\n", ""),
        (PLAIN, "\r\n", ""),
        (QUOTED, "\r\n", ""),
        (LONG, "\n", "\n"),
        (SEMICOLONS, "\r\n", "\r\n"),
        (BLANKS, "\n", ""),
        (GAPS, "\n", "\n"),
    ],
    ids=[
        "CRLF",
        "CR",
        "no end",
        "CRLF, no end",
        "quotes",
        "lines in cells",
        "semicolons",
        "blanks",
        "empty lines",
    ],
)
def test_a_table_of_any_layout_changes_by_its_labels_alone_and_comes_back(
    tmp_path, suggested_once, mark, suffix, lines, end, last
):
    packed = gzip.compress if suffix.endswith(".gz") else bytes
    text = end.join(lines) + last
    first, second = (next(line for line in lines if line.startswith((n, f'"{n}'))) for n in NAMES[:2])
    expected = text.replace(first, first.replace("cat", "dog")).replace(second, second.replace("dog", "cat"))
    source, run = suggested_once(suffix, packed(mark + text.encode()))
    before = source.read_bytes()
    done = apply(run)
    assert len(done.changes) == 2
    written = done.result.read_bytes()
    assert (gzip.decompress(written) if suffix.endswith(".gz") else written) == mark + expected.encode()
    assert revert(run).files == [done.result.resolve()]
    assert done.result.read_bytes() == source.read_bytes() == before


@pytest.fixture(scope="module")
def _table_run(tmp_path_factory, trained):
    root = tmp_path_factory.mktemp("layouts")
    images(root)
    write_table(root, ".csv")
    return suggest(trained(root / "photos.csv", root / "run"), SURE)


@pytest.fixture
def suggested_once(_table_run, tmp_path):
    """Function that makes a table of the images with these bytes, and a run on it."""

    def make(suffix, content):
        source = images(tmp_path / "photos") / f"p{suffix}"
        source.write_bytes(content)
        run = shutil.copytree(_table_run, tmp_path / "run")
        record = json.loads((run / "data.json").read_text())
        (run / "data.json").write_text(json.dumps({**record, "source": str(source)}))
        return source, run

    return make


def test_row_groups_schema_and_metadata_of_parquet_stay(tmp_path, judge):
    source = images(tmp_path / "photos") / "photos.parquet"
    classes = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    schema = pa.schema(
        [
            ("file_name", pa.string()),
            ("label", pa.int8()),
            ("kind", pa.dictionary(pa.int32(), pa.string())),
        ],
        metadata={"huggingface": json.dumps(classes)},
    )
    columns = [NAMES, [LABELS[i] == "dog" for i in range(8)], pa.array(["a", "b"] * 4).dictionary_encode()]
    table = pa.table([NAMES, [int(v) for v in columns[1]], columns[2]], schema=schema)
    pyarrow.parquet.write_table(table, source, row_group_size=3, compression="zstd")
    done = apply(judge(source, SURE))
    old, new = pyarrow.parquet.ParquetFile(source), pyarrow.parquet.ParquetFile(done.result)
    assert new.schema_arrow.equals(old.schema_arrow, check_metadata=True)
    assert [new.metadata.row_group(i).num_rows for i in range(3)] == [3, 3, 2]
    assert new.metadata.row_group(0).column(0).compression == "ZSTD"
    assert new.read().column("label").to_pylist() == [1, 0, 0, 1, 0, 1, 0, 1]
    assert new.read().drop(["label"]).equals(old.read().drop(["label"]))
    assert read_listing(source, labels=done.result).labels == MENDED


def test_a_new_class_that_a_column_of_numbers_cannot_hold_is_one_line(tmp_path, judge):
    source = images(tmp_path / "photos") / "photos.parquet"
    classes = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    schema = pa.schema(
        [("file_name", pa.string()), ("label", pa.int64())], metadata={"huggingface": json.dumps(classes)}
    )
    table = pa.table([NAMES, [int(label == "dog") for label in LABELS]], schema=schema)
    pyarrow.parquet.write_table(table, source)
    run = judge(source, SURE)
    with Decisions.open(run, create=True) as decisions:
        decisions.record(read_parquet(run / "verdicts.parquet")["id"][0], "choose", "bird")
    with pytest.raises(
        DataError, match=r"photos\.parquet: a label cannot be written into its columns .*bird"
    ):
        apply(run, decisions=True)
    assert not list((run / "corrections").iterdir())


def test_the_patch_says_what_changed_and_why(tmp_path, judge):
    run = judge(write_table(tmp_path / "photos", ".csv"), SURE)
    with Decisions.open(run, create=True) as decisions:
        decisions.record("1.png", "keep")
        decisions.record("2.png", "accept")
        decisions.record("3.png", "choose", "cat")
        decisions.record("0.png", "skip")
    done = apply(run, decisions=True)
    assert done.patch.read_text().splitlines() == [
        "id,from,to,why,confidence",
        "0.png,cat,dog,suggestion,0.950000",
        "2.png,cat,dog,decision,0.600000",
        "3.png,dog,cat,decision,",
    ]
    assert (done.decided, done.below) == (3, 0)
    assert read_table(done.result).columns["label"] == ["dog", "dog", "dog", "cat", *LABELS[4:]]
    found = read_listing(done.source, labels=done.patch, partial=True)
    assert found.labels[:4] == ["dog", "dog", "dog", "cat"]
    assert [c.id for c in apply(run).changes] == ["0.png", "1.png"]


def test_class_folders_give_a_table_that_fit_reads(folders):
    photos, run = folders
    done = apply(run)
    table = read_table(done.result).columns
    assert list(table) == ["id", "path", "label", "given_label"]
    assert table["path"][0] == str(photos / "cat" / "0.png")
    mended = {"cat/0.png": "dog", "dog/1.png": "cat"}
    for found in (read_listing(done.result), read_listing(photos, labels=done.result)):
        assert found.ids == table["id"]
        assert found.labels == [mended.get(i, i.partition("/")[0]) for i in found.ids]
    assert all(path.exists() for path in map(photos.joinpath, mended))
    revert(done.patch)
    assert read_table(done.result).columns["label"] == table["given_label"]


def test_labels_in_other_columns_and_forms(tmp_path, judge):
    source = images(tmp_path / "photos") / "p.csv"
    rows = [f'{name}; "{label}";x' for name, label in zip(NAMES, LABELS, strict=True)]
    source.write_text("Filename;Category;note\n" + "\n".join(["0.png;cat ;x", *rows[1:]]))
    done = apply(judge(source, SURE))
    lines = done.result.read_text().splitlines()
    # As the first image of that class has it written; the blank before the quotes belongs to no value.
    assert lines[1:3] == ['0.png;"dog";x', "1.png; cat ;x"]
    assert read_listing(source, labels=done.result).labels == MENDED
    assert lines[3:] == source.read_text().splitlines()[3:]


def test_a_line_for_excel_empty_columns_and_wrapped_labels_stay(tmp_path, judge):
    source = images(tmp_path / "photos") / "p.csv"
    rows = [f"{name};['{label}'];;" for name, label in zip(NAMES, LABELS, strict=True)]
    source.write_text("sep=;\nfile_name;label;;\n" + "\n".join(rows))
    done = apply(judge(source, SURE))
    lines = done.result.read_text().splitlines()
    assert lines[:4] == ["sep=;", "file_name;label;;", "0.png;['dog'];;", "1.png;['cat'];;"]
    assert lines[4:] == source.read_text().splitlines()[4:]
    assert read_listing(source, labels=done.result).labels == MENDED


def test_one_hot_columns(tmp_path, judge):
    source = images(tmp_path / "photos") / "p.csv"
    frame = pd.DataFrame({"file_name": NAMES, "cat": [1.0, 0.0] * 4, "dog": [0.0, 1.0] * 4})
    frame.to_csv(source, index=False)
    done = apply(judge(source, SURE))
    assert done.result.read_text().splitlines()[1:3] == ["0.png,0.0,1.0", "1.png,1.0,0.0"]
    assert read_listing(source, labels=done.result).labels == MENDED


@pytest.mark.parametrize(
    ("encoding", "mark"), [("utf-8-sig", b""), ("utf-16", b""), ("utf-16-be", b"\xfe\xff"), ("cp1252", b"")]
)
def test_encodings_stay(tmp_path, judge, encoding, mark):
    source = images(tmp_path / "photos") / "p.csv"
    labels = ["chat", "été"] * 4
    text = "file_name,label\n" + "".join(f"{n},{la}\n" for n, la in zip(NAMES, labels, strict=True))
    source.write_bytes(mark + text.encode(encoding))
    run = judge(source, {"0.png": ("été", 0.95)})
    done = apply(run)
    assert done.result.read_bytes() == mark + text.replace("0.png,chat", "0.png,été").encode(encoding)
    revert(run)
    assert of_file(done.result) == of_file(source)


def test_what_no_longer_matches_is_named_first(tmp_path, judge):
    source = write_table(tmp_path / "photos", ".csv")
    run, text = judge(source, SURE), source.read_bytes().decode()
    for old, new, match in [
        (",cat,0.400", ",dog,0.400", r"image '4\.png' is labelled 'dog' by now, but was 'cat'"),
        ("5.png", "sub/5.png", r"has no image '5\.png' any more"),
        (",dog,0.700\r\n", ",dog,0.700\r\n8.png,,cat,1\r\n", r"has an image '8\.png', which the run has not"),
    ]:
        (tmp_path / "photos" / "sub").mkdir(exist_ok=True)
        picture(tmp_path / "photos" / "sub" / "5.png", 5)
        picture(tmp_path / "photos" / "8.png", 8)
        source.write_bytes(text.replace(old, new).encode())
        with pytest.raises(RunError, match=match):
            apply(run)
    source.write_bytes(text.encode())
    assert not (run / "corrections").exists()
    assert len(apply(run).changes) == 2


def test_images_that_were_scored_by_are_no_new_ones(tmp_path, judge):
    """Trusted ones by their column or by decisions, and one of the group of a trusted one."""
    groups = {"patient": ["p", "q", "q", "r", "s", "t", "u", "v"]}
    source = write_table(tmp_path / "photos", ".csv", trusted=["", "yes", *[""] * 6], **groups)
    earlier = judge(source, {}).rename(tmp_path / "earlier")
    with Decisions.open(earlier, create=True) as decisions:
        decisions.record("3.png", "choose", "cat")
    scored = {"test": "trusted", "group_column": "patient", "decisions": str(earlier)}
    run = judge(source, {"0.png": ("dog", 0.95)}, **scored)
    judged = read_parquet(run / "verdicts.parquet")["id"].tolist()
    assert judged == ["0.png", "4.png", "5.png", "6.png", "7.png"]
    done = apply(run)
    assert [change.id for change in done.changes] == ["0.png"]
    # What was decided about 3.png before is kept, though no verdict is about it.
    assert done.others == 1
    assert read_listing(source, labels=done.result).labels == ["dog", "dog", "cat", "cat", *LABELS[4:]]
    revert(run)
    write_table(tmp_path / "photos", ".csv", trusted=[""] * 8, **groups)
    with pytest.raises(RunError, match=r"has an image '1\.png', which the run has not seen"):
        apply(run)


def test_a_new_image_is_new_also_if_its_label_is_trusted(tmp_path, judge):
    source = write_table(tmp_path / "photos", ".csv", LABELS[:7], NAMES[:7], trusted=["yes"] * 7)
    run = judge(source, {})
    write_table(tmp_path / "photos", ".csv", trusted=["yes"] * 8)
    with pytest.raises(RunError, match=r"has an image '7\.png', which the run has not seen"):
        apply(run)


def test_an_unreadable_image_is_no_new_one(tmp_path, judge):
    photos = write_folders(tmp_path / "photos")
    (photos / "cat" / "broken.png").write_bytes(b"none")
    done = apply(judge(photos, {"cat/0.png": ("dog", 0.95)}))
    assert "cat/broken.png" in read_table(done.result).columns["id"]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("split", ["Testing", "train", "valid", *["train"] * 5]),
        ("subset", ["test", "train", "val", *["train"] * 5]),
        ("is_valid", ["True", "False", "1", *["0"] * 5]),
        ("is_train", ["0", "1", "False", *["1"] * 5]),
        ("is_training_image", ["no", "yes", "0.0", *["1"] * 5]),
    ],
)
def test_marked_rows_are_left_alone_unless_asked_for(tmp_path, judge, column, values):
    source = write_table(tmp_path / "photos", ".csv", **{column: values})
    run = judge(source, {**SURE, "2.png": ("dog", 1.0)}, split="none", test="none")
    done = apply(run)
    assert ([c.id for c in done.changes], done.held_out) == (["1.png"], 2)
    assert [c.id for c in apply(run, include_test=True).changes] == ["0.png", "1.png", "2.png"]


def test_the_split_that_is_not_trained_on_keeps_its_rows(tmp_path, judge):
    splits = ["test", "test", *["train"] * 6]
    source = write_table(tmp_path / "photos", ".csv", split=splits)
    run = judge(source, {"2.png": ("dog", 0.95)}, test="none")
    done = apply(run)
    assert read_table(done.result).columns["label"] == [*LABELS[:2], "dog", *LABELS[3:]]
    assert read_listing(source, labels=done.result).labels == ["dog", *LABELS[3:]]


def test_folders_of_windows_paths_are_folders():
    paths = ["test\\cat\\1.png", "train\\cat\\2.png", "val/cat/3.png", "4.png"]
    listing = Listing("photos", ids=paths, paths=paths, labels=["cat"] * 4)
    assert held_out(listing, None) == [True, False, True, False]


def test_a_test_folder_is_marked(tmp_path, judge):
    for split in ("train", "test"):
        write_folders(tmp_path / "photos" / split)
    run = judge(tmp_path / "photos", {"test/cat/0.png": ("dog", 0.95)}, split="test")
    assert apply(run).held_out == 1
    assert len(apply(run, include_test=True).changes) == 1


def test_a_label_file_of_the_run_is_what_is_corrected(tmp_path, judge):
    photos = write_folders(tmp_path / "photos")
    ids = [f"{la}/{n}" for n, la in zip(NAMES, LABELS, strict=True)][::-1]
    labels = tmp_path / "labels.csv"
    pd.DataFrame({"id": ids, "label": ["dog", *LABELS[6::-1]], "who": ["me"] * 8}).to_csv(labels, index=False)
    done = apply(judge(photos, {"cat/0.png": ("dog", 0.95)}, labels=str(labels)))
    expected = labels.read_text().replace("cat/0.png,cat,me", "cat/0.png,dog,me")
    assert done.result.read_text() == expected != labels.read_text()


def test_added_noise_is_written_with_the_corrections(tmp_path, judge):
    source = write_table(tmp_path / "photos", ".csv")
    run = judge(source, {}, noise="symmetric:0.5:seed=1")
    given = pd.read_csv(run / "verdicts.csv")["given_label"].tolist()
    assert given != LABELS
    noisy = sum(a != b for a, b in zip(given, LABELS, strict=True))
    done = apply(run)
    assert read_table(done.result).columns["label"] == given
    assert (done.changes, done.others) == ([], noisy)
    other = {"cat": "dog", "dog": "cat"}
    done = apply(suggest(run, {name: (other[la], 1.0) for name, la in zip(NAMES, given, strict=True)}))
    assert read_table(done.result).columns["label"] == [other[label] for label in given]
    assert [(c.before, c.after) for c in done.changes] == [(label, other[label]) for label in given]
    assert done.others == 0
    assert revert(run).files[0].read_bytes() == source.read_bytes()


def test_added_noise_of_arrays_is_what_was_given(tmp_path, judge):
    pixels = np.random.default_rng(0).integers(0, 255, (8, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=pixels, labels=np.array(LABELS))
    run = judge(tmp_path / "a.npz", {}, noise="symmetric:0.5:seed=1")
    given = read_table(run / "verdicts.parquet").columns["given_label"]
    done = apply(suggest(run, {"0": ({"cat": "dog", "dog": "cat"}[given[0]], 1.0)}))
    table = read_table(done.result).columns
    assert table["given_label"] == given != LABELS
    assert table["label"][1:] == given[1:]
    revert(run)
    assert read_table(done.result).columns["label"] == given


def test_arrays_and_images_in_memory(tmp_path, judge):
    pixels = np.random.default_rng(0).integers(0, 255, (8, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=pixels, labels=np.array(LABELS))
    done = apply(judge(tmp_path / "a.npz", {"0": ("dog", 0.95)}))
    assert read_listing(tmp_path / "a.npz", labels=done.result).labels == ["dog", *LABELS[1:]]
    done = apply(judge((pixels, LABELS), {"0": ("dog", 0.95)}, overwrite=True))
    assert done.source is None
    assert read_table(done.result).columns["label"] == ["dog", *LABELS[1:]]


def test_a_file_of_the_user_is_never_replaced(tmp_path, judge):
    source = write_table(tmp_path / "photos", ".csv")
    run, out = judge(source, SURE), tmp_path / "mended.csv"
    out.write_text("mine")
    for name, match in [
        (out, "is there, and nothing is replaced"),
        (source, "is there, and nothing is replaced"),
        (tmp_path / "mended.parquet", r"must end in \.csv"),
        (tmp_path / "none" / "x.csv", "there is no folder"),
    ]:
        with pytest.raises((RunError, SettingsError), match=match):
            apply(run, out=name)
    assert out.read_text() == "mine"
    out.unlink()
    assert apply(run, out=out).result == out
    assert len(apply(run, out=out, min_confidence=0.5).changes) == 3
    revert(run)
    apply(run, out=out)
    out.write_text(out.read_text() + "8.png,,cat,\n")
    with pytest.raises(RunError, match="was edited since it was written"):
        apply(run, out=out)
    with pytest.raises(RunError, match="is no longer what labelmend wrote"):
        revert(run)


def test_labels_that_took_the_place_of_their_source_come_back(tmp_path, judge):
    source = write_table(tmp_path / "photos", ".parquet")
    before, run = source.read_bytes(), judge(source, SURE)
    apply(run).result.replace(source)
    assert source.read_bytes() != before
    revert(run)
    assert source.read_bytes() == before


def test_every_copy_of_the_labels_comes_back(tmp_path, judge):
    source = write_table(tmp_path / "photos", ".csv")
    before, run = source.read_bytes(), judge(source, SURE)
    written = apply(run).result
    source.write_bytes(written.read_bytes())
    assert revert(run).files == [written.resolve(), source]
    assert written.read_bytes() == source.read_bytes() == before


def test_taking_back_is_ended_after_a_kill(tmp_path, judge, monkeypatch):
    source = write_table(tmp_path / "photos", ".csv")
    run = judge(source, SURE)
    done = apply(run)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("labelmend.corrections.revert.journals.write_journal", killed)
    with pytest.raises(KeyboardInterrupt):
        revert(run)
    monkeypatch.undo()
    assert done.result.read_bytes() == source.read_bytes()
    assert revert(run).files == [done.result.resolve(), source]
    with pytest.raises(RunError, match=r"no labels of .* could be taken back"):
        revert(run)


def test_labels_that_were_removed_leave_nothing_to_put_back(tmp_path, judge):
    source = write_table(tmp_path / "photos", ".csv")
    run = judge(source, SURE)
    apply(run).result.unlink()
    assert revert(run).files == [source]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"original": "../../settings.yaml"}, "is no table that lies beside it"),
        ({"original": "original"}, "is no table that lies beside it"),
        ({"original": "original/../x.csv"}, "is no table that lies beside it"),
        ({"original": ""}, "is no table that lies beside it"),
        ({"result": "{home}/.profile"}, r"is no table of the kind of 'original\.csv'"),
        ({"result": None}, "is no table of the kind"),
    ],
)
def test_a_journal_that_was_not_written_here_replaces_no_file(tmp_path, judge, change, said):
    run = judge(write_table(tmp_path / "photos", ".csv"), SURE)
    done = apply(run)
    profile = tmp_path / ".profile"
    profile.write_bytes(done.result.read_bytes())
    journal = done.folder / "journal.json"
    text = json.dumps({**json.loads(journal.read_text()), **change}).replace("{home}", str(tmp_path))
    journal.write_text(text)
    with pytest.raises(RunError, match=said):
        revert(run)
    assert profile.read_bytes() == done.result.read_bytes()


def test_a_source_of_another_kind_is_left_alone(tmp_path, judge):
    run = judge(write_table(tmp_path / "photos", ".csv"), SURE)
    done = apply(run)
    profile = tmp_path / ".profile"
    profile.write_bytes(done.result.read_bytes())
    journal = done.folder / "journal.json"
    journal.write_text(json.dumps({**json.loads(journal.read_text()), "source": str(profile)}))
    assert revert(run).files == [done.result.resolve()]


def test_a_full_disk_leaves_nothing_half_written(tmp_path, judge, monkeypatch):
    source = write_table(tmp_path / "photos", ".csv")
    run, out = judge(source, SURE), tmp_path / "mended.csv"
    apply(run, out=out)
    before = out.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("labelmend.files.os.fsync", full)
    with pytest.raises(WriteError, match="No space left on device"):
        apply(run, out=out, min_confidence=0.5)
    monkeypatch.undo()
    assert out.read_bytes() == before
    assert not list(tmp_path.glob("**/.labelmend-*"))
    revert(run)
    assert out.read_bytes() == source.read_bytes()


def test_hostile_names_and_labels(tmp_path, judge):
    labels = ["=cmd()", '<img src=x onerror="a">', "a,b\n'c"]
    names = ['1"2.png', "=1.png", "new\nline.png", "caf\udce9.png", "tab\t.png", "-x.png"]
    photos = write_folders(tmp_path / "photos", [*labels, *labels], names)
    ids = read_listing(photos).ids
    given = dict(zip(ids, read_listing(photos).labels, strict=True))
    wanted = {identity: labels[(labels.index(label) + 1) % 3] for identity, label in given.items()}
    run = judge(photos, {identity: (label, 1.0) for identity, label in wanted.items()})
    done = apply(run)
    for path in (done.result, done.patch):
        assert not any(line.startswith(("=", "-", "@", "+")) for line in path.read_text().splitlines())
    assert ",=cmd()" not in done.result.read_text() + done.patch.read_text()
    assert read_listing(done.result).labels == list(wanted.values())
    assert read_listing(photos, labels=done.result).labels == list(wanted.values())


def test_labels_of_a_csv_that_look_like_formulas(tmp_path, judge):
    source = write_table(tmp_path / "photos", ".csv", labels=["=cmd()", "dog"] * 4)
    done = apply(judge(source, {"1.png": ("=cmd()", 0.95)}))
    assert read_table(done.result).columns["label"][:2] == ["=cmd()"] * 2
    assert done.result.read_bytes().count(b",=cmd(),") == 5
    assert b",'=cmd()," in done.patch.read_bytes()


def test_a_run_that_is_damaged_or_missing(tmp_path, judge):
    source = write_table(tmp_path / "photos", ".csv")
    run = judge(source, SURE)
    with pytest.raises(RunError, match="there is no run folder"):
        apply(tmp_path / "none")
    with pytest.raises(RunError, match="nothing was decided"):
        apply(run, decisions=True)
    with pytest.raises(SettingsError, match=r"--min-confidence is 2, but must be in \[0, 1\]"):
        apply(run, min_confidence=2)
    source.unlink()
    with pytest.raises(RunError, match=r"is not at .*photos\.csv any more; say where it is now"):
        apply(run)


def test_what_the_labels_were_is_put_back_only_where_it_is_whole(tmp_path, judge):
    run = judge(write_table(tmp_path / "photos", ".csv"), SURE)
    done = apply(run)
    original, written = done.folder / "original.csv", done.result.read_bytes()
    original.write_bytes(original.read_bytes()[:-3])
    with pytest.raises(
        RunError, match=r"original\.csv is missing or damaged, so that nothing can be put back"
    ):
        revert(run)
    assert done.result.read_bytes() == written


@pytest.mark.parametrize("kind", [".csv", ".jsonl"])
def test_a_table_that_would_change_elsewhere_is_not_written(tmp_path, judge, monkeypatch, kind):
    run = judge(write_table(tmp_path / "photos", kind), SURE)
    for name in ("edit_delimited", "edit_json_lines"):
        monkeypatch.setattr(
            f"labelmend.corrections.rewrite.{name}", lambda text, *_: text.replace("0.100", "0.101")
        )
    with pytest.raises(DataError, match="'weight' would change beyond its labels; nothing was written"):
        apply(run)
    assert not list(run.glob("corrections/*/labels*"))


def test_a_new_class_that_looks_like_a_formula_is_text(tmp_path, judge):
    source = write_table(tmp_path / "photos", ".csv")
    run = judge(source, {})
    with Decisions.open(run, create=True) as decisions:
        decisions.record("0.png", "choose", "=cmd()")
    done = apply(run, decisions=True)
    assert b",'=cmd()," in done.result.read_bytes()
    assert read_table(done.result).columns["label"] == ["=cmd()", *LABELS[1:]]


def test_a_json_table_gives_a_table_of_labels(tmp_path, judge):
    source = images(tmp_path / "photos") / "p.json"
    source.write_text(json.dumps(dict(zip(NAMES, LABELS, strict=True))))
    done = apply(judge(source, SURE))
    assert done.result.suffix == ".csv"
    assert read_listing(done.result).labels == MENDED


def test_compressed_tables_are_the_same_every_time(tmp_path, judge):
    run = judge(write_table(tmp_path / "photos", ".csv.gz"), SURE)
    first, second = apply(run).result, apply(run).result
    assert first != second
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes()[4:8] == bytes(4)
    assert gzip.decompress(first.read_bytes()).count(b"\r\n") == 9


def test_nothing_to_change(tmp_path, judge):
    source = write_table(tmp_path / "photos", ".csv")
    done = apply(suggest(judge(source, {}), {}))
    assert (done.changes, done.result.read_bytes()) == ([], source.read_bytes())
