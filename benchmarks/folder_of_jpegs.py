"""Average precision of label_quality on a folder of JPEG files of which a share lies in a wrong class.

Writes 5,000 CIFAR-10 training images as JPEG files into class folders, 20 % of them into another one, runs
``labelmend fit`` on the folder as anyone would, and compares verdicts.csv with what was moved.

    python benchmarks/folder_of_jpegs.py --root DATA --out benchmarks/results/folder_of_jpegs.json
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from sklearn.metrics import average_precision_score

from labelmend.data.sources import load


def write_folder(folder: Path, root: str | None, count: int, share: float) -> pd.DataFrame:
    """Write the files; returns id, true and given class of each."""
    images = load("cifar10", root=root, limit=count)
    rng = np.random.default_rng(0)
    moved = rng.permutation(count) < round(share * count)
    given = np.where(moved, (images.given_labels + rng.integers(1, 10, count)) % 10, images.given_labels)
    rows = []
    for i in range(count):
        name = images.class_names[given[i]]
        path = folder / name / f"{i:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images.images.gather(torch.tensor([i]))[0].numpy()).save(path, quality=90)
        rows.append((f"{name}/{path.name}", images.class_names[images.given_labels[i]], name))
    return pd.DataFrame(rows, columns=["id", "true_label", "given_label"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", help="folder that holds CIFAR-10")
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--share", type=float, default=0.2)
    parser.add_argument("--out", type=Path)
    parser.add_argument("flags", nargs="*", help="further flags of labelmend fit, after --")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        photos, run = Path(scratch) / "photos", Path(scratch) / "run"
        truth = write_folder(photos, args.root, args.count, args.share)
        command = ["labelmend", "fit", str(photos), "--out", str(run), *args.flags]
        subprocess.run([sys.executable, "-m", "labelmend", *command[1:]], check=True)
        verdicts = pd.read_csv(run / "verdicts.csv").merge(truth, on=["id", "given_label"], validate="1:1")
        summary = json.loads((run / "summary.json").read_text())
    wrong = verdicts["true_label"] != verdicts["given_label"]
    changed = verdicts["verdict"] == "hard_corrected"
    kept = verdicts["verdict"] == "hard_clean"
    result = {
        "count": len(verdicts),
        "share_moved": float(wrong.mean()),
        "flags": args.flags,
        "average_precision": float(average_precision_score(wrong, 1 - verdicts["label_quality"])),
        "precision_of_is_label_issue": float(wrong[verdicts["is_label_issue"]].mean()),
        "recall_of_is_label_issue": float(verdicts["is_label_issue"][wrong].mean()),
        "suggestions_that_are_right": float(
            (verdicts["suggested_label"] == verdicts["true_label"])[changed].mean()
        ),
        "hard_clean_that_are_right": float((~wrong)[kept].mean()),
        "summary": summary,
    }
    print(json.dumps(result, indent=2))
    if args.out is not None:
        args.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
