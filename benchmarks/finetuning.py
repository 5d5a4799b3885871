"""Photographs with known wrong labels: the run on frozen features, and the network trained after it.

One run of ``labelmend fit`` with ``--finetune``: test accuracy before and after, and the processor time that
the training took, because a machine with other work tells little by its clock.

    python benchmarks/finetuning.py FOLDER --test FOLDER --runs RUNS --out benchmarks/results/finetuning.json
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import date
from pathlib import Path

import torch

import labelmend
from labelmend.training.listener import Silent
from labelmend.training.machine import machine


class Clock(Silent):
    """Processor and clock seconds since the last part of a run began; prints each scored epoch."""

    def on_start(self, info: dict[str, object]) -> None:
        """A part begins."""
        self.began = time.process_time(), time.perf_counter()

    def on_epoch(self, row: dict[str, float]) -> None:
        """An epoch ends."""
        self.took = time.process_time() - self.began[0], time.perf_counter() - self.began[1]
        if "test_accuracy" in row:
            print(f"epoch {row['epoch']}: {row['test_accuracy']:.4f}, {self.took[0]:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--test", required=True)
    parser.add_argument("--runs", type=Path, required=True, help="folder of the run and of its features")
    parser.add_argument("--noise", default="symmetric:0.2:seed=0")
    parser.add_argument("--epochs", type=float, default=1.5)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    clock = Clock()
    run = labelmend.fit(
        arguments.data,
        test=arguments.test,
        out=arguments.runs / "run",
        overwrite=True,
        recipe="photos",
        network="efficientnet_lite0",
        noise=arguments.noise,
        finetune=arguments.epochs,
        listener=clock,
    )
    table, summary = run.verdicts.table, run.summary
    left_out = table.is_label_issue & (table.suggested_label == table.given_label)
    right = (table.suggested_label == table.true_label)[~left_out]
    found = {
        "day": date.today().isoformat(),
        "data": Path(arguments.data).parent.name,
        "noise": arguments.noise,
        "noise_rate": summary["realised_noise_rate"],
        "seed": run.settings.seed,
        "images": len(table),
        "trained_on": int((~left_out).sum()),
        "their_labels_right": float(right.mean()),
        "backbone": run.backbone.backbone.name,
        "epochs": summary["epochs"],
        **{name: run.description[name] for name in ("batch_size", "lr", "weight_decay", "mirroring")},
        "frozen": summary["frozen"]["test_accuracy_last"],
        "trained": summary["test_accuracy_last"],
        "detection_ap": summary["detection_ap"],
        "processor_seconds": clock.took[0],
        "clock_seconds": clock.took[1],
        "torch_threads": torch.get_num_threads(),
        **{name: summary[name] for name in ("precision", "memory_format")},
        **machine(),
    }
    arguments.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
