"""What averaging the predictions over each image and its mirror image is worth, on finished runs on CIFAR-10.

    python benchmarks/mirror_averaging.py RUN... --data DIR

The trained networks predict the official test images twice, with and without their mirror images.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from labelmend.data.image_set import ImageSet
from labelmend.data.sources import load
from labelmend.methods import METHODS
from labelmend.runs.records import read_object
from labelmend.runs.run import load_run
from labelmend.training.machine import machine
from labelmend.training.predict import predict_probabilities

RESULT = Path(__file__).parent / "results" / "mirror_averaging.json"


def accuracies(folder: Path, test_set: ImageSet) -> dict[str, float]:
    run = load_run(folder)
    probabilities = METHODS[run.settings.method.name].probabilities
    found = {}
    for name, averaged in {"averaged": True, "alone": False}.items():
        description = run.description | {"flip_average": averaged}
        predicted = predict_probabilities(run.network, description, test_set.images, probabilities)
        found[name] = float((predicted.argmax(1) == test_set.given_labels).mean())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--data", required=True, help="folder of public data sets")
    arguments = parser.parse_args()
    test_set = load("cifar10", split="test", root=arguments.data)
    rows = []
    for folder in arguments.runs:
        summary = read_object(folder / "summary.json")
        row = {"run": folder.name, **accuracies(folder, test_set), "recorded": summary["test_accuracy_last"]}
        rows.append(row)
        print(json.dumps(row), flush=True)
    RESULT.write_text(json.dumps({**machine(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
