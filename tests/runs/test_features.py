import numpy as np
import torch

import labelmend
from labelmend.runs.features import features_of, nearest
from labelmend.runs.pictures import open_pictures


def predicted(run, features):
    """Names of the classes that the head of the run's network makes of features."""
    with torch.no_grad():
        logits = run.network.head(torch.from_numpy(features))
    return np.asarray(run.classes)[logits.argmax(1).numpy()].tolist()


def test_features_are_those_that_the_network_decided_by(whole):
    run = labelmend.load_run(whole.folder)
    wanted = ["7", "3", "41"]
    ids, features = features_of(run, open_pictures(run.folder), wanted)
    assert ids == wanted
    table = run.verdicts.table.set_index("id")
    assert predicted(run, features) == table.loc[wanted, "predicted_label"].tolist()


def test_ids_without_a_picture_are_left_out(whole):
    run = labelmend.load_run(whole.folder)
    pictures = open_pictures(run.folder)
    ids, features = features_of(run, pictures, ["none", "7"])
    assert (ids, features.shape) == (["7"], (1, run.network.feature_dim))
    ids, features = features_of(run, pictures, ["none"])
    assert (ids, features.shape) == ([], (0, run.network.feature_dim))


def test_the_nearest_are_those_in_the_same_direction_from_the_mean():
    among = np.array([[10, 11], [10, 9], [12, 10], [8, 10]], np.float32)
    assert nearest(np.array([[10, 30], [9, 10.5]], np.float32), among, 2).tolist() == [[0, 2], [3, 0]]
    assert nearest(among[:1], among[:1], 3).tolist() == [[0]]
