"""Does the hallucinator do both things that section 3.2 of the paper asks of it?

Anchors shall lie between two features, and be of the class of the first. One run of the paper's method on
part of CIFAR-10 with noisy labels; after each tenth of the budget its anchors and those in closed form are
judged on the same pairs of easy samples: share of the variance that comes from the partner, distance of the
similarity loss from its bound, share that the head assigns to the class of the first, distinct nearest hard
samples. At the first selection hallucinators are also trained from their start with other weights and
sharpness of the classification term, which shows how far the two aims conflict. No true label is used.

    python benchmarks/hallucinator.py --out benchmarks/results/hallucinator.json --plot docs/hallucinator.png
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch

from labelmend.correction.anchor_quality import anchor_quality
from labelmend.hallucination.anchors import AnchorMaker
from labelmend.hallucination.closed_form import closed_form_anchors
from labelmend.hallucination.hallucinator import Hallucinator
from labelmend.hallucination.train import train_hallucinator
from labelmend.methods.anchor_hallucination import AnchorHallucination
from labelmend.methods.anchor_votes import HALLUCINATOR_LR
from labelmend.runs.jobs import prepare
from labelmend.selection.select import select
from labelmend.settings.loading import resolve
from labelmend.training.machine import machine
from labelmend.training.trainer import Trainer

# Weight and sharpness (temperature in spreads of the logits) of the classification term. (1, None) is eq. 2
# with both terms as they are: temperature 1 in units of the logits themselves.
TERMS = (
    (0.0, 0.1),
    (1.0, None),
    (0.1, None),
    (0.03, None),
    (0.01, None),
    (0.1, 0.3),
    (0.03, 0.3),
    (0.01, 0.3),
    (0.1, 0.1),
    (0.04, 0.1),
    (0.02, 0.1),
    (0.005, 0.1),
)
STEPS = (20, 100, 300, 1000, 3000)


class Moment:
    """Features, easy set and head of a run at one moment."""

    def __init__(self, trainer: Trainer) -> None:
        method = trainer.method
        assert isinstance(method, AnchorHallucination)
        task = trainer.task
        network = task.averages[0]
        scores = task.score(network)
        easy = select(
            scores.probabilities,
            task.given_labels,
            task.trusted,
            rule=method.settings.selection,
            percent=method.settings.easy_percent,
        ).easy
        self.features, self.labels = scores.features[easy], task.given_labels[easy]
        self.hard, self.head = scores.features[~easy], network.head
        self.lambda_p = method.settings.lambda_p
        self.origin = torch.zeros(scores.features.shape[1])

    def judge(self, make: AnchorMaker) -> dict[str, Any]:
        """The measures of some anchors."""
        found = anchor_quality(
            make, self.features, self.labels, self.hard, self.head, self.lambda_p, self.origin
        )
        assert found is not None
        return asdict(found)

    def closed_form(self) -> dict[str, Any]:
        """The measures of anchors in closed form."""
        return self.judge(partial(closed_form_anchors, lambda_p=self.lambda_p))

    def trained(self, weight: float, sharpness: float | None, steps: int) -> dict[str, Any]:
        """The measures of a hallucinator trained from its start."""
        generator = torch.Generator().manual_seed(0)
        hallucinator = Hallucinator(self.features.shape[1], generator=generator)
        spread = float(self.head(self.features).detach().std(dim=1).mean())
        started = time.perf_counter()
        train_hallucinator(
            hallucinator,
            torch.optim.Adam(hallucinator.parameters(), HALLUCINATOR_LR),
            self.head,
            self.features,
            self.labels,
            self.lambda_p,
            steps,
            generator=generator,
            weight=weight,
            sharpness=1 / spread if sharpness is None else sharpness,
        )
        seconds = time.perf_counter() - started
        terms = {"weight": weight, "sharpness": sharpness, "steps": steps, "seconds": seconds}
        return terms | self.judge(hallucinator)


def follow(trainer: Trainer) -> dict[str, Any]:
    """Train to the end; the measures at the first selection and after each tenth of the budget."""
    method = trainer.method
    assert isinstance(method, AnchorHallucination)
    points: list[dict[str, Any]] = []
    sweep: dict[str, Any] = {}
    due = 0.0
    while trainer.share < 1:
        if trainer.share >= method.settings.warmup and not sweep:
            moment = Moment(trainer)
            sweep = {
                "terms": [moment.trained(weight, sharpness, 1000) for weight, sharpness in TERMS],
                "steps": [moment.trained(0.04, 0.1, steps) for steps in STEPS],
                "closed_form": moment.closed_form(),
            }
        trainer.run_epoch()
        if method.selections.number and trainer.share >= due:
            moment = Moment(trainer)
            assert method.anchors.hallucinator is not None
            points.append(
                {
                    "share": trainer.share,
                    "learned": moment.judge(method.anchors.hallucinator),
                    "closed_form": moment.closed_form(),
                }
            )
            print(json.dumps(points[-1]), flush=True)
            due = trainer.share + 0.1
    return {"over_the_run": points, "at_the_first_selection": sweep}


def draw(found: dict[str, Any], path: Path) -> None:
    """The trade-off, and the measures over the run, as a picture."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    sweep = found["at_the_first_selection"]
    for sharpness, name in ((None, "logits as they are"), (0.3, "sharpness 0.3"), (0.1, "sharpness 0.1")):
        line = sorted(
            (e for e in sweep["terms"] if e["sharpness"] == sharpness and e["weight"] > 0),
            key=lambda e: e["weight"],
        )
        left.plot([e["own_class"] for e in line], [e["partner"] for e in line], "o-", label=name)
        for e in line:
            left.annotate(
                f"{e['weight']:g}", (e["own_class"], e["partner"]), xytext=(4, 4), textcoords="offset points"
            )
    closed = sweep["closed_form"]
    left.plot(closed["own_class"], closed["partner"], "k*", markersize=11, label="closed form")
    left.axhline(0.3, color="grey", linewidth=0.8, linestyle=":")
    left.axvline(0.85, color="grey", linewidth=0.8, linestyle=":")
    left.set(
        xlabel="anchors that the head assigns to the class of s_u",
        ylabel="variance of anchors from the partner s_v",
        title="First selection, 1,000 steps; weight beside each point",
    )
    left.legend()
    points = found["over_the_run"]
    for key, name in (
        ("partner", "variance from the partner"),
        ("own_class", "of the class of s_u"),
        ("spread", "hard samples reached / closed form"),
        ("gap", "L_sim above its bound"),
    ):
        right.plot([p["share"] for p in points], [p["learned"][key] for p in points], "o-", label=name)
    right.plot(
        [p["share"] for p in points],
        [p["closed_form"]["partner"] for p in points],
        "k--",
        label="variance from the partner, closed form",
    )
    right.set(xlabel="share of the budget", ylim=(0, 1.3), title="Learned anchors over the run")
    right.legend(fontsize=8)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Run the benchmark and write its record and picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--root", default=None)
    parser.add_argument("--noise", default="cifar10n:worse")
    parser.add_argument("--limit", type=int, default=10_000)
    parser.add_argument("--flops", type=float, default=5e13)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--plot", type=Path, default=None)
    arguments = parser.parse_args()
    chosen = {
        "noise": arguments.noise,
        "limit": arguments.limit,
        "flops": arguments.flops,
        "seed": arguments.seed,
        "root": arguments.root,
        "widths": [32, 64, 128],
    }
    settings = resolve("paper-small", None, chosen)
    job = prepare(settings, "cifar10")
    started = time.perf_counter()
    found = follow(Trainer(job.settings, job.train_set))
    record = {
        **found,
        "settings": {**chosen, "root": None, "recipe": "paper-small"},
        "seconds": time.perf_counter() - started,
        "machine": machine(),
        "finished": time.strftime("%Y-%m-%d"),
    }
    arguments.out.write_text(json.dumps(record, indent=1) + "\n")
    if arguments.plot is not None:
        draw(record, arguments.plot)


if __name__ == "__main__":
    main()
