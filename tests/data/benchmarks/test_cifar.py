from __future__ import annotations

import io
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from labelmend.data import load, load_own_test
from labelmend.data.benchmarks import BENCHMARKS
from labelmend.errors import DataError, LabelmendWarning

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
pytestmark = pytest.mark.filterwarnings("ignore::labelmend.errors.LabelmendWarning")


def make_batches(folder, fine=False, rows=4):
    """Batches in the official layout, ``rows`` images in each file."""
    place = folder / ("cifar-100-python" if fine else "cifar-10-batches-py")
    place.mkdir(parents=True)
    generator = np.random.default_rng(0)
    classes = [f"c{i:02}" for i in range(100)] if fine else NAMES
    files = ["train", "test"] if fine else [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    pixels = {}
    for file in files:
        data = generator.integers(0, 256, (rows, 3072), dtype=np.uint8)
        labels = generator.integers(0, len(classes), rows).tolist()
        batch = {"data": data, "filenames": [f"{file}_{i}.png" for i in range(rows)], "batch_label": file}
        batch |= {"fine_labels": labels, "coarse_labels": [0] * rows} if fine else {"labels": labels}
        (place / file).write_bytes(pickle.dumps(batch, protocol=2))
        pixels[file] = (data.reshape(rows, 3, 32, 32).transpose(0, 2, 3, 1), labels)
    meta = {"fine_label_names": classes, "coarse_label_names": []} if fine else {"label_names": NAMES}
    (place / ("meta" if fine else "batches.meta")).write_bytes(pickle.dumps(meta, protocol=2))
    return place, pixels


def test_official_batches_in_order(tmp_path):
    _, pixels = make_batches(tmp_path)
    train = load("cifar10", root=tmp_path)
    assert train.class_names == NAMES
    files = [f"data_batch_{i}" for i in range(1, 6)]
    np.testing.assert_array_equal(train.images.pixels.numpy(), np.concatenate([pixels[f][0] for f in files]))
    assert train.given_labels.tolist() == [label for f in files for label in pixels[f][1]]
    assert train.true_labels.tolist() == train.given_labels.tolist()
    assert train.ids == [str(i) for i in range(20)]
    assert train.paths[4] == "data_batch_2_0.png"
    assert train.name == "cifar10"
    test = load_own_test("cifar10", root=tmp_path, like=train)
    np.testing.assert_array_equal(test.images.pixels.numpy(), pixels["test_batch"][0])


def test_the_batch_folder_itself_and_the_environment_variable(tmp_path, monkeypatch):
    place, _ = make_batches(tmp_path / "cifar10")
    assert len(load("cifar10", root=place)) == 20
    monkeypatch.setenv("LABELMEND_DATA", str(tmp_path))
    assert len(load("cifar10")) == 20


def test_batches_as_python_2_wrote_them(tmp_path):
    # As in the official files, keys, names and the bytes of the array are strings of Python 2.
    place, pixels = make_batches(tmp_path)
    data = pixels["test_batch"][0].transpose(0, 3, 1, 2).tobytes()
    rows = len(pixels["test_batch"][1])
    labels = b"".join(b"K" + bytes([label]) for label in pixels["test_batch"][1])
    names = b"".join(b"U\x05%d.png" % i for i in range(rows))
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K" + bytes([rows]) + b"M\x00\x0c\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
        + len(data).to_bytes(4, "little")
        + data
        + b"tb"
    )
    stream = b"\x80\x02}(U\x04data" + array + b"U\x06labels](" + labels + b"eU\tfilenames](" + names + b"eu."
    (place / "test_batch").write_bytes(stream)
    test = load("cifar10", root=tmp_path, split="test")
    np.testing.assert_array_equal(test.images.pixels.numpy(), pixels["test_batch"][0])
    assert test.paths[0] == "0.png"


def test_cifar100_uses_fine_labels(tmp_path):
    _, pixels = make_batches(tmp_path, fine=True, rows=8)
    train = load("cifar100", root=tmp_path)
    assert train.num_classes == 100
    assert train.given_labels.tolist() == pixels["train"][1]


def test_a_missing_batch_is_never_passed_over(tmp_path):
    place, _ = make_batches(tmp_path)
    (place / "data_batch_3").unlink()
    (place / "batches.meta").unlink()
    with pytest.raises(DataError, match=r"data_batch_3 is missing \(and 1 more problems\).*cs\.toronto\.edu"):
        load("cifar10", root=tmp_path)
    found = BENCHMARKS["cifar10"].verify(tmp_path)
    assert any("data_batch_3 is missing" in problem for problem in found.problems)
    assert found.listings == {}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"data": np.zeros((4, 100), np.uint8)}, r"expected uint8 \(N, 3072\)"),
        ({"labels": [0, 1]}, "4 images, 2 labels"),
        ({"labels": [0, 1, 2, 10]}, r"a label is not in 0\.\.9"),
        ({"labels": None}, "there is no 'labels' in it"),
    ],
)
def test_faulty_batches(tmp_path, change, match):
    place, _ = make_batches(tmp_path)
    batch = {"data": np.zeros((4, 3072), np.uint8), "labels": [0, 1, 2, 3], **change}
    (place / "data_batch_1").write_bytes(pickle.dumps({k: v for k, v in batch.items() if v is not None}, 2))
    with pytest.raises(DataError, match=match):
        load("cifar10", root=tmp_path)


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/labelmend-victim",)


