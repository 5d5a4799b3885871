import numpy as np

from labelmend.verdicts import layout
from labelmend.verdicts.layout import lay_out


def clusters(each=20, classes=3, dim=8):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(classes), each)
    centres = 10 * np.eye(classes, dim)
    return (centres[labels] + rng.normal(size=(len(labels), dim))).astype(np.float32), labels


def test_images_of_one_class_are_placed_together():
    features, labels = clusters()
    found = lay_out(features, labels, np.ones(60, dtype=bool), anchors=False)
    assert found.points.shape == (60, 2)
    assert found.anchors.shape == (0, 2)
    distance = np.linalg.norm(found.points[:, None] - found.points[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    assert (labels[distance.argmin(1)] == labels).all()


def test_anchors_lie_nearest_to_their_class():
    features, labels = clusters()
    easy = labels < 2
    found = lay_out(features, labels, easy, anchors=True)
    assert sorted(set(found.anchor_labels.tolist())) == [0, 1]
    assert len(found.anchors) == 40
    centres = np.stack([found.points[labels == c].mean(0) for c in range(3)])
    distance = np.linalg.norm(found.anchors[:, None] - centres[None], axis=2)
    assert (distance.argmin(1) == found.anchor_labels).mean() > 0.9


def test_the_same_seed_gives_the_same_map():
    features, labels = clusters()
    one, two = (lay_out(features, labels, labels < 2, anchors=True, seed=1) for _ in range(2))
    assert np.array_equal(one.points, two.points)
    assert np.array_equal(one.anchors, two.anchors)


def test_anchors_are_limited(monkeypatch):
    monkeypatch.setattr(layout, "MOST_ANCHORS", 7)
    features, labels = clusters()
    found = lay_out(features, labels, np.ones(len(labels), dtype=bool), anchors=True)
    assert len(found.anchors) == 7


def test_too_little_to_lay_out_is_no_map():
    features, labels = clusters()
    easy = np.ones(60, dtype=bool)
    assert lay_out(features[:4], labels[:4], easy[:4], anchors=True) is None
    assert lay_out(np.ones((10, 3), np.float32), labels[:10], easy[:10], anchors=True) is None


def test_one_easy_class_makes_no_anchors():
    features, labels = clusters()
    found = lay_out(features, labels, labels == 0, anchors=True)
    assert len(found.anchors) == 0
