"""How many images must a person look at until most of the wrong labels were among them?

On part of CIFAR-10 with CIFAR-10N labels of one annotator (`random1`), three orders of the queue:

- labelmend: the order of `labelmend review`, after the default method;
- cleanlab: label quality of cleanlab (self-confidence), from class probabilities that the same network with
  the same augmentation gave in 4-fold cross-validation, at the same operations in all;
- random: the expectation over all orders.

True labels are used for scoring alone. Runs that are finished in --work are not fitted again.

    python benchmarks/review_effort.py --root DIR --work DIR --out benchmarks/results/review_effort.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labelmend import fit
from labelmend.review.queue import review_order
from labelmend.runs import folder as run_folder
from labelmend.training.machine import machine
from labelmend.verdicts.frame import read_parquet

SHARES = (0.5, 0.8, 0.9)
IN_CROSS_VALIDATION = 0.95
"""Of the operations of cleanlab's run; what is left trains a network that is not looked at."""
COLOURS = {"labelmend": "#0b6e4f", "cleanlab": "#b45309", "random": "#6b7280"}


def images_until(wrong: np.ndarray, shares: tuple[float, ...] = SHARES) -> list[int]:
    """Images looked at, in this order, until a share of the wrong labels was among them.

    Args:
        wrong: bool (N,), whether the given label is wrong, in the order of the queue.
        shares: in (0, 1].
    """
    seen = wrong.cumsum()
    return [int(np.searchsorted(seen, np.ceil(share * seen[-1])) + 1) for share in shares]


def expected_until(count: int, wrong: int, shares: tuple[float, ...] = SHARES) -> list[int]:
    """The same over all orders of ``count`` images, on average: the r-th wrong one is r (N + 1) / (W + 1)."""
    return [round(np.ceil(share * wrong) * (count + 1) / (wrong + 1)) for share in shares]


def fitted(work: Path, method: str, arguments: argparse.Namespace) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Table of verdicts and summary of a method's run."""
    folder = work / f"{method}-{arguments.limit}-{arguments.flops:g}"
    if not run_folder.is_finished(folder):
        of_cleanlab = {"cross_validation": IN_CROSS_VALIDATION, "folds": 4}
        share = IN_CROSS_VALIDATION if method == "cleanlab" else 1.0
        fit(
            "cifar10",
            out=folder,
            overwrite=True,
            method=method,
            root=arguments.root,
            noise="cifar10n:random1",
            limit=arguments.limit,
            flops=arguments.flops / share,
            test="none",
            **(of_cleanlab if method == "cleanlab" else {}),
        )
    summary = json.loads((folder / run_folder.SUMMARY).read_text())
    return read_parquet(folder / run_folder.VERDICTS_PARQUET), summary


def draw(curves: dict[str, np.ndarray], wrong: int, path: Path) -> None:
    """Share of the wrong labels seen over images looked at."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.2), layout="constrained")
    for name, seen in curves.items():
        axes.plot(np.arange(len(seen)), 100 * seen, label=name, color=COLOURS[name], linewidth=2)
    axes.axvline(wrong, color="#9ca3af", linestyle=":", linewidth=1)
    axes.annotate(f"{wrong:,} labels are wrong", (wrong, 3), xytext=(6, 0), textcoords="offset points")
    axes.set(xlabel="images looked at", ylabel="wrong labels seen, %", xlim=(0, None), ylim=(0, 101))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=150, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--root", required=True, help="folder of the data sets")
    parser.add_argument("--work", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--limit", type=int, default=10_000)
    parser.add_argument("--flops", type=float, default=1e14)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()

    orders, settings = {}, {}
    for method, name in (("mend", "labelmend"), ("cleanlab", "cleanlab")):
        table, summary = fitted(arguments.work, method, arguments)
        wrong = (table["given_label"] != table["true_label"]).to_numpy()
        orders[name] = wrong[review_order(table)]
        settings[name] = {key: summary[key] for key in ("flops", "epochs", "seconds")}
    count, total = len(wrong), int(wrong.sum())
    result = {
        "data": f"CIFAR-10, first {count:,} images, CIFAR-10N random1",
        "images": count,
        "wrong_labels": total,
        "shares": SHARES,
        "images_until": {
            **{name: images_until(order) for name, order in orders.items()},
            "random": expected_until(count, total),
        },
        "runs": settings,
        "machine": machine(),
        "shared_machine": True,
    }
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["images_until"], indent=1))
    if arguments.figure:
        curves = {name: np.append(0, order.cumsum()) / total for name, order in orders.items()}
        draw({**curves, "random": np.linspace(0, 1, count + 1)}, total, arguments.figure)


if __name__ == "__main__":
    main()
