"""Every noise model on CIFAR-10: realised rates, hashes, and whether the noise depends on the image.

    python benchmarks/noise_cifar10.py --root DATA [--soft soft.npz]

DATA holds CIFAR-10 and CIFAR-10N. The statistic (labelmend.noise.statistics) is measured at rate 0.4, on
the noise itself and on class-conditional noise with the same transition matrix. Features of an image are
the first 64 principal components of its pixels at 8 x 8 and, given soft labels of a network trained on
clean labels, their logarithms. The soft labels are also those of the classifier noise; without the file it
is left out. The table of docs/NOISE.md is written anew.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from labelmend.data import ImageSet, load
from labelmend.files import write_json, write_text
from labelmend.noise.classifier import load_soft_labels
from labelmend.noise.pixels import reduced_pixels
from labelmend.noise.spec import apply
from labelmend.noise.statistics import instance_dependence, pixel_features
from labelmend.noise.transition import transition
from labelmend.training.machine import machine

DOCS, BEGIN, END = Path("docs/NOISE.md"), "<!-- tables -->", "<!-- end of tables -->"
RATES = (0.1, 0.2, 0.4)
KINDS = (
    "symmetric:{}",
    "symmetric-inclusive:{}",
    "asymmetric:{}",
    "pairflip:{}",
    "instance-shared:{}",
    "instance-per-class:{}",
    "instance-per-class:{}:centre=mean",
    "instance-per-class:{}:scaling=standardised",
    "instance-per-class:{}:scaling=standardised:centre=mean",
    "part-dependent:{}",
)
HUMAN = ("cifar10n:aggre", "cifar10n:random1", "cifar10n:random2", "cifar10n:random3", "cifar10n:worse")
CONTROLLED = tuple(kind.format(0.4) for kind in KINDS if "centre" not in kind)


def describe(spec: str, images: ImageSet, root: Path) -> dict[str, Any]:
    start = time.perf_counter()
    noisy, record = apply(spec, images, root)
    seconds = time.perf_counter() - start
    flips = noisy.given_labels[noisy.given_labels != noisy.true_labels]
    counts = np.bincount(flips, minlength=images.num_classes)
    matrix = np.array(record.transition)
    np.fill_diagonal(matrix, 0)
    pairs = [divmod(int(i), images.num_classes) for i in np.argsort(-matrix, axis=None)[:6]]
    return {
        "spec": spec,
        "realised_rate": record.realised_rate,
        "flips": len(flips),
        "largest_target_share": float(counts.max() / counts.sum()),
        "largest_given_class_share": float(np.bincount(noisy.given_labels).max() / len(noisy)),
        "most_confused": [
            f"{images.class_names[i]} > {images.class_names[j]} {matrix[i, j]:.3f}" for i, j in pairs
        ],
        "sha256": record.sha256,
        "seconds": round(seconds, 2),
    }


def statistic(spec: str, images: ImageSet, root: Path, features: np.ndarray) -> dict[str, Any]:
    noisy, record = apply(spec, images, root)
    found = {"spec": spec}
    control, _ = transition(images.given_labels, np.array(record.transition), seed=1)
    for name, labels in (("noise", noisy.given_labels), ("same_matrix", control)):
        measured = instance_dependence(images.given_labels, labels, features, images.num_classes, seed=0)
        # JSON has no infinity: an area that cannot be measured has no error.
        values = {key: value if np.isfinite(value) else None for key, value in asdict(measured).items()}
        found[name] = {**values, "z": measured.z, "instance_dependent": measured.instance_dependent}
    return found


def markdown(result: dict[str, Any]) -> str:
    """The tables of docs/NOISE.md."""
    lines = ["| noise | realised | share of flips to the top class | SHA-256 |", "|---|---|---|---|"]
    lines += [
        f"| `{row['spec']}` | {row['realised_rate']:.5f} | {row['largest_target_share']:.3f} "
        f"| `{row['sha256'][:16]}...` |"
        for row in result["noise"]
    ]
    lines += ["", "| noise | flip AUROC | target AUROC | z | z, same T |", "|---|---|---|---|---|"]
    for row in result["instance_dependence"]:
        found = row["noise"]
        areas = [
            f"{found[f'{name}_auroc']:.3f} ± {found[f'{name}_error']:.3f}"
            if found[f"{name}_error"] is not None
            else "one target only"
            for name in ("flip", "target")
        ]
        lines.append(
            f"| `{row['spec']}` | {' | '.join(areas)} | {found['z']:.1f} | {row['same_matrix']['z']:.1f} |"
        )
    return "\n".join(lines)


def write_tables(docs: Path, result: dict[str, Any]) -> None:
    text = docs.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    write_text(docs, f"{before}{BEGIN}\n{markdown(result)}\n{END}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--soft", type=Path)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/noise_cifar10.json"))
    args = parser.parse_args()
    images = load("cifar10", root=args.root)
    features = pixel_features(reduced_pixels(images.images, 8), 64, seed=0)
    specs = [kind.format(rate) for kind in KINDS for rate in RATES] + list(HUMAN)
    controlled = [*CONTROLLED, *HUMAN]
    if args.soft is not None:
        soft_labels, _ = load_soft_labels(args.soft, images.given_labels)
        features = np.hstack([features, np.log(soft_labels.astype(np.float64) + 1e-6)])
        specs += [f"classifier:{rate}:soft={args.soft}" for rate in RATES]
        controlled.append(f"classifier:0.4:soft={args.soft}")
    start = time.perf_counter()
    noise = [describe(spec, images, args.root) for spec in specs]
    seconds = time.perf_counter() - start
    dependence = []
    for spec in controlled:
        dependence.append(statistic(spec, images, args.root, features))
        print(dependence[-1], flush=True)
    for row in (*noise, *dependence):
        row["spec"] = row["spec"].split(":soft=")[0]
    result = {
        "machine": machine(),
        "seconds_of_all_noise": round(seconds, 1),
        "features": features.shape[1],
        "noise": noise,
        "instance_dependence": dependence,
    }
    write_json(args.out, result)
    write_tables(DOCS, result)


if __name__ == "__main__":
    main()
