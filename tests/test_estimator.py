import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import labelmend
from labelmend import NoisyLabelClassifier
from labelmend.errors import DataError, LabelmendWarning, SettingsError

SETTINGS = {"widths": [8, 8], "depth": 1, "precision": "float32", "memory_format": "contiguous"}


def stripes(count=48):
    """Images of 8 px with a bright upper half, left half or corner."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (count, 8, 8), dtype=np.uint8)
    labels = np.arange(count) % 3
    for image, label in zip(images, labels, strict=True):
        image[[(slice(0, 4), slice(None)), (slice(None), slice(0, 4)), (slice(5, 8), slice(5, 8))][label]] = (
            230
        )
    return images, labels


def make(**arguments):
    return NoisyLabelClassifier(
        **{"epochs": 12, "batch_size": 12, "lr": 0.1, "settings": SETTINGS, **arguments}
    )


@pytest.fixture(scope="module")
def fitted():
    images, labels = stripes()
    given = labels.copy()
    given[5] = 0
    return make(epochs=30).fit(images, given)


def test_init_does_no_work_and_clone_copies_the_parameters():
    classifier = make(method="nonsense", recipe="none")
    copy = clone(classifier)
    assert copy.get_params() == classifier.get_params()
    assert copy is not classifier
    assert copy.set_params(epochs=2).epochs == 2
    assert not [name for name in vars(classifier) if name.endswith("_")]


def test_unfitted_is_said():
    with pytest.raises(NotFittedError):
        make().predict(stripes()[0])
    with pytest.raises(NotFittedError):
        make().get_label_issues()


def test_it_learns(fitted):
    images, labels = stripes(30)
    assert fitted.score(images, labels) > 0.8
    probabilities = fitted.predict_proba(images)
    assert probabilities.shape == (30, 3)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    assert fitted.image_shape_ == (8, 8)


@pytest.mark.parametrize(
    "names",
    [np.array(["owl", "ant", "bee"]), np.array([10, -3, 7]), np.array([False, True, True])],
    ids=["text", "integers", "booleans"],
)
def test_labels_keep_their_type(names):
    images, labels = stripes()
    classifier = make(epochs=1).fit(images, names[labels])
    np.testing.assert_array_equal(classifier.classes_, np.unique(names))
    assert classifier.predict(images).dtype == names.dtype
    issues = classifier.get_label_issues()
    np.testing.assert_array_equal(issues["given_label"].to_numpy(), names[labels])
    assert set(issues["predicted_label"]) <= set(names.tolist())


def test_digit_strings_of_more_than_ten_classes_are_not_mixed_up():
    images = np.zeros((22, 8, 8), dtype=np.uint8)
    labels = np.array([str(i) for i in range(11)] * 2)
    classifier = make(epochs=1, method="ce").fit(images, labels)
    np.testing.assert_array_equal(classifier.get_label_issues()["given_label"], labels)


def test_random_state_decides(fitted):
    images, _ = stripes()
    given = np.array(fitted.get_label_issues()["given_label"])
    same = make(epochs=30).fit(images, given).predict_proba(images)
    np.testing.assert_array_equal(same, fitted.predict_proba(images))
    other = make(epochs=30, random_state=np.random.RandomState(4)).fit(images, given).predict_proba(images)
    assert not np.array_equal(other, same)


def test_wrong_input_is_named():
    images, labels = stripes()
    with pytest.raises(DataError, match="shape"):
        make().fit(images.reshape(48, 64), labels)
    with pytest.raises(DataError, match="48 images, but 47"):
        make().fit(images, labels[:-1])
    with pytest.raises(SettingsError, match="lr is given both"):
        make(settings={"lr": 0.1}).fit(images, labels)


def test_a_missing_label_is_named():
    with pytest.raises(DataError, match="y has no label at position 1; leave such images out"):
        NoisyLabelClassifier().fit(np.zeros((2, 8, 8), np.uint8), np.array(["a", None], dtype=object))


def test_verbose_prints_a_line_an_epoch(capsys):
    make(epochs=2, method="ce", verbose=1).fit(*stripes())
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [
        ["epoch", "1"],
        ["epoch", "2"],
    ]


def test_label_issues_round_trip_through_cleanlab(fitted):
    classification = pytest.importorskip("cleanlab.classification", reason="cleanlab is in the dev extra")
    from sklearn.linear_model import LogisticRegression

    images, _ = stripes()
    issues = fitted.get_label_issues()
    given = issues["given_label"].to_numpy()
    learner = classification.CleanLearning(LogisticRegression(max_iter=200))
    learner.fit(images.reshape(48, 64) / 255, given, label_issues=issues)
    kept = learner.get_label_issues()
    np.testing.assert_array_equal(kept["is_label_issue"], issues["is_label_issue"])
    np.testing.assert_array_equal(kept["label_quality"], issues["label_quality"])


def test_cleanlab_can_train_it():
    classification = pytest.importorskip("cleanlab.classification", reason="cleanlab is in the dev extra")
    images, labels = stripes()
    learner = classification.CleanLearning(make(epochs=2, method="ce"), cv_n_folds=2)
    learner.fit(images, labels)
    assert learner.predict(images).shape == (48,)


def test_one_picture_is_one_prediction(fitted):
    images, _ = stripes(6)
    every = fitted.predict_proba(images)
    np.testing.assert_allclose(fitted.predict_proba(images[4]), every[4:5], atol=1e-6)
    assert fitted.predict(images[4]).tolist() == fitted.predict(images)[4:5].tolist()


def quick(**arguments):
    return NoisyLabelClassifier(
        **{
            "epochs": 1,
            "batch_size": 16,
            "method": "ce",
            "network": "fastnet",
            "settings": SETTINGS,
            **arguments,
        }
    )


@pytest.mark.parametrize("names", [[0, 1, 2], ["ant", "bee", "owl"]], ids=["integers", "text"])
def test_an_image_that_cannot_be_read_keeps_its_row(names):
    images, labels = stripes(30)
    given, holed = np.array(names)[labels], images / 255
    holed[[0, 7]] = np.nan
    with pytest.warns(LabelmendWarning, match=r"2 of 30 images are left out .* first image 0 of X") as said:
        classifier = quick().fit(holed, given)
    assert sum("cannot be read" in str(warning.message) for warning in said) == 1
    issues = classifier.get_label_issues()
    assert issues.index.tolist() == list(range(30))
    assert issues["is_label_issue"].dtype == bool
    assert issues["given_label"].tolist() == given.tolist()
    lost = issues.loc[[0, 7]]
    assert not lost["is_label_issue"].any() and lost["label_quality"].isna().all()
    assert [label is None for label in issues["predicted_label"]] == [row in (0, 7) for row in range(30)]
    kept = classifier.verdicts_.issues()
    assert kept.index.tolist() == [row for row in range(30) if row not in (0, 7)]
    pd.testing.assert_series_equal(issues["label_quality"].drop([0, 7]), kept["label_quality"])
    for ask in (classifier.predict, lambda images: classifier.score(images, given)):
        with pytest.raises(DataError, match=r"image 0 of X has no class, as it cannot be read .no pixel"):
            ask(holed)
    with pytest.warns(LabelmendWarning, match="2 of 30 images cannot be read"):
        probabilities = classifier.predict_proba(holed)
    assert np.isnan(probabilities).any(1).nonzero()[0].tolist() == [0, 7]


def test_images_beyond_the_limit_keep_their_rows():
    images, labels = stripes(30)
    issues = quick(settings={**SETTINGS, "limit": 20}).fit(images, labels).get_label_issues()
    assert issues["given_label"].tolist() == labels.tolist()
    assert issues["label_quality"].isna().tolist() == [False] * 20 + [True] * 10


@pytest.fixture
def files(tmp_path):
    """Paths of 12 images, of which that at 3 is none, and their labels."""
    images, labels = stripes(12)
    paths = [str(tmp_path / f"{row}.png") for row in range(12)]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    (tmp_path / "3.png").write_bytes(b"no image")
    return paths, labels


def test_photographs_have_the_recipe_that_fit_takes_for_them(tmp_path):
    pytest.importorskip("timm")
    rng = np.random.default_rng(0)
    paths = [str(tmp_path / f"{row}.png") for row in range(6)]
    for path in paths:
        Image.fromarray(rng.integers(0, 255, (80, 100, 3), dtype=np.uint8)).save(path)
    labels = ["a", "b"] * 3
    settings = {"network": "timm:test_resnet", "pretrained": False, "frozen": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        classifier = NoisyLabelClassifier(epochs=2, settings=settings).fit(paths, labels)
        run = labelmend.fit((paths, labels), epochs=2, **settings)
    assert classifier.run_.settings == run.settings
    assert classifier.run_.settings.network.frozen
    found, expected = (verdicts.table["label_quality"] for verdicts in (classifier.verdicts_, run.verdicts))
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("kind", [list, np.array, pd.Series])
def test_files_are_told_by_their_paths(files, kind):
    paths, labels = files
    with pytest.warns(LabelmendWarning, match=r"first image 3 of X \(.*3\.png: not an image"):
        classifier = quick().fit(kind(paths), labels)
    assert classifier.image_shape_ is None
    assert classifier.get_label_issues()["label_quality"].isna().tolist() == [row == 3 for row in range(12)]
    with pytest.raises(DataError, match=r"image 3 of X has no class.*3\.png: not an image"):
        classifier.predict(kind(paths))
    assert classifier.predict(kind(paths[4:])).shape == (8,)


@pytest.mark.parametrize(
    "names",
    [["x", "cafe\u0301", "owl"], ["x", " cat", "owl"], ["['a']", "x", "owl"], ["cat", "cat ", "owl"]],
    ids=["accent", "blank", "wrapped", "merged"],
)
@pytest.mark.parametrize("kind", [str, object])
def test_text_is_read_as_by_fit(names, kind):
    images, labels = stripes(30)
    given = np.array(names, dtype=kind)[labels]
    settings = {"epochs": 1, "batch_size": 16, "network": "fastnet", **SETTINGS}
    run = labelmend.fit((images, given), recipe="fast", method="ce", **settings)
    classifier = quick().fit(images, given)
    assert classifier.classes_.tolist() == run.classes == classifier.run_.classes
    predicted = classifier.predict(images)
    assert predicted.tolist() == run.predict(images).tolist()
    issues = classifier.get_label_issues()
    assert issues["given_label"].tolist() == run.verdicts.table["given_label"].tolist()
    assert classifier.score(images, given) == np.mean(predicted == issues["given_label"].to_numpy())


def test_a_name_is_read_once():
    images, labels = stripes(12)
    names = np.array(["['[1]']", "x", "y"])
    assert quick().fit(images, names[labels]).classes_.tolist() == ["[1]", "x", "y"]


@pytest.mark.parametrize("empty", ["", " "])
def test_blank_text_is_no_label(empty):
    with pytest.raises(DataError, match="y has no label at position 1"):
        quick().fit(stripes(3)[0], np.array(["a", empty, "b"]))


def of_objects(images):
    found = np.empty(len(images), dtype=object)
    found[:] = images
    return found


@pytest.mark.parametrize("kind", [list, of_objects], ids=["list", "objects"])
def test_images_may_be_of_many_sizes(kind):
    images, labels = stripes(30)
    cut = kind([image[: 6 + row % 3] for row, image in enumerate(images)])
    classifier = quick().fit(cut, labels)
    assert classifier.image_shape_ is None
    assert classifier.predict(cut).shape == (30,)
    assert classifier.predict(cut[:1]).tolist() == classifier.predict(cut).tolist()[:1]
    assert len(classifier.get_label_issues()) == 30


@pytest.mark.parametrize(
    ("make_one", "shape"),
    [(Image.fromarray, (8, 8)), (torch.from_numpy, (8, 8)), (np.asarray, (8, 8))],
    ids=["PIL", "tensor", "array"],
)
def test_lists_of_one_size_have_its_shape(make_one, shape):
    images, labels = stripes(12)
    assert quick().fit([make_one(image) for image in images], labels).image_shape_ == shape


def test_flattened_images_are_refused(fitted):
    images, _ = stripes(6)
    flat = images.reshape(6, -1)
    for table in (flat, torch.from_numpy(flat), list(flat), flat.tolist()):
        for ask in (fitted.predict, fitted.predict_proba):
            with pytest.raises(DataError, match=r"\(6, 64\).*flattened; give X.reshape\(-1, 8, 8\)"):
                ask(table)
    assert fitted.predict(images[0].tolist()).shape == (1,)


@pytest.mark.parametrize("settings", [["widths"], "widths", {1: 2}])
def test_settings_that_are_no_dictionary_are_refused(settings):
    with pytest.raises(SettingsError, match="must be a dictionary of names and values"):
        quick(settings=settings).fit(*stripes(6))
