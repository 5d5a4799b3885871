"""What do the labels that hard correction gives do to the network that learns them?

The paper's method on part of CIFAR-10 with noisy labels, with hard correction as it is, without it, and with
one thing changed between the vote and the training on it:

- "not learned": anchors are made and vote, and the samples stay unlabelled. It differs from no correction in
  the operations that anchors take.
- "own prediction": samples that got a vote learn the network's own prediction of the same moment, with the
  weight of the vote.
- "less sure": they learn the vote with the weight of the network's confidence in its own prediction.
- "true label": they learn their true label. No method could: it is what votes without an error would give.

Each run also notes how often votes, own predictions and given labels are right on the samples voted on, at
each selection. One JSON file a run; those that are there are not run again.

    python benchmarks/correction_cost.py --out benchmarks/results/correction_cost --seeds 1
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from labelmend.methods.anchor_hallucination import AnchorHallucination
from labelmend.methods.base import Scores
from labelmend.runs.jobs import prepare
from labelmend.settings.loading import resolve
from labelmend.training.trainer import Trainer
from labelmend.verdicts.record import SampleRecord

Change = Callable[[SampleRecord, Tensor], SampleRecord]


def as_voted(record: SampleRecord, true: Tensor) -> SampleRecord:
    """The votes as they are."""
    return record


def not_learned(record: SampleRecord, true: Tensor) -> SampleRecord:
    """No votes."""
    return replace(record, corrected=torch.full_like(record.corrected, -1))


def own_prediction(record: SampleRecord, true: Tensor) -> SampleRecord:
    """The network's own prediction where there is a vote."""
    own = record.probabilities.argmax(1)
    return replace(record, corrected=torch.where(record.corrected >= 0, own, record.corrected))


def less_sure(record: SampleRecord, true: Tensor) -> SampleRecord:
    """The votes with the network's confidence in its own prediction as their share."""
    return replace(record, vote_share=record.probabilities.max(1).values)


def true_label(record: SampleRecord, true: Tensor) -> SampleRecord:
    """The true label where there is a vote."""
    return replace(record, corrected=torch.where(record.corrected >= 0, true, record.corrected))


CHANGES: dict[str, Change | None] = {
    "without": None,
    "not learned": not_learned,
    "as voted": as_voted,
    "own prediction": own_prediction,
    "less sure": less_sure,
    "true label": true_label,
}


def votes_of(record: SampleRecord, given: Tensor, true: Tensor) -> dict[str, float]:
    """Of the samples that got a vote: how many, how often each label is right, and how sure the vote is."""
    voted = record.corrected >= 0
    own = record.probabilities.argmax(1)
    found = {"vote": record.corrected, "own prediction": own, "given label": given}
    right = {name: float((label == true)[voted].double().mean()) for name, label in found.items()}
    return {
        "voted": int(voted.sum()),
        "changed": int((voted & (record.corrected != given)).sum()),
        **right,
        "vote share": float(record.vote_share[voted].double().mean()),
        "own confidence": float(record.probabilities.max(1).values[voted].double().mean()),
    }


def watch(method: AnchorHallucination, true: Tensor, change: Change) -> list[dict[str, float]]:
    """Let the method learn changed records of its selections; returns what is noted of each as it is made."""
    divide, noted = method.divide, []

    def divided(scores: Scores, final: bool = False) -> tuple[SampleRecord, dict[str, float]]:
        record, report = divide(scores, final)
        if final:
            return record, report
        noted.append(votes_of(record, method.task.given_labels, true))
        return change(record, true), report

    method.divide = divided
    return noted


def run(variant: str, changes: dict[str, Any]) -> dict[str, Any]:
    """One run of the method; its result and what was noted."""
    change = CHANGES[variant]
    settings = resolve("fast", "anchor_hallucination", {**changes, "correction": change is not None})
    job = prepare(settings, "cifar10")
    trainer = Trainer(settings, job.train_set, job.test_set)
    assert isinstance(trainer.method, AnchorHallucination) and job.train_set.true_labels is not None
    noted: list[dict[str, float]] = []
    if change is not None:
        noted = watch(trainer.method, torch.from_numpy(job.train_set.true_labels), change)
    return {"summary": trainer.run().summary, "selections": noted}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", help="folder that holds CIFAR-10")
    parser.add_argument("--noise", default="cifar10n:worse")
    parser.add_argument("--limit", type=int, default=10_000)
    parser.add_argument("--flops", type=float, default=4.9e13)
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--variants", nargs="+", choices=CHANGES, default=list(CHANGES))
    parser.add_argument("--out", type=Path, required=True, help="folder of results")
    args = parser.parse_args()

    args.out.mkdir(parents=True, exist_ok=True)
    settings = {"noise": args.noise, "limit": args.limit, "flops": args.flops, "widths": args.widths}
    for seed in args.seeds:
        for variant in args.variants:
            path = args.out / f"{variant.replace(' ', '-')}__seed{seed}.json"
            if path.exists():
                continue
            found = run(variant, {**settings, "test_every": 4, "root": args.root, "seed": seed})
            record = {"variant": variant, "seed": seed, "settings": settings, **found}
            path.write_text(json.dumps(record, indent=1) + "\n")
            print(f"{path.stem}: {found['summary']['test_accuracy_last']}", flush=True)


if __name__ == "__main__":
    main()
