"""Plot accuracy against counted operations and against wall time, from the results of a suite.

The published figures stand at estimates of their cost, made here from a ResNet-34 for 32 px (1.16e9
multiply-adds a forward pass, the backward pass twice that) and the number of epochs.

    cd benchmarks/results
    python ../accuracy_per_flop.py cifar10n-worse-50k cifar10n-worse-50k-long ../../docs/accuracy_per_flop.png
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from labelmend.bench.tables import read_results

RESNET34_FORWARD = 2 * 1.16e9
RESNET34_STEP = 3 * RESNET34_FORWARD
IMAGES, EPOCHS = 50_000, 300

# An epoch of MixMatch with 60 % of the images labelled: two views of each labelled image and of as many
# unlabelled ones are trained on, guesses are made from four views, and all images are scored.
MIXMATCH_EPOCH = 0.6 * IMAGES * 4 * (RESNET34_STEP + RESNET34_FORWARD) + IMAGES * RESNET34_FORWARD


@dataclass(frozen=True)
class Published:
    """A published test accuracy on CIFAR-10N "worse" and the operations it may have taken."""

    name: str
    accuracy: float
    flops: float


PUBLISHED = (
    Published("paper", 93.52, EPOCHS * MIXMATCH_EPOCH),
    Published("DivideMix, re-run, last epoch", 92.49, 2 * EPOCHS * MIXMATCH_EPOCH),
    Published("ELR, re-run, last epoch", 87.83, 120 * IMAGES * RESNET34_STEP),
    Published("CE, re-run, best epoch", 83.91, 100 * IMAGES * RESNET34_STEP),
    Published("CE, re-run, last epoch", 68.26, 100 * IMAGES * RESNET34_STEP),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, nargs="+", help="folders of result files, one a suite")
    parser.add_argument("picture", type=Path, help="PNG or SVG file to write")
    args = parser.parse_args()

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    by_flops, by_time = figure.subplots(1, 2, sharey=True)
    records = [record for folder in args.results for record in read_results(folder)]
    rows = list(dict.fromkeys(record["row"] for record in records))
    for record in records:
        colour = f"C{rows.index(record['row'])}"
        accuracy = [100 * point["test_accuracy"] for point in record["curve"]]
        label = record["row"] if record is next(r for r in records if r["row"] == record["row"]) else None
        by_flops.plot([p["flops"] for p in record["curve"]], accuracy, color=colour, alpha=0.4)
        by_flops.plot(record["curve"][-1]["flops"], accuracy[-1], "o", color=colour, label=label)
        minutes = [point["seconds"] / 60 for point in record["curve"]]
        by_time.plot(minutes, accuracy, color=colour, alpha=0.4)
        by_time.plot(minutes[-1], accuracy[-1], "o", color=colour)
    for published in PUBLISHED:
        by_flops.plot(published.flops, published.accuracy, "k*")
        by_flops.annotate(
            published.name,
            (published.flops, published.accuracy),
            (-6, 3),
            textcoords="offset points",
            ha="right",
            fontsize=7,
        )
        by_time.axhline(published.accuracy, color="k", linewidth=0.5, linestyle=":")
    by_flops.set_xscale("log")
    by_flops.set_xlabel("floating-point operations (stars: estimated)")
    by_flops.set_ylabel("test accuracy, %")
    processors = dict.fromkeys(record["summary"]["processor"].split(" (")[0] for record in records)
    by_time.set_xlabel("minutes, test scoring included\non " + " and ".join(processors))
    by_time.legend(*by_flops.get_legend_handles_labels(), fontsize=8, loc="lower center")
    figure.savefig(args.picture, dpi=130)


if __name__ == "__main__":
    main()
