from threading import Event, Thread
from threading import enumerate as enumerate_threads

import numpy as np
import pytest

from labelmend.errors import RunError
from labelmend.review import neighbours as module
from labelmend.review.neighbours import Neighbours
from labelmend.runs.features import features_of
from labelmend.runs.pictures import open_pictures
from labelmend.runs.run import load_run
from labelmend.verdicts.frame import read_parquet

EASY = range(30, 48)


@pytest.fixture
def ids(trained):
    return read_parquet(trained / "verdicts.parquet")["id"].tolist()


@pytest.fixture
def neighbours(trained, ids):
    return Neighbours(trained, open_pictures(trained), [ids[row] for row in EASY])


def by_hand(trained, ids, row):
    """Easy rows but ``row``, the most similar first."""
    _, features = features_of(load_run(trained), open_pictures(trained), ids)
    centred = features - features[EASY.start :].mean(0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    return sorted(
        (other for other in EASY if other != row), key=lambda other: -float(unit[other] @ unit[row])
    )


def test_they_are_the_most_similar_easy_images_and_never_the_image_itself(trained, ids, neighbours):
    for row in (21, 29, 40):
        assert neighbours.of(ids[row], wait=60) == [ids[near] for near in by_hand(trained, ids, row)[:3]]


def test_of_many_easy_images_some_are_drawn(trained, ids, monkeypatch):
    monkeypatch.setattr(module, "REFERENCE", 2)
    found = Neighbours(trained, open_pictures(trained), [ids[row] for row in EASY]).of(ids[0], wait=60)
    assert len(found) == 2
    assert set(found) < {ids[row] for row in EASY}


def test_nobody_waits_for_features(ids, neighbours, monkeypatch):
    begun, go_on = Event(), Event()

    def slow(folder):
        begun.set()
        assert go_on.wait(60)
        return load_run(folder)

    monkeypatch.setattr(module, "load_run", slow)
    before = set(enumerate_threads())
    assert neighbours.of(ids[0]) is None
    # A review that is ended does not wait for it either.
    assert [thread.daemon for thread in set(enumerate_threads()) - before] == [True]
    assert begun.wait(60)
    assert neighbours.of(ids[0], wait=0.01) is None
    go_on.set()
    assert len(neighbours.of(ids[0], wait=60)) == 3


def test_features_of_one_image_are_computed_at_a_time(ids, neighbours, monkeypatch):
    neighbours.of(ids[0], wait=60)
    inside, most = [], []

    def watched(*arguments, **named):
        inside.append(1)
        most.append(len(inside))
        assert named == {"kept": False}
        found = features_of(*arguments, **named)
        inside.pop()
        return found

    monkeypatch.setattr(module, "features_of", watched)
    asking = [Thread(target=neighbours.of, args=(identity,)) for identity in ids[:6]]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert most == [1] * 6


def test_a_run_without_its_network_has_none(ids, neighbours, monkeypatch):
    def damaged(folder):
        raise RunError("model.safetensors is damaged")

    monkeypatch.setattr(module, "load_run", damaged)
    assert neighbours.of(ids[0], wait=60) == []


def test_an_image_that_has_gone_has_none(neighbours):
    assert neighbours.of("gone", wait=60) == []
