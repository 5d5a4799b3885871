"""Are the corrected labels of hard samples better than the network's own predictions at the same moment?

The fast recipe is run on part of CIFAR-10 with noisy labels. At the end of its warm-up (where it makes its
first selection) and at its end, hard samples get labels from hallucinated anchors, from closed-form anchors,
and from the nearest easy samples themselves (k nearest neighbours, no anchors). Beside each kind of anchors
stand the network's own predictions and those of the neighbours: on the very samples that got a label from the
anchors, and on as many samples where they are the most confident or agreed. True labels are used for scoring
alone.

    python benchmarks/votes.py --noise cifar10n:worse --out benchmarks/results/votes_worse_10k.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from labelmend.config import Settings
from labelmend.data.image_set import ImageSet
from labelmend.methods.anchor_votes import AnchorVotes
from labelmend.methods.base import Scores
from labelmend.methods.mend import FIRST_STEPS, Mend
from labelmend.runs.jobs import prepare
from labelmend.selection.select import select
from labelmend.settings.loading import resolve
from labelmend.training.machine import machine
from labelmend.training.optimizers import build_optimizer
from labelmend.training.trainer import Trainer

ANCHORS = {
    "trained hallucinator, strict": partial(
        AnchorVotes, hallucinator="learned", surrounding="strict", lambda_p=0.6
    ),
    "trained hallucinator, loose": partial(
        AnchorVotes, hallucinator="learned", surrounding="loose", lambda_p=0.8
    ),
    "closed form, strict": partial(
        AnchorVotes, hallucinator="closed_form", surrounding="strict", lambda_p=0.6
    ),
    "closed form, loose": partial(AnchorVotes, hallucinator="closed_form", surrounding="loose", lambda_p=0.8),
}


def share_right(labels: Tensor, true: Tensor, chosen: Tensor) -> float | None:
    """Share of the chosen samples whose label is true; None where none is chosen."""
    return float((labels == true)[chosen].double().mean()) if bool(chosen.any()) else None


def most(confidence: Tensor, count: int) -> Tensor:
    """Mask of the ``count`` largest; ties by index."""
    chosen = torch.zeros(len(confidence), dtype=torch.bool)
    chosen[torch.argsort(confidence, descending=True, stable=True)[:count]] = True
    return chosen


def neighbours(easy: Tensor, labels: Tensor, hard: Tensor, classes: int, k: int) -> tuple[Tensor, Tensor]:
    """Label and agreement of the k nearest easy samples of each hard one; features are centred.

    Agreement is the share of the winning class; ties are ordered by the mean similarity, at most 0.001.
    """
    similarity, index = (functional.normalize(hard, dim=1) @ functional.normalize(easy, dim=1).T).topk(k)
    counts = functional.one_hot(labels[index], classes).sum(1).double()
    summed = torch.zeros_like(counts).scatter_add_(1, labels[index], similarity.double())
    best = (counts + 1e-3 * summed / k).argmax(1)
    share = counts.gather(1, best[:, None])[:, 0] / k
    return best, share + 1e-3 * similarity.mean(1)


def vote(trainer: Trainer, make: partial[AnchorVotes], features: Tensor, easy: Tensor) -> Tensor:
    """The label voted for each sample by one kind of anchor, int64 (N,); -1 where no vote is taken."""
    assert isinstance(trainer.method, Mend)
    settings, own = trainer.settings, trainer.method.settings
    task = replace(trainer.task, generator=torch.Generator().manual_seed(settings.seed), optimizers={})
    anchors = make(
        task,
        anchors_per_sample=own.anchors_per_sample,
        max_votes=own.max_votes,
        min_votes=own.min_votes,
        min_agreement=own.min_agreement,
        centred=True,
    ).to(task.device)
    for name, plan in anchors.optimizers().items():
        task.optimizers[name] = build_optimizer(plan, settings.training, trainer.setup.lr)
    return anchors.correct(features, easy, FIRST_STEPS).corrected


def compare(trainer: Trainer, true: Tensor) -> list[dict[str, Any]]:
    """One record for each kind of anchor, on one scoring pass of the run as it is now."""
    assert isinstance(trainer.method, Mend)
    task, own = trainer.task, trainer.method.settings
    scores: Scores = task.score(task.averages[0])
    given = task.given_labels
    easy = select(
        scores.probabilities, given, task.trusted, rule=own.selection, percent=own.easy_percent
    ).easy
    hard = (~easy).nonzero()[:, 0]
    confidence, argmax = scores.probabilities[hard].max(1)
    truth, centred = true[hard], scores.features - scores.features.mean(0)
    near, agreement = neighbours(centred[easy], given[easy], centred[hard], task.num_classes, own.max_votes)
    everywhere = torch.ones(len(hard), dtype=torch.bool)
    records = []
    for name, make in ANCHORS.items():
        label = vote(trainer, make, scores.features, easy)[hard]
        taken = label >= 0
        count = int(taken.sum())
        differ = taken & (label != argmax)
        records.append(
            {
                "anchors": name,
                "hard": len(hard),
                "coverage": count / len(hard),
                "vote": share_right(label, truth, taken),
                "argmax on the same samples": share_right(argmax, truth, taken),
                "neighbours on the same samples": share_right(near, truth, taken),
                "most confident argmax": share_right(argmax, truth, most(confidence, count)),
                "most agreed neighbours": share_right(near, truth, most(agreement, count)),
                "share where vote and argmax differ": int(differ.sum()) / max(count, 1),
                "vote where they differ": share_right(label, truth, differ),
                "argmax where they differ": share_right(argmax, truth, differ),
                "argmax on all hard samples": share_right(argmax, truth, everywhere),
                "neighbours on all hard samples": share_right(near, truth, everywhere),
                "given labels of hard samples": share_right(given[hard], truth, everywhere),
                "easy purity": share_right(given, true, easy),
            }
        )
    return records


def run_seed(train_set: ImageSet, settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """Train the recipe; returns the comparison at each moment."""
    trainer = Trainer(settings, train_set)
    assert isinstance(trainer.method, Mend) and train_set.true_labels is not None
    true = torch.from_numpy(train_set.true_labels)
    while trainer.share < trainer.method.settings.warmup:
        trainer.run_epoch()
    first = compare(trainer, true)
    while trainer.share < 1:
        trainer.run_epoch()
    return {"first selection": first, "end": compare(trainer, true)}


def summarise(seeds: list[dict[str, list[dict[str, Any]]]]) -> dict[str, list[dict[str, Any]]]:
    """Mean and sample standard deviation of every number over the seeds."""
    table: dict[str, list[dict[str, Any]]] = {}
    for moment in seeds[0]:
        table[moment] = []
        for rows in zip(*(seed[moment] for seed in seeds), strict=True):
            row: dict[str, Any] = {"anchors": rows[0]["anchors"]}
            for key in list(rows[0])[1:]:
                values = [r[key] for r in rows if r[key] is not None]
                spread = statistics.stdev(values) if len(values) > 1 else None
                row[key] = {"mean": statistics.fmean(values) if values else None, "stdev": spread}
            row["vote minus argmax on the same samples"] = [
                r["vote"] - r["argmax on the same samples"] for r in rows if r["vote"] is not None
            ]
            table[moment].append(row)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", help="folder that holds CIFAR-10")
    parser.add_argument("--noise", default="cifar10n:worse")
    parser.add_argument("--limit", type=int, default=10_000)
    parser.add_argument("--flops", type=float, default=5e13)
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()

    started, seeds = time.time(), []
    changes = {"noise": args.noise, "limit": args.limit, "flops": args.flops, "widths": args.widths}
    # Neighbours are a control: a network trained on their labels would not be independent of it.
    changes |= {"neighbours": 0, "posterior": "unlabelled"}
    for seed in args.seeds:
        settings = resolve("fast", "mend", {**changes, "root": args.root, "seed": seed})
        train_set = prepare(settings, "cifar10").train_set
        seeds.append(run_seed(train_set, settings))
        print(f"seed {seed}: {time.time() - started:.0f} s", flush=True)
    result = {
        "settings": {k: v for k, v in vars(args).items() if k not in ("out", "root")},
        "table": summarise(seeds),
        "seeds": seeds,
        "seconds": time.time() - started,
        **machine(),
    }
    print(json.dumps(result["table"], indent=2))
    if args.out is not None:
        args.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
