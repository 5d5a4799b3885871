import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from labelmend import NoisyLabelClassifier
from labelmend.errors import DataError, SettingsError

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
