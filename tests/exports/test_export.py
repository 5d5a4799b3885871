import csv
import io
import json
import shutil
import warnings
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
import torch
from PIL import Image

import labelmend
from corrections.sets import FAST, LABELS, NAMES, images, suggest, write_folders
from labelmend.cli.main import main
from labelmend.errors import DataError, LabelmendWarning, RunError, SettingsError
from labelmend.exports.export import FORMATS, export
from labelmend.exports.label_studio import import_annotations
from labelmend.runs.run import load_run
from labelmend.verdicts.decisions import Decisions

IDS = sorted(f"{la}/{n}" for n, la in zip(NAMES, LABELS, strict=True))


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    root = tmp_path_factory.mktemp("exports")
    labelmend.fit(write_folders(root / "photos"), out=root / "run", **FAST)
    suggestions = {"cat/0.png": ("dog", 0.95), "cat/2.png": ("dog", 0.6)}
    return root / "photos", suggest(root / "run", suggestions)


@pytest.fixture
def run(original, tmp_path):
    return shutil.copytree(original[1], tmp_path / "run")


MENDED = {**{i: i.partition("/")[0] for i in IDS}, "cat/0.png": "dog"}


def test_csv_has_the_labels_and_nothing_that_is_true(run):
    (path,) = export(run, "csv")
    table = pd.read_csv(path)
    assert path == run / "exports" / "csv" / "labels.csv"
    assert dict(zip(table["id"], table["label"], strict=True)) == MENDED
    assert "true_label" not in table
    with Decisions.open(run, create=True) as decisions:
        decisions.record("cat/0.png", "keep")
    assert (
        pd.read_csv(export(run, "csv", min_confidence=0.5)[0]).set_index("id")["label"]["cat/0.png"] == "cat"
    )


def test_csv_is_safe_in_a_spreadsheet(tmp_path, judge):
    photos = write_folders(tmp_path / "photos", ["=cmd()", "@x"] * 4)
    (path,) = export(judge(photos, {"@x/1.png": ("=cmd()", 1.0)}), "csv")
    cells = [cell for row in csv.reader(path.open(encoding="utf-8")) for cell in row]
    assert "'=cmd()" in cells
    assert not any(cell.startswith(("=", "@", "+", "-")) for cell in cells)


def test_the_real_cleanlab_learns_by_the_exported_issues(run):
    from cleanlab.classification import CleanLearning
    from sklearn.linear_model import LogisticRegression

    table = pd.read_csv(export(run, "cleanlab")[0])
    assert table["given_label"].tolist() == [0] * 4 + [1] * 4
    table.loc[0, "is_label_issue"] = True
    features = np.c_[[0, *[0.1] * 3, *[1.0] * 4], np.ones(8)]
    learner = CleanLearning(LogisticRegression()).fit(features, table["given_label"], label_issues=table)
    assert learner.get_label_issues()["is_label_issue"].tolist() == table["is_label_issue"].tolist()
    assert learner.clf.n_features_in_ == 2