def test_a_crafted_batch_is_refused(tmp_path):
    place, _ = make_batches(tmp_path)
    (place / "data_batch_1").write_bytes(pickle.dumps({"data": Evil()}, 2))
    with pytest.raises(DataError, match=r"asks for posix\.system"):
        load("cifar10", root=tmp_path)
    assert not Path("/tmp/labelmend-victim").exists()


def write_parquet(path, labels, column="label", names=NAMES):
    def encode(i):
        stream = io.BytesIO()
        Image.new("RGB", (32, 32), (i, 0, 0)).save(stream, "PNG")
        return {"bytes": stream.getvalue(), "path": f"{i}.png"}

    table = pa.table({"img": [encode(i) for i in range(len(labels))], column: pa.array(labels, pa.int64())})
    if names:
        info = {"info": {"features": {column: {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


@pytest.mark.parametrize(
    "place",
    [
        "train.parquet",
        "benchmarks/cifar10/train.parquet",
        "cifar10/plain_text/train-00000-of-00001.parquet",
        "cifar10/data/train-00000-of-00001.parquet",
    ],
)
def test_parquet_in_its_usual_places(tmp_path, place):
    write_parquet(tmp_path / place, [3, 0, 9])
    train = load("cifar10", root=tmp_path)
    assert train.class_names == NAMES
    assert train.given_labels.tolist() == train.true_labels.tolist() == [3, 0, 9]
    assert train.images.pixels[:, 0, 0, 0].tolist() == [0, 1, 2]
    with pytest.raises(DataError, match=r"test\.parquet .* is missing"):
        load("cifar10", root=tmp_path, split="test")


def test_parquet_without_class_names_and_of_cifar100(tmp_path):
    write_parquet(tmp_path / "a/train.parquet", [3, 0, 9], names=None)
    assert load("cifar10", root=tmp_path / "a").class_names == [str(i) for i in range(10)]
    write_parquet(tmp_path / "b/train.parquet", [3, 99], column="fine_label", names=None)
    assert load("cifar100", root=tmp_path / "b").given_labels.tolist() == [3, 99]
    write_parquet(tmp_path / "c/train.parquet", [1, 0], names=["x", "y"])
    with pytest.raises(DataError, match="names 2 classes, expected 10"):
        load("cifar10", root=tmp_path / "c")


def test_class_folders(tmp_path, save_image):
    for name in NAMES:
        save_image(tmp_path / "train" / name / "1.png", size=32)
    train = load("cifar10", root=tmp_path)
    assert train.class_names == NAMES
    assert train.given_labels.tolist() == list(range(10))
    found = BENCHMARKS["cifar10"].verify(tmp_path)
    assert list(found.listings) == ["train"]
    assert found.notes == ["the train split has 10 images, the official one 50,000"]
    assert len(found.problems) == 1
    (tmp_path / "train/cat/1.png").unlink()
    with pytest.raises(DataError, match="cat holds no image"):
        load("cifar10", root=tmp_path)


def test_what_is_said_when_it_is_not_there(tmp_path, monkeypatch):
    monkeypatch.delenv("LABELMEND_DATA", raising=False)
    with pytest.raises(DataError, match=r"no folder is given; get it from https://www\.cs\.toronto.* --root"):
        load("cifar10")
    with pytest.raises(DataError, match=r"not found in .*looked for cifar-10-batches-py"):
        load("cifar10", root=tmp_path)
    with pytest.raises(DataError, match="is not a folder"):
        load("cifar10", root=tmp_path / "none")


def test_another_number_of_images_is_warned_of(tmp_path):
    make_batches(tmp_path)
    with pytest.warns(LabelmendWarning, match="train split has 20 images, the official one 50,000"):
        load("cifar10", root=tmp_path)


def real_root() -> Path:
    for place in (Path(__file__).parents[3] / "../shared/data", Path(os.environ.get("LABELMEND_DATA", "/-"))):
        if (place / "benchmarks/cifar10/test.parquet").is_file():
            return place
    pytest.skip("CIFAR-10 is not there (../shared/data/benchmarks or $LABELMEND_DATA)")


def test_real_cifar10_is_verified_complete():
    found = BENCHMARKS["cifar10"].verify(real_root())
    assert found.problems == found.notes == []
    assert {split: len(listing) for split, listing in found.listings.items()} == {
        "train": 50_000,
        "test": 10_000,
    }


def test_first_real_images():
    train = load("cifar10", root=real_root(), limit=10)
    assert train.given_labels.tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]
    assert train.images.pixels[0, 0, 0].tolist() == [59, 62, 63]
    assert train.paths[0] == "leptodactylus_pentadactylus_s_000004.png"
