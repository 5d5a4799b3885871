r"""Photographs with known wrong labels: labelmend, cleanlab and nearest neighbours on the same features.

The features are those of a frozen network, computed once; what each does with them is timed here.
cleanlab gets probabilities of a logistic regression, out of sample (5 folds; C by their likelihood of the
given labels), finds issues as ``find_label_issues`` does, and the regression is fitted again without them;
once more with the roots of the features, which labelmend's heads see where no feature is negative.
Nearest neighbours score each label by its share among the 20 most similar other images.
They flag the most; how precise the others are where they find as many wrong labels is measured as well.
With ``--ceiling`` the regression learns the true labels, still out of sample: how well the given ones can be
judged by these features if it were known which are right.

    python benchmarks/photos.py FOLDER --test FOLDER --cache CACHE --ceiling \
        --out benchmarks/results/photos.json
    python benchmarks/photos.py FOLDER --test FOLDER --cache CACHE --images 100 200 500 --seeds 0 1 2 3 4 \
        --noises symmetric:0.2 instance-per-class:0.2 --out benchmarks/results/photos_few.json
    python benchmarks/photos.py cifar10 --root DATA --image-size 128 --noises cifar10n:worse --cache CACHE \
        --out benchmarks/results/photos_cifar10.json
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from dataclasses import replace
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, precision_recall_curve
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from labelmend.correction.neighbours import neighbour_shares
from labelmend.models.frozen import root
from labelmend.runs import jobs
from labelmend.settings.loading import resolve
from labelmend.training.machine import machine

NOISES = ("symmetric:0.2", "symmetric:0.4", "instance-per-class:0.2")
STRENGTHS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
NEIGHBOURS = 20


def detection(
    wrong: np.ndarray, quality: np.ndarray, flagged: np.ndarray, recall: float | None = None
) -> dict[str, float]:
    """How well wrong labels are found; precision also at ``recall``, by default their own."""
    right = float((flagged & wrong).sum())
    precisions, recalls, _ = precision_recall_curve(wrong, -quality)
    enough = recalls >= (right / float(wrong.sum()) if recall is None else recall)
    return {
        "average_precision": float(average_precision_score(wrong, -quality)),
        "precision_at_recall_of_neighbours": float(precisions[enough][-1]),
        "precision": right / max(float(flagged.sum()), 1),
        "recall": right / float(wrong.sum()),
        "flagged": int(flagged.sum()),
    }


def judged(
    job: jobs.Job,
    predicted: np.ndarray,
    quality: np.ndarray,
    flagged: np.ndarray,
    recall: float | None = None,
) -> dict[str, float]:
    """How well wrong labels are found, and how often what is predicted for flagged ones is right."""
    given, true = job.train_set.given_labels, job.train_set.true_labels
    suggested = flagged & (predicted != given)
    return {
        **detection(given != true, quality, flagged, recall),
        "suggestions": int(suggested.sum()),
        "right_suggestions": float((predicted == true)[suggested].mean()),
    }


def ours(job: jobs.Job, recall: float) -> dict[str, float]:
    start = time.perf_counter()
    run = jobs.start(job)
    seconds = time.perf_counter() - start
    table, names = run.verdicts.table, np.asarray(job.train_set.class_names)
    wrong = job.train_set.given_labels != job.train_set.true_labels
    suggested = (table.suggested_label != table.given_label).to_numpy()
    right = table.suggested_label.to_numpy() == names[job.train_set.true_labels]
    return {
        **detection(wrong, table.label_quality.to_numpy(), table.is_label_issue.to_numpy(), recall),
        "suggestions": int(suggested.sum()),
        "right_suggestions": float(right[suggested].mean()) if suggested.any() else float("nan"),
        "test_accuracy": run.summary["test_accuracy_last"],
        "seconds": seconds,
    }


def out_of_sample(
    features: np.ndarray, labels: np.ndarray, seed: int, strengths: tuple[float, ...] = STRENGTHS
) -> tuple[float, Pipeline, np.ndarray]:
    """The strength of regularisation with the likeliest predictions, its model and these predictions."""
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    best = None
    for strength in strengths:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))
        guesses = cross_val_predict(model, features, labels, cv=folds, method="predict_proba")
        likelihood = float(np.log(guesses[np.arange(len(labels)), labels].clip(1e-12)).mean())
        if best is None or likelihood > best[0]:
            best = (likelihood, strength, model, guesses)
    return best[1:]


def by_cleanlab(
    job: jobs.Job, features: np.ndarray, tested: np.ndarray, seed: int, recall: float
) -> dict[str, float]:
    start = time.perf_counter()
    given = job.train_set.given_labels
    strength, model, probabilities = out_of_sample(features, given, seed)
    flagged = find_label_issues(given, probabilities)
    quality = get_label_quality_scores(given, probabilities)
    model.fit(features[~flagged], given[~flagged])
    accuracy = float((model.predict(tested) == job.test_set.given_labels).mean())
    return {
        **judged(job, probabilities.argmax(1), quality, flagged, recall),
        "test_accuracy": accuracy,
        "strength": strength,
        "seconds": time.perf_counter() - start,
    }


def by_true_labels(
    job: jobs.Job, features: np.ndarray, tested: np.ndarray, seed: int, recall: float
) -> dict[str, float]:
    start = time.perf_counter()
    given, true = job.train_set.given_labels, job.train_set.true_labels
    strength, model, probabilities = out_of_sample(features, true, seed, (*STRENGTHS, 1e-1))
    accuracy = float((model.fit(features, true).predict(tested) == job.test_set.given_labels).mean())
    predicted, quality = probabilities.argmax(1), get_label_quality_scores(given, probabilities)
    return {
        **judged(job, predicted, quality, predicted != given, recall),
        "test_accuracy": accuracy,
        "strength": strength,
        "seconds": time.perf_counter() - start,
    }


def rooted(features: np.ndarray) -> np.ndarray:
    assert features.min() >= 0, "features of this backbone may be negative, and labelmend takes no roots"
    return root(torch.from_numpy(features)).numpy()


def by_neighbours(job: jobs.Job, features: np.ndarray, tested: np.ndarray) -> dict[str, float]:
    start = time.perf_counter()
    given = torch.from_numpy(job.train_set.given_labels)
    every = torch.from_numpy(np.concatenate([features, tested]))
    known = torch.arange(len(every)) < len(given)
    labels = torch.cat([given, torch.zeros(len(tested), dtype=torch.int64)])
    shares = neighbour_shares(every, known, labels, job.train_set.num_classes, NEIGHBOURS).numpy()
    own, predicted = shares[: len(given)], shares.argmax(1)
    quality = own[np.arange(len(given)), given.numpy()]
    of_train = predicted[: len(given)]
    return {
        **judged(job, of_train, quality, of_train != given.numpy()),
        "test_accuracy": float((predicted[len(given) :] == job.test_set.given_labels).mean()),
        "seconds": time.perf_counter() - start,
    }


def data_settings(options: argparse.Namespace, noise: str, seed: int) -> dict[str, Any]:
    """What a run reads; labels of people stay as they are, whatever the seed."""
    spec = noise if noise.startswith("cifar10n:") else f"{noise}:seed={seed}"
    given = {"noise": spec, "test": options.test, "root": options.root, "image_size": options.image_size}
    return {key: value for key, value in given.items() if value is not None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--test", help="by default the test split of the data")
    parser.add_argument("--root", help="folder of public data sets")
    parser.add_argument("--image-size", type=int, help="by default that of the network")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--noises", nargs="+", default=list(NOISES))
    parser.add_argument("--images", type=int, nargs="+", help="train on so many, drawn by the seed")
    parser.add_argument("--ceiling", action="store_true", help="also a classifier of the true labels")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    for noise, count in product(arguments.noises, arguments.images or [None]):
        for seed in arguments.seeds:
            overrides = {"network": "efficientnet_lite0", "test_every": 100, "seed": seed}
            settings = resolve("photos", overrides=overrides | data_settings(arguments, noise, seed))
            start = time.perf_counter()
            job = jobs.prepare(settings, arguments.data, cache=arguments.cache)
            prepared = time.perf_counter() - start
            if count is not None:
                rows_drawn = np.random.default_rng(seed).permutation(len(job.train_set))[:count]
                job = replace(job, train_set=job.train_set.subset(np.sort(rows_drawn)))
            features, tested = (
                each.images.gather(torch.arange(len(each)))[:, 0].numpy()
                for each in (job.train_set, job.test_set)
            )
            near = by_neighbours(job, features, tested)
            roots = rooted(features), rooted(tested)
            row = {
                "noise": noise,
                "seed": seed,
                "noise_rate": job.noise_rate,
                "images": len(job.train_set),
                "seconds_to_prepare": prepared,
                "labelmend": ours(job, near["recall"]),
                "cleanlab": by_cleanlab(job, features, tested, seed, near["recall"]),
                "cleanlab_rooted": by_cleanlab(job, *roots, seed, near["recall"]),
                "neighbours": near,
            }
            if arguments.ceiling:
                row["true_labels"] = by_true_labels(job, *roots, seed, near["recall"])
            rows.append(row)
            print(json.dumps(row), flush=True)
            found = {
                "day": date.today().isoformat(),
                "data": Path(arguments.data).parent.name or arguments.data,
                "images": len(job.train_set) if count is None else None,
                "test_images": len(job.test_set),
                "backbone": job.frozen.backbone.name,
                "image_size": job.frozen.backbone.preprocessing.size,
                "precision": job.frozen.arithmetic.precision,
                **machine(),
                "rows": rows,
            }
            arguments.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
