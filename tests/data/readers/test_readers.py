from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset, DatasetDict
from torch.utils.data import TensorDataset

from labelmend.data import is_named, load
from labelmend.data.benchmarks import BENCHMARKS
from labelmend.data.readers import READERS, find_reader
from labelmend.data.readers.array import ArrayReader
from labelmend.data.readers.columns import ColumnsReader
from labelmend.data.readers.files import FilesReader
from labelmend.data.readers.folder import FolderReader
from labelmend.data.readers.hugging_face import HuggingFaceReader
from labelmend.data.readers.image_set import ImageSetReader
from labelmend.data.readers.listing import ListingReader
from labelmend.data.readers.named import NamedReader
from labelmend.data.readers.npy import NpyReader
from labelmend.data.readers.npz import NpzReader
from labelmend.data.readers.pair import PairReader
from labelmend.data.readers.pictures import PicturesReader
from labelmend.data.readers.table import TableReader
from labelmend.data.readers.torch_dataset import TorchDatasetReader
from labelmend.data.sources import read_listing
from labelmend.errors import DataError

X = np.zeros((2, 8, 8), dtype=np.uint8)
LABELLED = {
    "name": NamedReader,
    "set": ImageSetReader,
    "listing": ListingReader,
    "folder": FolderReader,
    "csv": TableReader,
    "parquet": TableReader,
    "npz": NpzReader,
    "npy": NpyReader,
    "columns": ColumnsReader,
    "frame": ColumnsReader,
    "pair": PairReader,
    "torch": TorchDatasetReader,
    "dataset": HuggingFaceReader,
    "splits": HuggingFaceReader,
}
UNLABELLED = {
    "csv": TableReader,
    "npz": NpzReader,
    "npy": NpyReader,
    "frame": ColumnsReader,
    "folder": FilesReader,
    "image": FilesReader,
    "list": FilesReader,
    "array": ArrayReader,
    "pictures": PicturesReader,
}


@pytest.fixture
def sources(tmp_path, save_image):
    """One source of each kind; the readers do not look into files."""
    for name in ("a.csv", "a.PARQUET", "a.npz", "a.npy"):
        (tmp_path / name).touch()
    save_image(tmp_path / "images.csv/a/1.png")
    return {
        "name": "cifar10",
        "set": load((X, ["a", "b"])),
        "listing": read_listing((X, ["a", "b"])),
        "folder": tmp_path / "images.csv",
        "csv": str(tmp_path / "a.csv"),
        "parquet": tmp_path / "a.PARQUET",
        "npz": tmp_path / "a.npz",
        "npy": tmp_path / "a.npy",
        "pair": (X, ["a", "b"]),
        "columns": {"file_name": ["a.png"], "label": ["a"]},
        "frame": pd.DataFrame({"file_name": ["a.png"], "label": ["a"]}),
        "torch": TensorDataset(),
        "dataset": Dataset.from_dict({"label": ["a"]}),
        "splits": DatasetDict({"train": Dataset.from_dict({"label": ["a"]})}),
        "image": tmp_path / "images.csv/a/1.png",
        "list": [str(tmp_path / "images.csv/a/1.png"), tmp_path],
        "array": X,
        "pictures": [X[0], tmp_path / "images.csv/a/1.png"],
    }


@pytest.mark.parametrize("kind", LABELLED)
def test_each_kind_is_found_by_one_reader(sources, kind):
    assert type(find_reader(sources[kind])) is LABELLED[kind]
    assert sum(reader.labelled and reader.matches(sources[kind]) for reader in READERS) == 1


@pytest.mark.parametrize("kind", UNLABELLED)
def test_each_kind_of_images_to_classify_is_found(sources, kind):
    assert type(find_reader(sources[kind], labelled=False)) is UNLABELLED[kind]


def test_every_reader_is_found_for_some_source():
    assert {type(reader) for reader in READERS} == {*LABELLED.values(), *UNLABELLED.values()}
    assert len(READERS) == len({type(reader) for reader in READERS})


def test_names_go_before_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in BENCHMARKS:
        Path(name).mkdir()
        assert isinstance(find_reader(name), NamedReader)
        assert isinstance(find_reader(f"./{name}"), FolderReader)
        assert isinstance(find_reader(Path(name)), FolderReader)
        assert isinstance(find_reader(name, labelled=False), FilesReader)
    assert is_named("digits")
    assert not is_named("./digits")
    assert not is_named(Path("digits"))
    assert not is_named(["digits"])


def test_unknown_sources_are_refused_with_what_is_known(tmp_path):
    (tmp_path / "a.txt").touch()
    known = r"give a folder or one of \.csv, \.tsv, \.json, .*, \.parquet, .*, \.npz, \.npy$"
    with pytest.raises(DataError, match=rf"a\.txt: cannot read '\.txt' as a set of images; {known}"):
        find_reader(tmp_path / "a.txt")
    with pytest.raises(
        DataError, match=r"no such file or folder, nor a data set of this name \(digits, cifar10"
    ):
        find_reader(str(tmp_path / "a.csv"))
    with pytest.raises(DataError, match=r"cannot read images from a int; give a path, a name, a pair"):
        find_reader(3)


def test_no_name_is_not_the_folder_that_the_command_runs_in():
    for labelled in (True, False):
        with pytest.raises(DataError, match="the name of the data is empty; give a folder"):
            find_reader(" ", labelled=labelled)
