"""Small classes under noise: what is found of their wrong labels, and how well they are recognised.

python benchmarks/imbalance.py --data DIR [--only digits]

Classes shrink geometrically from the first to the last, to 1/1, 1/10 and 1/50; then 20 % of all labels are
changed to another class at random. The fast recipe and cross-entropy have the same network and operations;
cleanlab has out-of-sample probabilities of a logistic regression, five folds, on the features of the fast
recipe's network, and a second regression on what it does not flag classifies the test images.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from labelmend.data.image_set import ImageSet
from labelmend.data.sources import load
from labelmend.settings.loading import resolve
from labelmend.training.machine import machine
from labelmend.training.trainer import Trainer
from labelmend.verdicts.frame import to_frame

RESULT = Path(__file__).parent / "results" / "imbalance.json"
RATIOS = (1, 10, 50)
NOISE = 0.2
TEST_IMAGES = 2000


def imbalanced(whole: ImageSet, largest: int, ratio: int, seed: int) -> ImageSet:
    """Classes of ``largest`` down to ``largest / ratio`` images, of which 20 % have another label."""
    rng = np.random.default_rng(seed)
    classes = whole.num_classes
    sizes = np.round(largest * ratio ** (-np.arange(classes) / (classes - 1))).astype(int)
    true = whole.given_labels
    rows = [rng.choice(np.flatnonzero(true == c), size, replace=False) for c, size in enumerate(sizes)]
    some = whole.subset(rng.permutation(np.concatenate(rows)))
    wrong = rng.permutation(len(some))[: round(NOISE * len(some))]
    given = some.given_labels.copy()
    given[wrong] = (given[wrong] + rng.integers(1, classes, len(wrong))) % classes
    return some.with_labels(given)


def measured(
    doubt: np.ndarray, flagged: np.ndarray, predicted: np.ndarray, train_set: ImageSet, test_set: ImageSet
) -> dict[str, float]:
    """Detection among all images and among those given the smallest class; accuracy on both."""
    assert train_set.true_labels is not None
    wrong, last = train_set.given_labels != train_set.true_labels, train_set.num_classes - 1
    small, right = train_set.given_labels == last, predicted == test_set.given_labels
    return {
        "ap": float(average_precision_score(wrong, doubt)),
        "ap_smallest": float(average_precision_score(wrong[small], doubt[small])),
        "flagged_precision": float(wrong[flagged].mean()) if flagged.any() else 0.0,
        "flagged_recall": float(flagged[wrong].mean()),
        "flagged_recall_smallest": float(flagged[small & wrong].mean()),
        "false_smallest": float((flagged & small & ~wrong).sum() / max((small & ~wrong).sum(), 1)),
        "accuracy": float(right.mean()),
        "recall_smallest": float(right[test_set.given_labels == last].mean()),
    }


def cleanlab(
    features: np.ndarray, of_test: np.ndarray, train_set: ImageSet, test_set: ImageSet
) -> dict[str, float]:
    """What cleanlab finds with five folds of logistic regression."""
    given = train_set.given_labels
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    probabilities = cross_val_predict(model, features, given, cv=folds, method="predict_proba")
    flagged = find_label_issues(given, probabilities)
    model.fit(features[~flagged], given[~flagged])
    doubt = 1 - get_label_quality_scores(given, probabilities)
    return measured(doubt, flagged, model.predict(of_test), train_set, test_set)


def run(train_set: ImageSet, test_set: ImageSet, flops: float, seed: int) -> dict[str, dict[str, float]]:
    """The three rows of a data set, imbalance and seed."""
    found: dict[str, dict[str, float]] = {}
    for name, method in (("fast recipe", None), ("cross-entropy", "ce")):
        settings = resolve(
            "fast",
            method,
            {"flops": flops, "widths": [32, 64, 128], "seed": seed, "precision": "float32"},
        )
        trainer = Trainer(settings, train_set)
        trained = trainer.run()
        table = to_frame(trained.record, train_set)
        network, view = trained.network, trainer.setup.normalisation
        with torch.no_grad():
            pixels = [view(test_set.images.gather(i)) for i in torch.arange(len(test_set)).split(500)]
            of_test = torch.cat([network.features(some) for some in pixels])
            predicted = network.head(of_test).argmax(1).numpy()
        doubt, flagged = 1 - table["label_quality"].to_numpy(), table["is_label_issue"].to_numpy()
        found[name] = measured(doubt, flagged, predicted, train_set, test_set)
        if method is None:
            features = trainer.score(network).features.numpy()
            found["cleanlab"] = cleanlab(features, of_test.numpy(), train_set, test_set)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", help="folder with CIFAR-10")
    parser.add_argument("--only", help="digits or cifar10")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    record: dict[str, Any] = json.loads(RESULT.read_text()) if RESULT.exists() else {"runs": []}
    record |= {"noise": NOISE, **machine()}
    for data, largest, flops, seeds in (("digits", 120, 6e11, 3), ("cifar10", 500, 5e12, 1)):
        if arguments.only not in (None, data):
            continue
        whole = load(data, root=arguments.data)
        test_set = load(data, root=arguments.data, split="test", limit=TEST_IMAGES)
        for ratio in RATIOS:
            for seed in range(seeds):
                key = {"data": data, "ratio": ratio, "seed": seed}
                if any(key.items() <= done.items() for done in record["runs"]):
                    continue
                train_set, started = imbalanced(whole, largest, ratio, seed), time.perf_counter()
                sizes = np.bincount(train_set.given_labels, minlength=whole.num_classes)
                rows = run(train_set, test_set, flops, seed)
                seconds = round(time.perf_counter() - started)
                record["runs"].append(
                    key
                    | {"flops": flops, "images": len(train_set), "given_smallest": int(sizes[-1])}
                    | {"seconds": seconds, "rows": rows}
                )
                RESULT.write_text(json.dumps(record, indent=1) + "\n")
                print(key, json.dumps(rows), f"{seconds} s", flush=True)


if __name__ == "__main__":
    main()