def test_the_real_datasets_reads_what_is_written_for_it(run, original, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets", reason="pip install datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    parquet, metadata = export(run, "huggingface")
    cache = str(tmp_path / "cache")
    found = datasets.load_dataset("parquet", data_files=str(parquet), split="train", cache_dir=cache)
    assert found.features["label"].names == ["cat", "dog"]
    assert dict(zip(found["id"], found.features["label"].int2str(found["label"]), strict=True)) == MENDED
    with Image.open(original[0] / "cat" / "0.png") as picture:
        assert np.array_equal(np.asarray(found[0]["image"]), np.asarray(picture))
    photos = shutil.copytree(original[0], tmp_path / "photos")
    shutil.copy(metadata, photos / "metadata.csv")
    found = datasets.load_dataset("imagefolder", data_dir=str(photos), split="train", cache_dir=cache)
    assert dict(zip(found["id"], found["label"], strict=True)) == MENDED


@pytest.mark.parametrize(
    ("labels", "names", "kind"),
    [
        (
            ["=cmd()", "-x"],
            ["=x.png", "+y.png", "@z.png", "'=q.png", 'a,"b.png', " s.png", "é\n.png", "1"],
            "csv",
        ),
        (["007", "7"], [f"{i}.png" for i in range(8)], "jsonl"),
        (["NA", "dog"], [f"{i}.png" for i in range(8)], "jsonl"),
        (["1.50", "<img src=x>"], [f"{i}.png" for i in range(8)], "csv"),
        (["cat", "dog"], ["a\rb.png", *(f"{i}.png" for i in range(7))], "jsonl"),
    ],
)
def test_names_and_classes_come_back_from_datasets_as_they_were(
    tmp_path, judge, monkeypatch, labels, names, kind
):
    datasets = pytest.importorskip("datasets", reason="pip install datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    names = [name if "." in name else f"{name}.png" for name in names]
    photos = write_folders(tmp_path / "photos", labels * 4, names)
    first = f"{labels[0]}/{names[0]}"
    _, metadata = export(judge(photos, {first: (labels[1], 1.0)}), "huggingface")
    assert metadata.name == f"metadata.{kind}"
    shutil.copy(metadata, photos)
    cache = str(tmp_path / "cache")
    found = datasets.load_dataset("imagefolder", data_dir=str(photos), split="train", cache_dir=cache)
    read = dict(zip(found["id"], found["label"], strict=True))
    given = {f"{label}/{name}": label for name, label in zip(names, labels * 4, strict=True)}
    assert read == given | {first: labels[1]}
    for row in found:
        with Image.open(photos / row["id"]) as picture:
            assert np.array_equal(np.asarray(row["image"]), np.asarray(picture))


def test_types_are_guessed_for_each_part_of_a_file_and_one_table_is_left(tmp_path, judge, monkeypatch):
    run = judge(write_folders(tmp_path / "photos", ["1", "x"] * 4), {"1/0.png": ("x", 1.0)})
    assert [path.name for path in export(run, "huggingface")] == ["data.parquet", "metadata.csv"]
    monkeypatch.setattr("labelmend.exports.huggingface.CHUNK", 4)
    suggest(run, {})
    assert [path.name for path in export(run, "huggingface")] == ["data.parquet", "metadata.jsonl"]
    assert sorted(path.name for path in (run / "exports/huggingface").iterdir()) == [
        "data.parquet",
        "metadata.jsonl",
    ]


@pytest.mark.parametrize("prefix", ["../photos/", "{absolute}/"])
def test_images_that_are_not_below_their_table_are_said(tmp_path, judge, prefix):
    photos = images(tmp_path / "photos")
    (tmp_path / "tables").mkdir()
    names = [prefix.format(absolute=photos) + name for name in NAMES]
    pd.DataFrame({"file_name": names, "label": LABELS}).to_csv(tmp_path / "tables" / "t.csv", index=False)
    run = judge(tmp_path / "tables" / "t.csv", {})
    with pytest.warns(LabelmendWarning, match=r"no metadata\.csv is written"):
        assert [path.name for path in export(run, "huggingface")] == ["data.parquet"]


def test_a_class_that_a_person_added_and_no_true_label(tmp_path, judge):
    run = judge(write_folders(tmp_path / "photos"), {}, noise="symmetric:0.5:seed=1")
    assert "true_label" in pd.read_csv(run / "verdicts.csv")
    with Decisions.open(run, create=True) as decisions:
        decisions.record("cat/0.png", "choose", "bird")
    assert "true_label" not in pd.read_csv(export(run, "csv")[0])
    features = json.loads(pyarrow.parquet.read_schema(export(run, "huggingface")[0]).metadata[b"huggingface"])
    assert features["info"]["features"]["label"]["names"] == ["cat", "dog", "bird"]
    assert pd.read_parquet(run / "exports/huggingface/data.parquet")["label"][0] == 2


def test_names_that_are_markup_or_no_address_in_label_studio(tmp_path, judge):
    labels = ['<b a="1">&', "it's"]
    run = judge(write_folders(tmp_path / "photos", labels * 4, ["a#b?c%20.png", "é &.png", *NAMES[2:]]), {})
    tasks, xml = export(run, "labelstudio")
    assert [
        choice.get("value") for choice in ElementTree.fromstring(xml.read_text()).iter("Choice")
    ] == labels
    addresses = [task["data"]["image"] for task in json.loads(tasks.read_text())]
    assert all(address.isascii() and not set("#%& ") & set(address.replace("%", "")) for address in addresses)
    files = [Path("/") / unquote(address.partition("?d=")[2]) for address in addresses]
    assert all(file.is_file() for file in files)


def test_names_that_no_imagefolder_finds_are_said(tmp_path, judge):
    photos = write_folders(tmp_path / "photos", LABELS, ["a\\b.png", "caf\udce9.png", *NAMES[2:]])
    run = judge(photos, {})
    with pytest.warns(LabelmendWarning, match=r"no metadata\.csv is written: cat/a.* and 1 other names"):
        assert [path.name for path in export(run, "huggingface")] == ["data.parquet"]


def test_arrays_go_to_hugging_face_with_their_pixels(tmp_path, judge):
    from labelmend.data import load

    pixels = np.random.default_rng(0).integers(0, 255, (8, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=pixels, labels=np.array(LABELS))
    run = judge(tmp_path / "a.npz", {"0": ("dog", 1.0)})
    (path,) = export(run, "huggingface")
    images = load(path)
    assert [images.class_names[label] for label in images.given_labels] == ["dog", *LABELS[1:]]
    assert np.array_equal(images.images.pixels[..., 0].numpy(), pixels)
    for kind in ("labelstudio", "fiftyone"):
        with pytest.raises(RunError, match=r"are not files of their own; .* --format huggingface"):
            export(run, kind)


def test_label_studio_tasks_by_its_own_package(run, original):
    config = pytest.importorskip("label_studio_sdk.label_interface", reason="pip install label-studio-sdk")
    tasks, xml = export(run, "labelstudio")
    tasks = json.loads(tasks.read_text())
    interface = config.LabelInterface(xml.read_text())
    interface.validate()
    assert all(interface.validate_task({"data": task["data"]}) for task in tasks)
    assert all(interface.validate_prediction(task["predictions"][0]) for task in tasks)
    first = tasks[0]
    assert first["data"]["image"] == f"/data/local-files/?d={str(original[0]).lstrip('/')}/cat/0.png"
    assert first["predictions"][0]["result"][0]["value"] == {"choices": ["dog"]}


def annotated(run, *choices):
    tasks = json.loads(export(run, "labelstudio")[0].read_text())
    for task, chosen in zip(tasks, choices, strict=False):
        results = [{"type": "choices", "value": {"choices": [choice]}} for choice in chosen]
        task["annotations"] = [{"result": [result], "was_cancelled": False} for result in results]
    path = run.parent / "annotated.json"
    path.write_text(json.dumps(tasks))
    return path


def test_annotations_become_decisions(run, capsys):
    path = annotated(run, [" dog"], [], ["cat"], ["bird "])
    assert main(["decide", str(run), str(path)]) == 0
    said = capsys.readouterr()
    assert "3 decisions noted; 5 tasks have no annotation" in said.out
    assert f"no class of {run} is called 'bird'; taken for classes that are new" in said.err
    with Decisions.open(run) as decisions:
        found = {identity: (d.action, d.label) for identity, d in decisions.current().items()}
    assert found == {
        "cat/0.png": ("accept", "dog"),
        "cat/4.png": ("keep", "cat"),
        "cat/6.png": ("choose", "bird"),
    }


def test_annotations_that_say_nothing_clear(run):
    with pytest.raises(DataError, match="task 1: annotated as cat and as dog"):
        import_annotations(run, annotated(run, ["cat", "dog"]))
    path = annotated(run, ["dog"])
    path.write_text(path.read_text().replace("dog/7.png", "dog/8.png"))
    with pytest.raises(DataError, match=r"task 8: the run in .* has no image 'dog/8\.png'"):
        import_annotations(run, path)
    for text, match in [("{", "cannot be read as JSON"), ("{}", "is no list of tasks"), ("[1]", "task 1")]:
        path.write_text(text)
        with pytest.raises(DataError, match=match):
            import_annotations(run, path)
    assert not (run / "decisions.sqlite").exists()


def test_two_tasks_of_one_image_must_agree(run):
    path = annotated(run, ["dog"], ["cat"])
    tasks = json.loads(path.read_text())
    path.write_text(json.dumps([*tasks, tasks[0]]))
    assert import_annotations(run, path) == (2, 6)
    with Decisions.open(run) as decisions:
        assert len(decisions.batches()) == 1
    other = tasks[0] | {"annotations": tasks[1]["annotations"]}
    path.write_text(json.dumps([*tasks, other]))
    with pytest.raises(DataError, match=r"task 9: image 'cat/0\.png' is 'cat' here, and 'dog' in task 1"):
        import_annotations(run, path)


def test_tasks_of_another_run_are_refused(run):
    path = annotated(run, ["dog"])
    tasks = json.loads(path.read_text())
    tasks[1]["data"]["given_label"] = "bird"
    path.write_text(json.dumps(tasks))
    with pytest.raises(
        DataError, match=r"task 2 is of another run: image .* was given as 'bird' there, and as"
    ):
        import_annotations(run, path)
    for task in tasks:
        del task["data"]["given_label"]
    path.write_text(json.dumps(tasks))
    assert import_annotations(run, path) == (1, 7)


def test_fiftyone_is_told_how_sure_the_suggestion_is_and_of_no_other_label(run):
    with Decisions.open(run, create=True) as decisions:
        decisions.record("cat/0.png", "keep")
        decisions.record("cat/2.png", "accept")
    entries = json.loads(export(run, "fiftyone")[0].read_text())["labels"].values()
    sure = {e["attributes"]["image_id"]: e.get("confidence") for e in entries}
    assert (sure["cat/0.png"], sure["cat/2.png"], sure["cat/4.png"]) == (None, 0.6, 0.5)


def test_a_file_of_decisions_that_was_never_begun_decides_nothing(run):
    (run / "decisions.sqlite").touch()
    assert set(pd.read_csv(export(run, "csv")[0])["label"]) == {"cat", "dog"}


def test_fiftyone_has_a_label_and_a_file_for_each_image(run, original):
    labels, data = (json.loads(path.read_text()) for path in export(run, "fiftyone"))
    assert labels["classes"] == ["cat", "dog"]
    assert {entry["attributes"]["image_id"]: entry["label"] for entry in labels["labels"].values()} == MENDED
    assert data["0"] == str(original[0] / "cat" / "0.png")
    assert labels["labels"].keys() == data.keys()


@pytest.mark.slow
@pytest.mark.skipif(find_spec("fiftyone") is None, reason="pip install fiftyone")
def test_the_real_fiftyone_reads_what_is_written_for_it(run, original, monkeypatch):
    # Its importers work without its database, which is no Python package.
    monkeypatch.setenv("FIFTYONE_DISABLE_SERVICES", "1")
    monkeypatch.setenv("FIFTYONE_DO_NOT_TRACK", "1")
    import fiftyone

    folder = str(export(run, "fiftyone")[0].parent)
    importer = fiftyone.types.FiftyOneImageClassificationDataset().get_dataset_importer_cls()
    with importer(dataset_dir=folder, data_path="data.json") as found:
        assert found.get_dataset_info()["classes"] == ["cat", "dog"]
        read = {label["image_id"]: (path, label) for path, _, label in found}
    assert {image: label.label for image, (_, label) in read.items()} == MENDED
    path, label = read["cat/0.png"]
    assert path == str(original[0] / "cat" / "0.png")
    assert (label.confidence, label["given_label"], label["suggested_label"]) == (0.95, "cat", "dog")


def onnx_probabilities(run, pixels):
    onnxruntime = pytest.importorskip("onnxruntime", reason="pip install onnxruntime")
    (path,) = export(run, "onnx")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (found,) = session.run(["probabilities"], {"pixels": pixels})
    return found, session.get_modelmeta().custom_metadata_map


def test_onnx_of_a_network_on_pixels(run, original):
    pytest.importorskip("onnx", reason="pip install 'labelmend[exports]'")
    files = [original[0] / identity for identity in IDS[:5]]
    pixels = np.stack([np.asarray(Image.open(file)) for file in files])
    found, described = onnx_probabilities(run, pixels)
    np.testing.assert_allclose(found, load_run(run).predict_proba(files), atol=1e-4)
    assert np.ptp(found[:, 0]) > 0
    assert json.loads(described["classes"]) == ["cat", "dog"]
    assert json.loads(described["preparation"])["size"] == 8


def test_onnx_of_a_method_whose_network_abstains(tmp_path, original, trained):
    pytest.importorskip("onnx", reason="pip install 'labelmend[exports]'")
    run = trained(original[0], tmp_path / "run", method="dac", flip=True, epochs=2)
    pixels = np.stack([np.asarray(Image.open(original[0] / identity)) for identity in IDS[:3]])
    expected = load_run(run).predict_proba([original[0] / identity for identity in IDS[:3]])
    np.testing.assert_allclose(onnx_probabilities(run, pixels)[0], expected, atol=1e-4)


def test_onnx_of_heads_on_a_frozen_backbone(tmp_path, original):
    pytest.importorskip("onnx", reason="pip install 'labelmend[exports]'")
    pytest.importorskip("timm")
    settings = {"recipe": "photos", "network": "efficientnet_lite0", "frozen": True, "epochs": 2}
    run = labelmend.fit(original[0], out=tmp_path / "run", precision="float32", **settings)
    pixels = np.random.default_rng(0).integers(0, 255, (2, 224, 224, 3), dtype=np.uint8)
    size = run.backbone.size
    found, described = onnx_probabilities(run.folder, pixels[:, :size, :size])
    assert json.loads(described["preparation"])["size"] == size
    features = run.backbone(torch.from_numpy(pixels[:, :size, :size].copy()))
    expected = run.network(features).softmax(1).detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_onnx_of_a_backbone_that_was_trained_too(tmp_path, original, monkeypatch):
    monkeypatch.setattr("labelmend.training.finetune.LR", 0.01)
    pytest.importorskip("onnx", reason="pip install 'labelmend[exports]'")
    pytest.importorskip("timm")
    settings = {"recipe": "photos", "network": "timm:test_resnet", "pretrained": False, "finetune": 1}
    run = labelmend.fit(original[0], out=tmp_path / "run", precision="float32", epochs=2, **settings)
    size = run.backbone.size
    pixels = np.random.default_rng(0).integers(0, 255, (2, size, size, 3), dtype=np.uint8)
    found, _ = onnx_probabilities(run.folder, pixels)
    expected = run.network(run.backbone(torch.from_numpy(pixels))).softmax(1).detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)
    frozen, _ = onnx_probabilities(run.folder / "frozen", pixels)
    # One step changes little, but it does.
    assert not np.array_equal(found, frozen)


def test_a_missing_package_is_named(run, monkeypatch):
    monkeypatch.setattr("labelmend.exports.onnx.find_spec", lambda name: None)
    with pytest.raises(RunError, match=r"needs the package onnx: pip install 'labelmend\[exports\]'"):
        export(run, "onnx")


def test_what_is_refused(run, original, tmp_path):
    with pytest.raises(SettingsError, match=f"--format is 'coco', but must be one of {', '.join(FORMATS)}"):
        export(run, "coco")
    (tmp_path / "mine").write_text("mine")
    for out in (tmp_path / "mine", tmp_path):
        with pytest.raises(RunError, match="is there and not empty, and nothing is replaced"):
            export(run, "csv", out)
    assert [path.name for path in export(run, "csv", tmp_path / "new")] == ["labels.csv"]
    assert export(run, "csv") == export(run, "csv")
    (original[0] / "cat" / "0.png").rename(tmp_path / "0.png")
    try:
        with pytest.raises(RunError, match=r"image 'cat/0\.png' is not there any more"):
            export(run, "fiftyone")
    finally:
        (tmp_path / "0.png").rename(original[0] / "cat" / "0.png")


def test_images_that_have_moved_are_named_where_they_are_now(run, original, tmp_path, capsys):
    now = original[0].rename(tmp_path / "elsewhere")
    try:
        assert main(["export", str(run), "--format", "fiftyone"]) == 2
        assert (
            f"is not at {original[0]} any more; say where it is now (--data WHERE)" in capsys.readouterr().err
        )
        # Tables of labels need no images.
        assert export(run, "csv")
        assert main(["export", str(run), "--format", "labelstudio", "--data", str(now)]) == 0
        assert export(run, "huggingface", data=now)
        assert export(run, "fiftyone", data=now)
        named = json.loads((run / "exports" / "fiftyone" / "data.json").read_text()).values()
        assert {Path(path) for path in named} == {now / name for name in IDS}
    finally:
        now.rename(original[0])


def test_the_command_prints_what_it_wrote(run, capsys):
    assert main(["export", str(run), "--format", "csv"]) == 0
    assert capsys.readouterr().out == f"{run}/exports/csv/labels.csv\n"


@pytest.mark.parametrize(
    ("kind", "channels", "scale"),
    [(np.int64, 1, 1), (np.float32, 3, 1 / 255), (np.uint16, 3, 257), (np.uint16, 1, 257), (np.uint8, 3, 1)],
)
def test_arrays_of_any_numbers_are_pictures_for_the_hub(tmp_path, kind, channels, scale):
    shape = (12, 8, 8, 3)[: 3 if channels == 1 else 4]
    pixels = np.random.default_rng(0).integers(0, 256, shape)
    pixels[:, 0, 0], pixels[:, 0, 1] = 0, 255
    table = pd.DataFrame({"image": list((pixels * scale).astype(kind)), "label": ["a", "b"] * 6})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        labelmend.fit(table, out=tmp_path / "run", epochs=1, batch_size=4, widths=[8], depth=1)
        (path, *_) = export(tmp_path / "run", "huggingface", data=table)
    cells = pd.read_parquet(path)["image"]
    found = [np.asarray(Image.open(io.BytesIO(cell["bytes"]))) for cell in cells]
    expected = pixels * 257 if kind == np.uint16 and channels == 1 else pixels
    assert np.array_equal(np.stack(found), expected)
